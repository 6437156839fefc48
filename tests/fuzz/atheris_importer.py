"""The importer under atheris, which steers mutation by coverage: needs ``pip install atheris``.

``cd tests; python -m fuzz.atheris_importer -runs=100000 -timeout=10 -rss_limit_mb=2048 CORPUS``.
Every mutation is one of :mod:`fuzz.model_mutator`'s or of libFuzzer's own.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import atheris
import onnx

with atheris.instrument_imports(include=["zeroskip", "onnx_ir"]):
    from .importer import import_model
    from .model_mutator import ModelMutator
    from .seeds import own_models

_mutator = ModelMutator(own_models())


def _mutate(data: bytes, max_size: int, seed: int) -> bytes:
    rng = random.Random(seed)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception:  # bytes that libFuzzer has damaged: let it go on
        return bytes(atheris.Mutate(data, max_size))
    return _mutator.mutate(model, rng)[:max_size]


def _execute(data: bytes) -> None:
    import_model(data, runs=len(data) % 4 == 0)


def main() -> None:
    """Fill an empty corpus with our own models and fuzz."""
    folders = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("-")]
    for folder in folders[:1]:
        folder.mkdir(parents=True, exist_ok=True)
        for index, model in enumerate(own_models()):
            (folder / f"own{index}").write_bytes(model.SerializeToString())
    atheris.Setup(sys.argv, _execute, custom_mutator=_mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
