"""Low precision: makes models, judges their accuracy, times them and writes ``docs/results/precision.md``.

python -m benchmarks.precision.run prepare --data DATA --work WORK    # models and accuracy, once; takes long
python -m benchmarks.precision.run measure --data DATA --work WORK    # on an idle machine
python -m benchmarks.precision.run page
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from zeroskip.files import atomic_write_text
from zeroskip.saved_value import SavedValue

from ..lists import integers, words
from .accuracy import judge
from .cases import TRAINED
from .layers import measure_all
from .networks import NETWORKS, SPARSITIES, case_folder, measure, measure_trained, prepare
from .page import page
from .result import RESULTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results" / "precision.md"
_LAYERS = "layers"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    for name in options.only if options.step != "page" else ():
        (_prepare if options.step == "prepare" else _measure)(name, options)
    if options.step == "page":
        atomic_write_text(PAGE, page())
    return 0


def _prepare(name: str, options: argparse.Namespace) -> None:
    if name in NETWORKS:
        prepare(options.work, name)
    elif name in TRAINED:
        _keep(judge(TRAINED[name], options.data, options.work, options.threads[0]), f"accuracy/{name}.json")


def _measure(name: str, options: argparse.Namespace) -> None:
    if name == _LAYERS:
        measure_all(options.data, options.threads)
    elif name in TRAINED:
        threads = max(options.threads)
        result = measure_trained(TRAINED[name], options.data, options.work, threads, options.seconds)
        _keep(result, f"trained/{name}.json")
    else:
        for sparsity in SPARSITIES:
            for threads in options.threads:
                result = measure(options.work, name, sparsity, threads, options.seconds)
                _keep(result, f"networks/{case_folder(Path(), name, sparsity)}-t{threads}.json")


def _keep(result: SavedValue, name: str) -> None:
    path = RESULTS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    result.save(path)
    print(name, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision.run", description="Low precision.")
    parser.add_argument("step", choices=("prepare", "measure", "page"))
    parser.add_argument("--data", type=Path, help="as for benchmarks.calibration.run")
    parser.add_argument("--work", type=Path, help="folder for the models")
    parser.add_argument("--only", type=words, default=[*TRAINED, *NETWORKS, _LAYERS])
    parser.add_argument("--threads", type=integers, default=[1, 2])
    parser.add_argument("--seconds", type=float, default=3.0, help="for each engine and case")
    return parser


if __name__ == "__main__":
    sys.exit(main())
