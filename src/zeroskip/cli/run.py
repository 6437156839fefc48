"""``zeroskip run``: predictions for images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .command import command
from .console import Terminal
from .data_options import DataOptions, show_notes
from .options import EngineOptions, ModelArgument, Precision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..data import Dataset
    from ..onnx.load import ModelSource

_MOST_CLASSES = 1 << 20


@command
def run(
    terminal: Terminal,
    model: ModelArgument,
    data: DataOptions,
    engine: EngineOptions,
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[IMAGE]...", help="Images; or use --data.", show_default=False),
    ] = None,
    precision: Annotated[Precision, typer.Option(help="What convolutions and linear layers multiply.")] = "f32",
    top: Annotated[int, typer.Option(help="Predictions per image.", min=1)] = 5,
    names: Annotated[
        Path | None,
        typer.Option("--class-names", help="Text file with one class name per line.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Save raw outputs as .npz.", show_default=False)
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            "--profile",
            metavar="FILE",
            help="Time the steps on the first batch and write a Chrome trace, for ui.perfetto.dev.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run the model on images and print the most probable classes.

    Example: zeroskip run model.onnx cat.jpg dog.jpg --preprocess imagenet --class-names classes.txt
    """
    from ..analysis import ModelInput, run_batches, warn_of_other_preprocessing
    from ..engine import InferenceSession, SessionOptions
    from ..onnx import LoadedModel

    loaded = LoadedModel.of(model)
    inputs = _open(loaded, data, images or [])
    show_notes(terminal, inputs)
    warn_of_other_preprocessing(loaded, inputs)
    options = SessionOptions(
        intra_op_num_threads=engine.threads or 0,
        isa=engine.isa,
        precision="bf16" if precision == "bf16" else "float32",
    )
    session = InferenceSession(loaded, options)
    ModelInput.of(session).check(inputs)
    with terminal.progress() as progress:
        outputs: list[list[NDArray[Any]]] = []
        done = 0
        for batch in run_batches(session, inputs, engine.batch_size):
            outputs.append(batch)
            done += len(batch[0])
            progress("running", done, len(inputs))
    if trace is not None:
        feed, _ = next(ModelInput.of(session).feeds(inputs, engine.batch_size))
        session.profile(feed).save_trace(trace)
        terminal.note(f"trace written to {trace}; ui.perfetto.dev shows it")
    _show(terminal, inputs, [rows for batch in outputs for rows in batch[0]], _names(loaded, names), top)
    if output is not None:
        _save(output, [item.name for item in session.get_outputs()], outputs)
        terminal.note(f"outputs written to {output}")


def _open(model: ModelSource, options: DataOptions, images: list[Path]) -> Dataset:
    from ..data import images as image_list
    from ..errors import DataError

    if not images:
        return options.open(model)
    if options.data is not None:
        raise DataError("both images and --data were given: give one of them")
    options.refuse(["labels", "classes"], "a list of images")
    return image_list(
        images,
        options.recipe(model),
        crops=options.crops,
        on_error="skip" if options.skip_unreadable else "raise",
    )


def _show(terminal: Terminal, inputs: Dataset, rows: list[NDArray[np.float32]], names: list[str], top: int) -> None:
    from rich.table import Table

    from ..text import printable

    results: list[dict[str, Any]] = [
        {"input": name, "predictions": _predictions(row, names, top)}
        for name, row in zip(inputs.names, rows, strict=True)
    ]
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("input", overflow="fold")
    table.add_column("class", overflow="fold")
    table.add_column("probability", justify="right", no_wrap=True)
    for result in results:
        for number, prediction in enumerate(result["predictions"]):
            value = prediction.get("probability")
            table.add_row(
                printable(str(result["input"])) if number == 0 else "",
                printable(str(prediction["class"])),
                "" if value is None else f"{value:.2%}",
            )
    terminal.show(table)
    terminal.json(json.dumps(results, indent=2))


def _predictions(row: NDArray[np.float32], names: list[str], top: int) -> list[dict[str, Any]]:
    """Return the most probable classes; for outputs without classes, what they look like."""
    import numpy as np

    from ..metrics import is_probability

    if sum(side != 1 for side in row.shape) != 1:
        return [{"class": f"output {list(row.shape)}, values {row.min():.4g} .. {row.max():.4g}"}]
    values = row.ravel().astype(np.float64)
    if not is_probability(values[None]):
        values = np.exp(values - values.max())
        values /= values.sum()
    best = np.argsort(-values, kind="stable")[:top]
    return [
        {
            "index": int(index),
            "class": names[index] if index < len(names) else str(index),
            "probability": float(values[index]),
        }
        for index in best
    ]


def _names(model: ModelSource, path: Path | None) -> list[str]:
    """Return the names of the classes: those in the file, else those that the model states, else none."""
    from ..errors import DataError
    from ..files import read_text
    from .model_input import class_names

    if path is None:
        stated = class_names(model)
        found = {} if stated is None else {index: name for name, index in stated.index_of.items()}
        return [found.get(index, str(index)) for index in range(min(max(found, default=-1) + 1, _MOST_CLASSES))]
    try:
        return read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read class names from '{path}': {error}") from error


def _save(path: Path, names: list[str], batches: list[list[NDArray[Any]]]) -> None:
    import numpy as np

    from ..files import atomic_path

    arrays = {name: np.concatenate([batch[index] for batch in batches]) for index, name in enumerate(names)}
    with atomic_path(path if path.suffix == ".npz" else path.with_name(path.name + ".npz")) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]
