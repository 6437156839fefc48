"""`calibrate`: from a model, data and a budget to thresholds that keep within it."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..journal import Journal
from ..progress import Progress, Steps
from .network.timing import MeasuredSpeed, time_thresholds
from .network.work import TimeLimitError, Work
from .options import CalibrationOptions
from .problem import Setting
from .result import CalibrationResult
from .search.curve import trace
from .search.finder import Finder, Found
from .search.learner import BlockLearner
from .search.outcome import outcome
from .search.walk import COARSE, FINEST
from .strategies.allocation import UniformStrategy

if TYPE_CHECKING:
    from ..onnx import LoadedModel
    from ..onnx.load import ModelSource


def calibrate(
    model: ModelSource,
    data: Any,
    max_drop: float | None = None,
    *,
    options: CalibrationOptions | None = None,
    holdout: Any = None,
    work_folder: str | os.PathLike[str] | Journal | None = None,
    keep_best: bool = True,
    progress: Progress | None = None,
    **choices: Any,
) -> CalibrationResult:
    """Find thresholds that make a model's activations sparser within one end-to-end budget, without training.

    The data are split; half of them guide the search, the other half must confirm what it found. Thresholds
    are quantiles of each activation's own values. Ctrl-C during the search ends it, and the best set so far
    is checked and returned; a second Ctrl-C gives up.

    Args:
        model: ONNX file, its content, or a loaded model (``zeroskip.onnx.LoadedModel`` keeps its hash).
        data: Real inputs, labelled or not: a data set, or whatever :func:`zeroskip.data.from_iterable` reads, such as
            a DataLoader. At least 4; a few hundred give a check worth believing.
        max_drop: Largest loss of the metric, for example 0.01 for one point; see :class:`CalibrationOptions`.
        options: Everything else that can be chosen; None for the defaults.
        holdout: The data for the check; by default a part of ``data``.
        work_folder: Where evaluations are kept while the search runs, so that one that was killed goes on from there
            with the same outcome; removed at the end. None keeps nothing.
        keep_best: Whether Ctrl-C ends the search with the best set so far; otherwise it is raised at once.
        progress: Told of each step.
        **choices: Single options by name, instead of ``options`` or on top of them:
            ``calibrate(model, data, 0.01, strategy="blockwise", seed=3)``.

    Returns:
        The thresholds and what they cost. If nothing passes, thresholds of zero, which change nothing.

    Raises:
        CalibrationError: If options contradict each other, labels do not fit, the model as it is only guesses by them,
            the metric fails, its own outputs are not finite, or the target cannot be reached.
        DataError: If there are too few inputs, or they are noise and ``random_input`` is False.
        ShapeError: If the data do not fit the model.
        ModelError: If the model cannot be read or run.

    Example:
        >>> result = calibrate("model.onnx", image_folder("photos/", "imagenet"), 0.01)  # doctest: +SKIP
        >>> result.thresholds.save("thresholds.json")  # doctest: +SKIP
        >>> result.apply("model.onnx").save("model.fatrelu.onnx")  # doctest: +SKIP
    """
    chosen = CalibrationOptions.of(options, {"max_drop": max_drop, **choices})
    from ..onnx import LoadedModel

    model = LoadedModel.of(model)  # once: a file may be another one when it is applied
    with ExitStack() as stack:
        journal = work_folder if isinstance(work_folder, Journal) or work_folder is None else None
        if isinstance(work_folder, str | os.PathLike):
            journal = stack.enter_context(Journal(Path(work_folder)))
        work = Work(journal, chosen.time_limit)
        setting = Setting(model, data, holdout, chosen, progress, work)
        work.start()
        result = _search(setting, keep_best, progress)
    if result.is_zero or result.was_interrupted or chosen.measure_seconds == 0.0:
        return result
    return result.model_copy(update={"measured_speed": _timed(setting, model, result, progress)})


def _search(setting: Setting, keep_best: bool, progress: Progress | None) -> CalibrationResult:
    started = time.monotonic()
    finder = Finder(setting, progress)
    found, was_interrupted = _found(setting, finder, keep_best, progress)
    wants_curve = setting.options.curve and not was_interrupted and bool(finder.values)
    points = trace(found.search) if wants_curve else ()
    seconds = time.monotonic() - started
    return outcome(setting, finder, found, points, was_interrupted=was_interrupted, seconds=seconds)


def _timed(
    setting: Setting,
    model: LoadedModel,
    result: CalibrationResult,
    progress: Progress | None,
) -> MeasuredSpeed | None:
    """Time what was found; None if Ctrl-C ends that."""
    from ..engine import SessionOptions

    threads = setting.network.program.num_threads
    steps = Steps(progress, "measuring the speed", 1)
    try:
        speed = time_thresholds(
            model,
            result.apply(model).model,
            setting.holdout.data,
            SessionOptions(intra_op_num_threads=threads, isa=setting.options.isa),
            setting.options.measure_seconds,
        )
    except KeyboardInterrupt:
        return None
    steps.finish()
    return speed


def _found(setting: Setting, finder: Finder, keep_best: bool, progress: Progress | None) -> tuple[Found, bool]:
    """Observe, probe, search, check; return what was found, and whether it was interrupted."""
    options, budget, was_interrupted = setting.options, setting.budget(), False
    found = Found(finder.search(UniformStrategy({}), budget))
    try:
        finder.observe()
        if finder.values:
            found = Found(finder.search(finder.strategy(options.strategy), budget))
            is_learnt = options.strategy == "blockwise"
            finder.look(found, COARSE if is_learnt and options.compensation == "none" else FINEST)
            finder.compensate(found, options.compensation)
            if is_learnt:
                BlockLearner(setting, finder, progress).improve(found)
    except (KeyboardInterrupt, TimeLimitError) as reason:
        if isinstance(reason, KeyboardInterrupt) and not keep_best:
            raise
        was_interrupted = True
        if found.earlier is None:  # what took the place of something else has its strength
            found.strength = found.search.best(budget) if budget is not None else 0.0
    setting.work.stop()
    finder.confirm(found, is_last=True, is_final=not was_interrupted)
    return found, was_interrupted
