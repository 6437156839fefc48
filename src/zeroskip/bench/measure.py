"""The measurement itself: load every engine, compare their outputs, then time them in interleaved rounds."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analysis import ModelInput, warn_of_other_preprocessing
from ..baselines import Precision
from ..data import Dataset
from ..engine import fitted_cost_model
from ..errors import DataError, EngineError
from ..onnx import LoadedModel
from ..onnx.load import ModelSource
from ..system import SystemInfo, physical_cores
from .compare import TOLERANCES, mark_differences
from .load import OthersLoad
from .precision import mark_accuracy, model_of
from .result import BenchResult
from .row import Row
from .specs import EngineSpec

Progress = Callable[[str, int, int], None]
"""Called with what is going on, steps done and steps in all."""

MIN_ROUNDS = 5
MAX_BATCHES = 8
"""Different inputs the runs take turns in: enough for sparsity to vary, few enough to send and keep."""

_REST_S = 0.3  # lets the last engine's spinning threads fall asleep: those of ncnn's OpenMP spin for 200 ms
_COLLAPSE_FACTOR = 2.0

_logger = logging.getLogger(__name__)


def bench(
    model: ModelSource,
    data: Any,
    engines: Sequence[str | EngineSpec] = ("zeroskip", "onnxruntime"),
    *,
    threads: int | None = None,
    batch_size: int = 1,
    seconds: float = 10.0,
    rounds: int = MIN_ROUNDS,
    precision: Precision = "f32",
    isa: str | None = None,
    tolerance: float | None = None,
    random_input: bool = False,
    progress: Progress | None = None,
) -> BenchResult:
    """Time a model on several engines, interleaved, after comparing their outputs.

    Every engine works in a process of its own with the same inputs, the same warm-up and the same share of
    time; in each round they run one after another (A B C, A B C, ...). A round in which an engine
    collapses, its median above twice that of its best round, is left out for all of them and another one is
    run, up to twice the rounds asked for. Should most rounds collapse even so, none is left out and the
    result says that it is unstable.

    Args:
        model: ONNX file, its content or a loaded model. It is read once; all engines get the same.
        data: Real inputs, a data set or what :func:`zeroskip.data.from_iterable` reads; up to 8 batches of them are
            used. Noise has to be asked for by ``random_input``.
        engines: Names or :class:`EngineSpec`; labels must be unique.
        threads: Threads per engine; all physical cores by default.
        batch_size: Inputs per run. If the data have fewer, they are repeated to fill one batch.
        seconds: Time given to each engine over all rounds.
        rounds: Interleaved rounds, >= 5.
        precision: What engines compute in unless their spec says otherwise.
        isa: Instruction set of zeroskip; None for the best.
        tolerance: Largest accepted output difference, relative to the largest output. By default 1e-3 for
            f32 and 0.1 for bf16, and for models with thresholds more on some inputs: as much as they move under noise
            of the size of rounding. A larger one is logged as a warning and marked in the result.
        random_input: Whether noise is accepted as data.
        progress: Told of each step.

    Returns:
        The result, rows in the order of ``engines``.

    Raises:
        DataError: If the data are noise and ``random_input`` is False, or lack an input of the model.
        ShapeError: If the data do not fit the model.
        ModelError: If a model cannot be read.
        EngineError: If an engine is unknown, not installed, or fails on the model; or on fewer than 5 rounds.

    Example:
        >>> data = image_folder("photos/", "imagenet")  # doctest: +SKIP
        >>> result = bench("model.onnx", data, ["zeroskip", "onnxruntime", "openvino"])  # doctest: +SKIP
        >>> result.speedup("zeroskip", over="onnxruntime")  # doctest: +SKIP
        1.52
    """
    loaded = LoadedModel.of(model)
    data = ModelInput.of_model(loaded).data(data)
    specs = _checked(engines, data, rounds, random_input)
    steps = _Steps(progress, total=len(specs) * (1 + rounds))
    threads = physical_cores() if threads is None else threads
    batches = _batches(data, batch_size)
    if any(spec.engine == "zeroskip" for spec in specs):
        fitted_cost_model(isa, threads, progress=progress)  # for the engine's process, which reads it from the cache
    with ExitStack() as processes:
        warn_of_other_preprocessing(loaded, data)
        models = [model_of(spec, loaded, data, precision) for spec in specs]
        rows = [Row(spec, one, threads, precision, processes, isa) for spec, one in zip(specs, models, strict=True)]
        for row in rows:
            steps.begin(f"loading {row.label}")
            row.load(batches)
        mark_differences(rows, tolerance)
        mark_accuracy(rows, data, batch_size)
        load = OthersLoad()
        collapsed = _time_rounds(rows, rounds, seconds / rounds, steps, load)
    is_unstable = len(collapsed) > len(rows[0].rounds) // 2
    if is_unstable:
        _logger.warning("the machine is too busy to measure: engines fell to half speed in most rounds")
    dropped = () if is_unstable else collapsed
    return BenchResult(
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=shlex.join(sys.argv),
        system=SystemInfo.collect(),
        data=data.description,
        is_random_input=data.is_random,
        batch_size=batch_size,
        threads=threads,
        precision=precision,
        seconds=seconds,
        tolerance=TOLERANCES[precision] if tolerance is None else tolerance,
        dropped_rounds=dropped,
        is_unstable=is_unstable,
        others_cores=load.cores,
        rows=tuple(row.summary(dropped) for row in rows),
    )


class _Steps:
    """Counts steps for the caller's progress bar."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def begin(self, what: str) -> None:
        self._total = max(self._total, self._done + 1)  # rounds may have been added
        if self._progress is not None:
            self._progress(what, self._done, self._total)
        self._done += 1


