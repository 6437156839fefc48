"""Setting: what a calibration works on: the model in the engine, the data in two halves, and the metric."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis import ModelInput, reason_against_skipping, refuse_noise, warn_of_other_preprocessing
from ..data import Dataset
from ..engine.cost import StepCurves
from ..engine.run.density_sweep import sweep_densities
from ..errors import CalibrationError, DataError
from ..journal import Arrays, digest
from ..onnx.chosen_outputs import chosen_outputs
from ..progress import Progress
from .compensation.compensation import MAX_INPUTS
from .judging.baseline import Baseline, judge_data
from .judging.blind import refuse_blind
from .judging.metric import WITHOUT_SCALE, Judge, check_outputs, choose_metric, is_top1, needs_identities
from .judging.protocol import pick
from .network.evaluation import Evaluator
from .network.network import Network, native_program
from .network.samples import Values
from .network.step_times import Level, may_measure, measured_curves
from .network.work import Work
from .options import CalibrationOptions
from .search.walk import Budget
from .sentences import noise_words
from .variety import check_variety

if TYPE_CHECKING:
    from ..onnx.load import ModelSource

_log = logging.getLogger(__name__)

_FEWEST_INPUTS = 4
_FEWEST_PROBES, _MOST_PROBES, _PROBED_MACS = 48, 256, 4e10
"""Inputs to probe with unless told otherwise: as many as take this many multiply-accumulates, within bounds."""
_TIMED_INPUTS = 4
_BLIND = 0.1
"""Information loss that is tolerated at most unless told otherwise."""


class Setting:
    """A model, data and a metric, ready for thresholds to be tried.

    Args:
        model: ONNX file, its content, or a loaded model.
        data: Real inputs, labelled or not: a data set, or what :func:`zeroskip.data.from_iterable` reads.
        holdout: The data for the check, of the same kinds; None takes a part of ``data``.
        options: How to calibrate.
        progress: Told of the pictures that are checked.
        work: Knows what an earlier run computed, and how much time is left.

    Attributes:
        sha256: Hash of the model.
        model: The loaded model.
        network: The network whose thresholds change; shared by the evaluators.
        calibration: Runs it on the data of the search.
        holdout: Runs it on the other data.
        metric: Judges outputs.
        baseline: How good the model as it is is; None where top-1 is not what is bounded.
        work: Knows what an earlier run computed, and how much time is left.
        notes: What is to be said of the inputs (copies, blank ones), of layers that are left to ONNX Runtime, and of
            noisy times.

    Raises:
        CalibrationError: If the metric does not fit, the model only guesses by the labels and that is not accepted, or
            its own outputs are not finite.
        DataError: If there are too few inputs, some cannot be read, all are the same or blank, or they are noise and
            that is not accepted.
        ShapeError: If the data do not fit the model.
        ModelError: If the model cannot be read or run.
    """

    def __init__(
        self,
        model: ModelSource,
        data: Any,
        holdout: Any,
        options: CalibrationOptions,
        progress: Progress | None = None,
        work: Work | None = None,
    ) -> None:
        from ..engine import InferenceSession, SessionOptions
        from ..onnx import LoadedModel, add_branches

        self.options = options
        self.work = work or Work()
        loaded = LoadedModel.of(model)
        self._input = ModelInput.of_model(loaded)
        data, holdout = self._input.data(data), None if holdout is None else self._input.data(holdout)
        self.data = data
        refuse_noise(data, options.random_input)
        calibration_data, holdout_data = split_data(data, holdout, options)
        warn_of_other_preprocessing(loaded, data)
        for part in (calibration_data, holdout_data):
            part.check(progress)
        self.sha256 = loaded.sha256
        self.model = add_branches(loaded.model) if options.branches else loaded.model
        self._session = InferenceSession(
            self.model, SessionOptions(intra_op_num_threads=options.threads or 0, isa=options.isa)
        )
        for part in (calibration_data, holdout_data):
            self._input.check(part)
        self.network = self._compiled(calibration_data)
        self.network.counts_macs = options.costs == "macs"
        self._check_parts()
        self.calibration = Evaluator(self.network, calibration_data, self.work)
        self.holdout = Evaluator(self.network, holdout_data, self.work)
        self.notes = check_variety([half.batches() for half in (self.calibration, self.holdout)])
        self.notes += tuple(island.note for island in self._session.explain_islands() if island.note)
        for note in self.notes:
            _log.warning(note)
        # Runs both while the network still is as it came: what is compared with may know of no correction.
        for half in (self.calibration, self.holdout):
            check_outputs(half.dense.outputs)
        self.baseline = self._baseline()
        self.metric = self._metric()

    @cached_property
    def reason(self) -> str:
        """Why nothing can be thresholded; empty where something can."""
        return "" if self.network.readers else reason_against_skipping(self._session)

    @cached_property
    def probes(self) -> Evaluator:
        """Runs the network on the part of the calibration data that sensitivities are measured with."""
        wanted = self.options.probe_samples or self._affordable_probes
        return Evaluator(self.network, self.calibration.data.subset(wanted), self.work)

    @cached_property
    def corrections(self) -> Evaluator:
        """Runs the network on the part of the calibration data that layers are corrected with."""
        return Evaluator(self.network, self.calibration.data.subset(MAX_INPUTS))

    def time_steps(self, values: Mapping[str, Values], progress: Progress | None = None) -> None:
        """Measure what the network's steps take at several densities, one input per run where the model takes that.

        They are measured in the precision that the outcome will run in.

        Args:
            values: Samples of the activations.
            progress: Told of each round.
        """
        if not values or self.options.costs != "measured" or not may_measure():
            return
        if not self.network.program.is_native or not self.calibration.data.is_uniform:
            return  # the cost model has to do: islands are timed by nobody, and there are many sizes

        def measure() -> Arrays:
            curves = self._step_curves(values, progress)
            return {"curves": np.frombuffer(b"" if curves is None else curves.model_dump_json().encode(), np.uint8)}

        def key() -> bytes:
            return digest("step times", self.network.identity, self._timed_precision)

        found = self.work.recall(key, measure)["curves"].tobytes()
        self.network.curves = curves = StepCurves.model_validate_json(found) if found else None
        if curves is not None and curves.is_noisy:
            note = noise_words(curves.error)
            self.notes += (note,)
            _log.warning(note)

    @property
    def _timed_precision(self) -> str:
        """What the outcome will run in: where that is left open, float32."""
        return "int8" if self.options.precision == "int8" else "f32"

    def _step_curves(self, values: Mapping[str, Values], progress: Progress | None) -> StepCurves | None:
        size = self._input.batch_size(1)
        some = self.calibration.data.subset(_TIMED_INPUTS * size)
        feeds = [feed for feed, count in self._input.feeds(some, size) if count == size]
        if not feeds:
            return None
        program, inputs = native_program(self._session.probe_chain(feeds[0]), feeds)

        def sweep(levels: Sequence[Level]) -> StepCurves:
            if self._timed_precision == "f32":
                return sweep_densities(program, inputs, levels, progress=progress)
            from .quantization.step_times import sweep_integers

            return sweep_integers(self, program, inputs, feeds, levels, progress)

        return measured_curves(program, values, self.identity, self._timed_precision, sweep)

    def dense_program(self) -> Network:
        """Return the network as it was, with programs of its own."""
        return self._compiled(self.calibration.data)

    def budget(self) -> Budget | None:
        """Return what a set of thresholds may cost; None where a target is asked for instead."""
        return None if self.options.has_target else self.budget_of(self.options.budget)

    def budget_of(self, max_drop: float) -> Budget:
        """Return a budget for a largest drop of the metric, with the guard against blindness."""
        max_information_loss = self.options.max_information_loss
        if max_information_loss is None:
            max_information_loss = max(max_drop, _BLIND)
        return Budget(max_drop, max_information_loss)

    def _baseline(self) -> Baseline | None:
        """Judge the model as it is on all data that have labels, where these are what the metric goes by."""
        halves = [half for half in (self.calibration, self.holdout) if half.data.labels is not None]
        outputs, options = self.calibration.dense.outputs, self.options
        output = is_top1(
            options.metric, outputs, self.calibration.data.labels, output=options.output,
            origins=chosen_outputs(self.model),
        )  # fmt: skip
        if not halves or output is None:
            return None
        baseline = judge_data(
            np.concatenate([pick(half.dense.outputs, output) for half in halves]),
            [half.data for half in halves],
            lambda data: pick(Evaluator(self.network, data).outputs({}), output),
        )
        if baseline.problem is not None and not self.options.accept_baseline:
            raise CalibrationError(baseline.message)
        return baseline

    @property
    def _affordable_probes(self) -> int:
        macs = sum(step.macs for step in self.network.plan.steps) / self.network.batch_size
        return round(min(_MOST_PROBES, max(_FEWEST_PROBES, _PROBED_MACS / max(macs, 1.0))))

    @cached_property
    def identity(self) -> bytes:
        """Hash of the model, with or without branches."""
        from ..onnx import to_bytes

        known = self.sha256
        content = known.encode() if known is not None else to_bytes(self.model)
        return digest(content, self.options.branches)

    def _compiled(self, data: Dataset) -> Network:
        size = self._input.batch_size(min(self.options.batch_size, len(data)))
        return Network(self._session, self._input, data, size, model=self.identity)

    def _metric(self) -> Judge:
        options, half = self.options, self.calibration
        judge = choose_metric(
            options.metric, half.dense.outputs, half.data.targets, output=options.output,
            class_count=self._class_count(), input_shapes=half.input_shapes, origins=chosen_outputs(self.model),
        )  # fmt: skip
        if judge.name in WITHOUT_SCALE and not options.has_target and options.max_drop is None:
            raise CalibrationError(
                f"metric '{judge.name}' is in units of the targets, so no budget can be guessed: give max_drop "
                "(--max-drop)"
            )
        judge.value(self.holdout.dense.outputs, self.holdout.dense.outputs, self.holdout.data.targets)
        if not callable(options.metric) and not options.accept_baseline:
            refuse_blind(judge, half.dense.outputs, half.data.targets)
        for note in judge.notes:
            _log.warning(note)
        self.notes += judge.notes
        return judge

    def _class_count(self) -> int | None:
        """Return how many classes the model names in its file."""
        from ..data.classes import ClassNames
        from ..onnx.metadata import NAMES_KEY

        text = self.model.metadata_props.get(NAMES_KEY)
        try:
            return None if text is None else len(set(ClassNames.from_metadata(text).index_of.values()))
        except DataError:
            return None  # other exporters may mean other things by the key

    def _check_parts(self) -> None:
        """Refuse what only a model that runs natively as a whole, at one shape, can be given."""
        wanted = [
            f"{name}='{value}'"
            for name, value, plain in (
                ("strategy", self.options.strategy, self.options.strategy != "blockwise"),
                ("compensation", self.options.compensation, self.options.compensation == "none"),
            )
            if not plain
        ]
        if not wanted:
            return
        what = None if self.network.program.is_native else f"it has islands ({self._islands()})"
        what = what or (None if self.data.is_uniform else "its inputs differ in shape")
        if what is not None:
            raise CalibrationError(f"{' and '.join(wanted)}: not for this model, {what}; leave that out")

    def _islands(self) -> str:
        return "; ".join(str(island) for island in self._session.explain_islands())


def split_data(data: Dataset, holdout: Dataset | None, options: CalibrationOptions) -> tuple[Dataset, Dataset]:
    """Return the data of the search and those of the check.

    Args:
        data: All data, or those of the search.
        holdout: Those of the check; None takes a part of ``data``.
        options: How to split. Where labels are identities all of one are kept on one side.

    Raises:
        DataError: If there are too few, or they are noise and that is not accepted.
    """
    if needs_identities(options.metric):
        data, holdout = _by_identity(data), None if holdout is None else _by_identity(holdout)
    if holdout is not None:
        refuse_noise(holdout, options.random_input)
        return data, holdout
    if len(data) < _FEWEST_INPUTS:
        raise DataError(
            f"calibration needs at least {_FEWEST_INPUTS} inputs, half of them for the check; the data have {len(data)}"
        )
    return data.split(1.0 - options.holdout_fraction, seed=options.seed)


def _by_identity(data: Dataset) -> Dataset:
    """Return data whose inputs of one identity stay together; as they are where there are no targets."""
    if data.targets is None:
        return data
    grouped = data.grouped_by_identity()
    if grouped.labels is None or len(np.unique(grouped.labels)) < 2:
        raise DataError(f"all {len(data)} inputs are of one identity: metrics that go by identities need several")
    return grouped
