"""`calibrate`: from a model, data and a budget to thresholds that keep within it."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ..data import Dataset
from ..journal import Journal
from ..progress import Progress, Steps
from .compensation.compensation import CompensationName
from .judging.metric import MetricFunction, MetricName
from .network.timing import MeasuredSpeed, time_thresholds
from .network.work import TimeLimitError, Work
from .options import CalibrationOptions, StrategyName
from .problem import Setting
from .result import CalibrationResult
from .search.curve import trace
from .search.finder import Finder, Found
from .search.learner import BlockLearner
from .search.outcome import outcome
from .strategies.allocation import UniformStrategy

if TYPE_CHECKING:
    from ..onnx import LoadedModel
    from ..onnx.load import ModelSource


def calibrate(
    model: ModelSource,
    data: Dataset,
    max_drop: float | None = None,
    *,
    target_sparsity: float | None = None,
    target_speedup: float | None = None,
    max_information_loss: float | None = None,
    accept_baseline: bool = False,
    metric: MetricName | MetricFunction = "auto",
    strategy: StrategyName = "sensitivity",
    compensation: CompensationName = "none",
    branches: bool = False,
    curve: bool = False,
    holdout: Dataset | None = None,
    holdout_fraction: float = 0.5,
    probe_samples: int | None = None,
    batch_size: int = 16,
    threads: int | None = None,
    isa: str | None = None,
    seed: int = 0,
    random_input: bool = False,
    measure_seconds: float = 2.0,
    time_limit: float | None = None,
    work_folder: str | os.PathLike[str] | Journal | None = None,
    keep_best: bool = True,
    progress: Progress | None = None,
) -> CalibrationResult:
    """Find thresholds that make a model's activations sparser within one end-to-end budget, without training.

    The data are split; half of them guide the search, the other half must confirm what it found. Thresholds
    are quantiles of each activation's own values. Ctrl-C during the search ends it, and the best set so far
    is checked and returned; a second Ctrl-C gives up.

    Args:
        model: ONNX file, its content, or a loaded model (``zeroskip.onnx.LoadedModel`` keeps its hash).
        data: Real inputs, labelled or not. At least 4; a few hundred give a check worth believing.
        max_drop: Largest loss of the metric, for example 0.01 for one point. By default 0.005. The holdout must
            keep within it as counted; for top-1 the search goes by the likely drop (``Score.likely_drop``), so on
            the calibration data the counted one may be more.
        target_sparsity: Instead of a budget: reach this sparsity (weighted by MACs, in [0, 1]) with the least
            damage, and report what it costs.
        target_speedup: Instead: reach this speed-up by the engine's cost model, >= 1.
        max_information_loss: Bounds the information loss as well: how far the outputs moved against how much
            they differ from input to input, 0 for unchanged ones, 1 for a model gone blind. By default 0.1, or
            ``max_drop`` if that is more: a metric may not notice that a model goes blind.
        accept_baseline: Whether to go on where the labels say that the model as it is only guesses, which nearly always
            means wrong labels or another preprocessing.
        metric: ``"auto"``: top-1 with labels; else agreement with the dense model's predictions for outputs
            ``[N, classes]``, and fidelity (share of preserved energy) for others. Or a function of
            (outputs, labels) that returns a number, higher is better. The model's first output is judged.
        strategy: ``"sensitivity"`` gives each layer what saves most time for the damage it does. ``"blockwise"``
            goes on from there: thresholds and weights are learnt block by block, without labels (needs PyTorch); what
            that gives is taken only where it is better. To compare with: ``"uniform"`` drops the same share of
            non-zero values everywhere, ``"energy"`` the same share of energy, ``"greedy"`` searches layer by layer
            (Kurtz et al. 2020).
        compensation: Correct the layers behind thresholds: ``"bias"``, or ``"reconstruct"`` for weights and
            biases; each layer's correction is kept only if it lowers the damage. The corrected weights are in
            ``result.apply``.
        branches: Give convolutions a rectifier of their own where others, a shortcut for example, read their input
            too. Thresholds there do less damage; it costs a pass over the activation. Named ``<activation>/branch``.
        curve: Whether to measure accuracy against speed along the whole family.
        holdout: The data for the check; by default a part of ``data``.
        holdout_fraction: That part, in (0, 1).
        probe_samples: Inputs to measure sensitivities with. None takes 48, and for small networks up to 256.
        batch_size: Inputs per run; changes memory and time, not results.
        threads: Threads to use; None for all cores.
        isa: Instruction set to use; None for the best.
        seed: Seed of split and sampling; the same seed gives the same result.
        random_input: Whether noise is accepted as data.
        measure_seconds: How long to time the outcome against the model as it is; 0 for not at all.
        time_limit: Seconds for the search; then the best set so far is checked and returned. None for no limit.
        work_folder: Where evaluations are kept while the search runs, so that one that was killed goes on from there
            with the same outcome; removed at the end. None keeps nothing.
        keep_best: Whether Ctrl-C ends the search with the best set so far; otherwise it is raised at once.
        progress: Told of each step.

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
    options = CalibrationOptions(
        max_drop=max_drop,
        target_sparsity=target_sparsity,
        target_speedup=target_speedup,
        max_information_loss=max_information_loss,
        accept_baseline=accept_baseline,
        metric=metric,
        strategy=strategy,
        compensation=compensation,
        branches=branches,
        curve=curve,
        holdout_fraction=holdout_fraction,
        probe_samples=probe_samples,
        batch_size=batch_size,
        threads=threads,
        isa=isa,
        seed=seed,
        random_input=random_input,
        measure_seconds=measure_seconds,
        time_limit=time_limit,
    )
    from ..onnx import LoadedModel

    model = LoadedModel.of(model)  # once: a file may be another one when it is applied
    with ExitStack() as stack:
        journal = work_folder if isinstance(work_folder, Journal) or work_folder is None else None
        if isinstance(work_folder, str | os.PathLike):
            journal = stack.enter_context(Journal(Path(work_folder)))
        setting = Setting(model, data, holdout, options, progress, Work(journal, time_limit))
        result = _search(setting, keep_best, progress)
    if result.is_zero or result.was_interrupted or measure_seconds == 0.0:
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


def _found(
    setting: Setting, finder: Finder, keep_best: bool, progress: Progress | None
) -> tuple[Found, bool]:
    """Observe, probe, search, check; return what was found, and whether it was interrupted."""
    options, budget, was_interrupted = setting.options, setting.budget(), False
    found = Found(finder.search(UniformStrategy({}), budget))
    try:
        finder.observe()
        if finder.values:
            found = Found(finder.search(finder.strategy(options.strategy), budget))
            finder.look(found)
            finder.compensate(found, options.compensation)
            if options.strategy == "blockwise":
                learner = BlockLearner(setting, finder, progress)
                learner.improve(found)
                found.learning = tuple(learner.trials)
    except (KeyboardInterrupt, TimeLimitError) as reason:
        if isinstance(reason, KeyboardInterrupt) and not keep_best:
            raise
        was_interrupted = True
        found.strength = found.search.best(budget) if budget is not None else 0.0
    finder.confirm(found, is_final=not was_interrupted)
    return found, was_interrupted
