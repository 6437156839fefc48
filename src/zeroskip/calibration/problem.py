"""Setting: what a calibration works on: the model in the engine, the data in two halves, and the metric."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..analysis import ModelInput, refuse_noise, warn_of_other_preprocessing
from ..data import Dataset
from ..engine.cost import StepCurves
from ..errors import CalibrationError, DataError
from ..journal import Arrays, digest
from ..progress import Progress
from .compensation.compensation import MAX_INPUTS
from .judging.baseline import Baseline, judge_data
from .judging.metric import check_outputs, choose_metric, is_top1
from .network.evaluation import Evaluator
from .network.network import Network
from .network.samples import Values
from .network.step_times import may_measure, measured_curves
from .network.work import Work
from .options import CalibrationOptions
from .search.walk import Budget
from .variety import check_variety

if TYPE_CHECKING:
    from ..engine import ProbeProgram
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
        data: Real inputs, labelled or not.
        holdout: The data for the check; None takes a part of ``data``.
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
        notes: What is to be said of the inputs: copies, blank ones.

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
        data: Dataset,
        holdout: Dataset | None,
        options: CalibrationOptions,
        progress: Progress | None = None,
        work: Work | None = None,
    ) -> None:
        from ..engine import InferenceSession, SessionOptions
        from ..onnx import LoadedModel, add_branches

        refuse_noise(data, options.random_input)
        calibration_data, holdout_data = _split(data, holdout, options)
        self.options = options
        self.data = data
        self._work = work or Work()
        loaded = LoadedModel.of(model)
        warn_of_other_preprocessing(loaded, data)
        for part in (calibration_data, holdout_data):
            part.check(progress)
        self.sha256 = loaded.sha256
        self.model = add_branches(loaded.model) if options.branches else loaded.model
        self._session = InferenceSession(
            self.model, SessionOptions(intra_op_num_threads=options.threads or 0, isa=options.isa)
        )
        self._input = ModelInput.of(self._session)
        self._input.check(calibration_data)
        self.network = self._compiled(calibration_data)
        self.calibration = Evaluator(self.network, self._input, calibration_data, self._work)
        self.holdout = Evaluator(self.network, self._input, holdout_data, self._work)
        self.notes = check_variety([half.batches() for half in (self.calibration, self.holdout)])
        for note in self.notes:
            _log.warning(note)
        # Runs both while the network still is as it came: what is compared with may know of no correction.
        for half in (self.calibration, self.holdout):
            check_outputs(half.dense.outputs)
        self.baseline = self._baseline()
        self.metric = choose_metric(options.metric, self.calibration.dense.outputs, calibration_data.labels)

    @cached_property
    def probes(self) -> Evaluator:
        """Runs the network on the part of the calibration data that sensitivities are measured with."""
        wanted = self.options.probe_samples or self._affordable_probes
        return Evaluator(self.network, self._input, self.calibration.data.subset(wanted), self._work)

    @cached_property
    def corrections(self) -> Evaluator:
        """Runs the network on the part of the calibration data that layers are corrected with."""
        return Evaluator(self.network, self._input, self.calibration.data.subset(MAX_INPUTS))

    def time_steps(self, values: Mapping[str, Values], progress: Progress | None = None) -> None:
        """Measure what the network's steps take at several densities, one input per run where the model takes that.

        Args:
            values: Samples of the activations.
            progress: Told of each round.
        """
        if not values or self.options.costs == "model" or not may_measure():
            return

        def measure() -> Arrays:
            size = self._input.batch_size(1)
            some = self.calibration.data.subset(_TIMED_INPUTS * size)
            feeds = [feed[self._input.name] for feed, count in self._input.feeds(some, size) if count == size]
            program = self._session.probe({self._input.name: (size, *some.sample_shape)})
            curves = measured_curves(program, feeds, values, self._hash, progress) if feeds else None
            return {"curves": np.frombuffer(b"" if curves is None else curves.model_dump_json().encode(), np.uint8)}

        found = self._work.recall(lambda: digest("step times", self.network.identity), measure)["curves"].tobytes()
        self.network.curves = StepCurves.model_validate_json(found) if found else None

    def dense_program(self) -> ProbeProgram:
        """Return the network as it was, a program of its own."""
        return self._compiled(self.calibration.data).program

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
        if not halves or not is_top1(self.options.metric, self.calibration.dense.outputs):
            return None
        outputs = np.concatenate([half.dense.outputs for half in halves])
        baseline = judge_data(
            outputs,
            [half.data for half in halves],
            lambda data: Evaluator(self.network, self._input, data).outputs({}),
        )
        if baseline.problem is not None and not self.options.accept_baseline:
            raise CalibrationError(baseline.message)
        return baseline

    @property
    def _affordable_probes(self) -> int:
        macs = sum(step.macs for step in self.network.plan.steps) / self.network.batch_size
        return round(min(_MOST_PROBES, max(_FEWEST_PROBES, _PROBED_MACS / max(macs, 1.0))))

    @cached_property
    def _hash(self) -> bytes:
        from ..onnx import to_bytes

        known = self.sha256
        content = known.encode() if known is not None else to_bytes(self.model)
        return digest(content, self.options.branches)

    def _compiled(self, data: Dataset) -> Network:
        size = self._input.batch_size(min(self.options.batch_size, len(data)))
        is_fixed = self._input.fixed_batch_size is not None
        return Network(self._session, self._input.name, data.sample_shape, size, is_fixed=is_fixed, model=self._hash)


def _split(data: Dataset, holdout: Dataset | None, options: CalibrationOptions) -> tuple[Dataset, Dataset]:
    if holdout is not None:
        refuse_noise(holdout, options.random_input)
        return data, holdout
    if len(data) < _FEWEST_INPUTS:
        raise DataError(
            f"calibration needs at least {_FEWEST_INPUTS} inputs, half of them for the check; the data have {len(data)}"
        )
    return data.split(1.0 - options.holdout_fraction, seed=options.seed)
