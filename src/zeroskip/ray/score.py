"""score: a model over a data set on a Ray cluster, into a folder of Parquet files."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.decoder import IMAGE_SUFFIXES
from ..data.preprocessing import Preprocess
from ..errors import DataError
from ..extras import needs
from ..files import atomic_write_text
from ..progress import Progress

if TYPE_CHECKING:
    from ..onnx.load import ModelSource

_ENCODED = ("bytes", "image", "content")
_BAD = "bad.jsonl"


@dataclass(frozen=True)
class BadInput:
    """An input that has no result.

    Args:
        key: Which.
        reason: Why.
    """

    key: str
    reason: str


@dataclass(frozen=True)
class ScoreResult:
    """How a run ended.

    Args:
        folder: Of the Parquet files; inputs that were bad stand in its ``bad.jsonl``.
        scored: Inputs that got results in this run.
        skipped: Inputs that had results from before.
        bad: Inputs without results, with the reason. A further run tries them again.
    """

    folder: Path
    scored: int
    skipped: int
    bad: tuple[BadInput, ...]


def score(
    data: Any,
    model: ModelSource,
    output: str | os.PathLike[str],
    *,
    preprocess: str | Preprocess | None = None,
    key: str = "path",
    batch_size: int = 16,
    part_size: int = 256,
    workers: int | None = None,
    num_cpus: int = 1,
    progress: Progress | None = None,
) -> ScoreResult:
    """Run a model over a data set on the Ray cluster this process is connected to, or a local one.

    Results appear part by part, each file whole. What has a result in ``output`` already is not scored again, so a run
    that was ended goes on where it was; a worker that dies is started again, and its share neither lost nor doubled.

    Args:
        data: A folder of pictures, a list of picture files, a Parquet file or folder, or a ``ray.data.Dataset``. Rows
            of the latter two have a column ``key`` and either encoded pictures (bytes in a column ``bytes``, ``image``
            or ``content``) or one column for each input of the model.
        model: What ``InferenceSession`` takes.
        output: Folder for the results, on a file system that all workers see. One file per ``part_size`` inputs with
            the keys and one column for each output, a row flat.
        preprocess: A preset's name or a recipe for pictures; None takes that in the model's metadata.
        key: Column that tells inputs apart; of files it is their path.
        batch_size: Inputs of one run of the model.
        part_size: Inputs of one file of results.
        workers: Processes with a session each; None takes as many as the cluster has processors for.
        num_cpus: Processors, and threads, of each worker.
        progress: Called with what is done.

    Raises:
        DataError: If there is nothing to score, a column is missing, or a file is listed twice.
        ModelError: If the model cannot be read.
        OutputError: If the folder cannot be made.
    """
    with needs("zeroskip.ray.score"):
        import ray
        import ray.data

    from ..onnx import LoadedModel
    from .parts import read_keys
    from .worker import Job, Worker

    loaded = LoadedModel.of(model)
    folder = _make_folder(output)
    rows = _rows_of(data, key)
    content, recipe = _reading(rows, loaded, preprocess, key)
    rows = rows.filter(fn=_NotIn(done, key)) if (done := read_keys(folder, key)) else rows
    skipped, left = len(done), rows.count()
    if not left and not skipped:
        raise DataError("there is nothing to score")
    cpus = int(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]
    count = min(workers or max(1, cpus // num_cpus), max(1, -(-left // part_size)))
    # Workers hold what they ask for until the end. One processor is left for the tasks that read and cut the data,
    # or the run would wait for ever; these are light, so that the workers have all processors nonetheless.
    held = min(float(num_cpus), max(0.0, cpus - 1) / count)
    job = Job(str(folder.resolve()), key, content, recipe, batch_size, num_cpus)
    reports = rows.repartition(max(1, -(-left // part_size))).map_batches(
        Worker,
        fn_constructor_args=(loaded.to_bytes(), job),
        batch_size=part_size,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=count),
        num_cpus=held,
    )
    scored, bad = 0, []
    if left:
        for report in reports.iter_rows():
            scored += int(report["scored"])
            if report["bad"]:
                bad.append(BadInput(str(report["bad"]), str(report["reason"])))
            if progress is not None:
                progress("scoring", scored + len(bad), left)
    lines = [json.dumps({"key": item.key, "reason": item.reason}) for item in bad]
    atomic_write_text(folder / _BAD, "".join(line + "\n" for line in lines))
    return ScoreResult(folder, scored, skipped, tuple(bad))


@dataclass(frozen=True)
class _NotIn:
    done: set[str]
    key: str

    def __call__(self, row: dict[str, Any]) -> bool:
        return str(row[self.key]) not in self.done


def _make_folder(output: str | os.PathLike[str]) -> Path:
    from ..errors import OutputError

    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(error.errno, error.strerror, str(folder)) from None
    return folder


def _rows_of(data: Any, key: str) -> Any:
    """Return a data set of rows with the key."""
    import ray.data

    if isinstance(data, ray.data.Dataset):
        return data
    if isinstance(data, (str, os.PathLike)):
        path = Path(data)
        files = _files_in(path)
        if any(file.suffix == ".parquet" for file in files):
            return ray.data.read_parquet(str(path))
        return _rows_of([file for file in files if file.suffix.lower() in IMAGE_SUFFIXES], key)
    if isinstance(data, Sequence) and all(isinstance(item, (str, os.PathLike)) for item in data):
        if not data:
            raise DataError("there is nothing to score: no pictures and no Parquet files")
        names = [os.fspath(item) for item in data]
        if len(set(names)) != len(names):
            raise DataError("a picture is listed twice")
        return ray.data.from_items([{key: name} for name in names])
    raise DataError(f"data is a {type(data).__name__}, expected a folder, files, Parquet or a ray.data.Dataset")


def _files_in(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"there is no folder or file '{path}'")
    return sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))


def _holds_bytes(rows: Any, column: str) -> bool:
    import pyarrow as pa

    schema = rows.schema()
    kind = dict(zip(schema.names, schema.types, strict=True))[column]
    return isinstance(kind, pa.DataType) and (pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _reading(
    rows: Any, model: Any, preprocess: str | Preprocess | None, key: str
) -> tuple[str | None, Preprocess | None]:
    """Return the column of encoded pictures and the recipe; None where there is none."""
    from ..engine.signature import Signature

    columns = list(rows.columns() or [])
    if key not in columns:
        raise DataError(f"the data have no column '{key}'; they have {columns}")
    inputs = Signature.of(model.model).inputs
    names = [argument.name for argument in inputs]
    content = next((name for name in _ENCODED if name in columns and _holds_bytes(rows, name)), None)
    if content is None and set(names) <= set(columns):
        return None, None
    if content is None and columns != [key]:
        raise DataError(f"the data have columns {columns}; expected {names}, or encoded pictures in one of {_ENCODED}")
    if len(inputs) != 1:
        raise DataError(f"the model takes {names}, and pictures are but one input; give a column for each")
    recipe = Preprocess.from_model(model) if preprocess is None else preprocess
    if recipe is None:
        raise DataError("how do pictures become inputs? Name a preset or a recipe by preprocess=")
    recipe = Preprocess.preset(recipe) if isinstance(recipe, str) else recipe
    return content, recipe.fitted_to(inputs[0].shape)