def _checked(engines: Sequence[str | EngineSpec], data: Dataset, rounds: int, random_input: bool) -> list[EngineSpec]:
    if data.is_random and not random_input:
        raise DataError(
            "the inputs are noise, on which sparsity and so the speed of zeroskip mean nothing: "
            "give real data, or ask for it with random_input=True (--random-input)"
        )
    if rounds < MIN_ROUNDS:
        raise EngineError(f"rounds is {rounds}, expected >= {MIN_ROUNDS}: fewer show nothing on a shared machine")
    specs = [EngineSpec.parse(engine) if isinstance(engine, str) else engine for engine in engines]
    labels = [spec.name for spec in specs]
    if not specs or len(set(labels)) < len(labels):
        raise EngineError(f"engines are {labels}, expected at least one, with different labels")
    return specs


def _batches(data: Dataset, batch_size: int) -> list[Any]:
    """Return full batches, arrays or dictionaries of such; inputs of different shapes come one by one."""
    if batch_size < 1:
        raise DataError(f"batch_size is {batch_size}, expected >= 1")
    size = batch_size if data.is_uniform else 1
    if batch_size > size:
        raise DataError(f"the inputs differ in shape and are run one by one: batch_size is {batch_size}, expected 1")
    batches = [batch for batch, _ in data.subset(size * MAX_BATCHES).batches(size)]
    if len(data) >= size:
        return batches[: len(data) // size]
    (few,) = batches
    return [{name: _repeated(x, size) for name, x in few.items()} if isinstance(few, dict) else _repeated(few, size)]


def _repeated(x: NDArray[Any], size: int) -> NDArray[Any]:
    return np.resize(x, (size, *x.shape[1:]))  # np.resize repeats


def _time_rounds(rows: Sequence[Row], rounds: int, seconds: float, steps: _Steps, load: OthersLoad) -> tuple[int, ...]:
    """Time rounds until enough of them are good, or twice as many are done; return the collapsed ones."""
    collapsed: tuple[int, ...] = ()
    done = 0
    while done - len(collapsed) < rounds and done < 2 * rounds:
        done += 1
        for row in rows:
            steps.begin(f"round {done} of {rounds + len(collapsed)}: {row.label}")
            load.rest(_REST_S)
            row.time_round(seconds)
        collapsed = _collapsed_rounds(rows)
    return collapsed


def _collapsed_rounds(rows: Sequence[Row]) -> tuple[int, ...]:
    medians = np.array([row.round_p50_ms for row in rows])
    collapsed = (medians > _COLLAPSE_FACTOR * medians.min(axis=1, keepdims=True)).any(axis=0)
    return tuple(int(number) for number in np.flatnonzero(collapsed))
