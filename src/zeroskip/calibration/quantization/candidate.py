"""Candidates: one way to quantise a network, written down, run, and compared with the float network."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from ...analysis import ModelInput
from ...progress import Progress, Steps
from ...thresholds import ThresholdSet
from ..judging.losses import Losses
from ..judging.outputs import Outputs
from ..network.evaluation import Evaluation, Evaluator
from ..problem import Setting
from ..records import Score
from ..search.search import score_of
from .placement import Placement, is_passed_on, is_rectified, place
from .scales import Observed, ScaleMethod, choose_steps, joined
from .scales import Steps as QuantizerSteps
from .writer import write_quantized

if TYPE_CHECKING:
    from ...engine import InferenceSession
    from ...onnx import LayerWeights

_OBSERVED_INPUTS = 128
_OBSERVED_BATCH = 4


@dataclass(frozen=True)
class Choice:
    """What distinguishes one quantised network from another.

    Args:
        method: How scales are chosen.
        float_layers: Layers that stay float32.
        strength: Factor of the thresholds, 0 to 1.
    """

    method: ScaleMethod
    float_layers: frozenset[str] = frozenset()
    strength: float = 1.0


class FloatNetwork:
    """The float network with thresholds of one strength, and what its values are.

    Args:
        setting: Model, data and options.
        thresholds: Of the network.
        progress: Told of each batch.
        layers: Weights that go with the thresholds, by layer; without thresholds the network keeps its own.
        inputs: How many are looked at for the ranges of values, at most.
    """

    def __init__(
        self,
        setting: Setting,
        thresholds: ThresholdSet,
        progress: Progress | None = None,
        *,
        layers: Mapping[str, LayerWeights] | None = None,
        inputs: int = _OBSERVED_INPUTS,
    ) -> None:
        from ...onnx import prepare

        self._setting = setting
        self._progress = progress
        self._inputs = inputs
        self.prepared = prepare(with_thresholds(setting.model, thresholds, layers or {}))

    @cached_property
    def placement(self) -> Placement:
        """What becomes integers where no layer stays float."""
        return place(self.prepared, ())

    @cached_property
    def observed(self) -> dict[str, Observed]:
        """What was seen of the values to quantise, less those of which another one holds the same numbers."""
        from ...onnx import to_standard

        random = np.random.default_rng(self._setting.options.seed)
        session = new_session(self._setting, to_standard(self.prepared))
        passed_on = {value.name for node in self.prepared.graph for value in node.outputs if is_passed_on(value)}
        names = [name for group in self.placement.groups for name in group if name not in passed_on]
        data = self._setting.calibration.data.subset(self._inputs)
        found = {name: Observed() for name in names}
        inputs = {item.name for item in session.get_inputs()}
        steps = Steps(self._progress, "looking at ranges", len(data))
        model_input = ModelInput.of(session)
        for feed, count in model_input.feeds(data, _OBSERVED_BATCH):
            inside = [name for name in names if name not in inputs]
            for name, values in {**session.observe(inside, feed), **feed}.items():
                if name in found:
                    found[name].add(np.asarray(values[:count], np.float32), random)
            steps.advance(count)
        return found

    def steps(self, method: ScaleMethod) -> dict[str, QuantizerSteps]:
        """Return the steps of every value to quantise."""
        values = {value.name: value for node in self.prepared.graph for value in node.outputs}
        found: dict[str, QuantizerSteps] = {}
        for group in self.placement.groups:
            seen = joined([self.observed[name] for name in group if name in self.observed])
            rectified = all(name in values and is_rectified(values[name]) for name in group)
            steps = choose_steps(seen, method, is_rectified=rectified)
            found |= dict.fromkeys(group, steps)
        return found

    def quantized(self, method: ScaleMethod, float_layers: Collection[str]) -> ir.Model:
        """Return the network quantised in one way, as standard ONNX."""
        means = {name: seen.means() for name, seen in self.observed.items() if seen.sums is not None}
        placement = place(self.prepared, float_layers) if float_layers else self.placement
        return write_quantized(self.prepared, placement, self.steps(method), means, method)


class Candidates:
    """Makes quantised networks and judges them; each is made once.

    Args:
        setting: The float network, the data, the metric.
        thresholds: What the float network may be given, in full strength.
        progress: Told of each step.
        layers: Weights that go with thresholds of any strength above 0, by layer.
    """

    def __init__(
        self,
        setting: Setting,
        thresholds: ThresholdSet,
        progress: Progress | None = None,
        layers: Mapping[str, LayerWeights] | None = None,
    ) -> None:
        self._setting = setting
        self._layers = layers
        self._thresholds = thresholds
        self._progress = progress
        self._networks: dict[float, FloatNetwork] = {}
        self._scores: dict[tuple[Choice, bool], Score] = {}
        self._outputs: dict[tuple[Choice, bool], Outputs] = {}

    def thresholds(self, strength: float) -> ThresholdSet:
        """Return the thresholds of a strength."""
        return self._thresholds.scaled(strength)

    def network(self, strength: float) -> FloatNetwork:
        """Return the float network with thresholds of a strength."""
        if strength not in self._networks:
            self._networks[strength] = FloatNetwork(
                self._setting, self.thresholds(strength), self._progress, layers=self._layers
            )
        return self._networks[strength]

    def model(self, choice: Choice) -> ir.Model:
        """Return a quantised network as standard ONNX."""
        return self.network(choice.strength).quantized(choice.method, choice.float_layers)

    def outputs(self, choice: Choice, *, on_holdout: bool) -> Outputs:
        """Return the outputs of a quantised network."""
        key = (choice, on_holdout)
        if key not in self._outputs:
            evaluator = self._setting.holdout if on_holdout else self._setting.calibration
            self._outputs[key] = _run(new_session(self._setting, self.model(choice)), evaluator, self._progress)
        return self._outputs[key]

    @property
    def is_fitted(self) -> bool:
        """Whether weights that go with thresholds were fitted to the calibration data, which then say too little."""
        return bool(self._layers)

    def losses(self, choice: Choice, *, on_holdout: bool) -> Losses | None:
        """Return what a quantised network costs each input; None where the metric does not add up over inputs."""
        evaluator = self._setting.holdout if on_holdout else self._setting.calibration
        outputs = self.outputs(choice, on_holdout=on_holdout)
        return self._setting.metric.losses(evaluator.dense.outputs, outputs, evaluator.data.targets)

    def score(self, choice: Choice, *, on_holdout: bool = False) -> Score:
        """Judge a quantised network against the float network as it came."""
        key = (choice, on_holdout)
        if key not in self._scores:
            evaluator = self._setting.holdout if on_holdout else self._setting.calibration
            evaluation = Evaluation(self.outputs(choice, on_holdout=on_holdout), {}, 0.0)
            self._scores[key] = score_of(self._setting.metric, evaluator, evaluation)
        return self._scores[key]


def with_thresholds(model: ir.Model, thresholds: ThresholdSet, layers: Mapping[str, LayerWeights]) -> ir.Model:
    """Return a float model with thresholds and the weights that go with them; the same one without thresholds."""
    from ...onnx import replace_weights

    return model if thresholds.is_zero else replace_weights(model, layers, thresholds).model


def new_session(setting: Setting, model: ir.Model) -> InferenceSession:
    """Return a session for a model that runs as the setting says."""
    from ...engine import InferenceSession, SessionOptions

    options = setting.options
    return InferenceSession(model, SessionOptions(intra_op_num_threads=options.threads or 0, isa=options.isa))


def _run(session: InferenceSession, evaluator: Evaluator, progress: Progress | None) -> Outputs:
    names = [item.name for item in session.get_outputs()]
    steps = Steps(progress, "running integers", len(evaluator.data))
    found = []
    for feed, count in evaluator.batches():
        columns = zip(names, session.run(None, feed), strict=True)
        found.append(Outputs({name: column[:count] for name, column in columns}))
        steps.advance(count)
    return Outputs.joined(found)
