"""Times whole networks on several engines and writes one JSON file per case.

python -m benchmarks.models.run                                  # everything, about ten minutes
python -m benchmarks.models.run --network resnet50 --sparsity natural,0.8 --threads 2
python -m benchmarks.models.run --file squeezenet=model.onnx --data photos/ --preprocess caffe-bgr
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from zeroskip.bench import bench, render_table
from zeroskip.cli.console import Terminal
from zeroskip.cli.model_input import input_shape
from zeroskip.data import PRESETS, Preprocess
from zeroskip.errors import DataError, ZeroskipError
from zeroskip.system import physical_cores

from .. import lists
from .cases import Case, random_cases, trained_case
from .networks import NETWORKS
from .result import RESULTS, CaseResult
from .trained import TRAINED, TrainedModel

_CALIBRATED = ("open_nsfw",)  # calibrating the larger ones takes longer than all the rest


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(given)
    terminal = Terminal()
    command = " ".join(["python -m benchmarks.models.run", *map(_without_folder, given)])
    failures = 0
    for case in _cases(options, terminal):
        for threads in options.threads:
            try:
                result = _measured(case, threads, options, command, terminal)
            except ZeroskipError as error:
                terminal.note(f"{case.network}: {error}")
                failures += 1
                continue
            path = result.save(options.results / "models")
            terminal.note(f"\n{result.network}, {result.variant} sparsity: {path.name}")
            terminal.show(render_table(result.bench))
    return 1 if failures else 0


def _measured(case: Case, threads: int, options: argparse.Namespace, command: str, terminal: Terminal) -> CaseResult:
    with terminal.progress() as progress:
        measured = bench(
            case.model,
            case.data,
            case.specs(options.engine),
            threads=threads,
            batch_size=options.batch_size,
            seconds=options.time,
            rounds=options.rounds,
            progress=progress,
        )
    return CaseResult(
        kind=case.kind,
        network=case.network,
        target_sparsity=case.target_sparsity,
        accuracy=case.accuracy,
        command=command,
        bench=measured.model_copy(update={"command": command}),
    )


def _cases(options: argparse.Namespace, terminal: Terminal) -> Iterator[Case]:
    if options.file is not None:
        name, _, path = options.file.partition("=")
        preprocess = Preprocess.preset(options.preprocess).fitted_to(input_shape(Path(path)))
        trained = TrainedModel(name, Path(path).read_bytes, preprocess)
        yield trained_case(trained, options.data, options.max_drop, max(options.threads))
        return
    for name in options.trained:
        max_drop = options.max_drop if name in _CALIBRATED else None
        try:
            yield trained_case(TRAINED[name], options.data, max_drop, max(options.threads))
        except (DataError, ImportError) as error:
            terminal.note(f"{name} is left out: {error}")
    for network in options.network:
        yield from random_cases(network, options.sparsity, options.data)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.models.run", description="Time whole networks on several engines."
    )
    parser.add_argument("--network", type=_words(NETWORKS), default=list(NETWORKS), help="or 'none'")
    parser.add_argument("--trained", type=_words(TRAINED), default=list(TRAINED), help="or 'none'")
    parser.add_argument("--file", metavar="NAME=MODEL", help="a trained model of your own, instead")
    parser.add_argument("--preprocess", choices=list(PRESETS), default="imagenet", help="for --file")
    parser.add_argument("--data", type=Path, help="folder of pictures; by default the demo's")
    parser.add_argument("--sparsity", type=_sparsities, default=[None, 0.7, 0.8, 0.9])
    parser.add_argument(
        "--max-drop", type=_budget, default=0.01, help="for the row with thresholds; 'none' for no such row"
    )
    parser.add_argument("--engine", type=lists.words, default=["zeroskip", "onnxruntime", "openvino"])
    parser.add_argument("--threads", type=lists.integers, default=sorted({1, physical_cores()}))
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--time", type=float, default=2.0, help="seconds for each engine and case")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser


def _sparsities(text: str) -> list[float | None]:
    return [None if part == "natural" else float(part) for part in lists.words(text)]


def _budget(text: str) -> float | None:
    return None if text == "none" else float(text)


class _words:  # noqa: N801 (argparse shows the name of a type in its messages)
    """Comma-separated words out of some, or ``none``."""

    def __init__(self, known: object) -> None:
        self._known = list(known)  # type: ignore[call-overload]

    def __call__(self, text: str) -> list[str]:
        words = [] if text == "none" else lists.words(text)
        if unknown := [word for word in words if word not in self._known]:
            raise argparse.ArgumentTypeError(f"unknown {unknown}, known are {self._known}")
        return words


def _without_folder(argument: str) -> str:
    """Keep a path's last part only: where somebody's files lie is nobody's business."""
    name, equals, path = argument.rpartition("=")
    is_path = "/" in path
    return shlex.quote(f"{name}{equals}{Path(path).name}" if is_path else argument)


if __name__ == "__main__":
    sys.exit(main())
