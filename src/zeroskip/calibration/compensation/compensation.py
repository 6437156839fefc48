"""Compensation: correcting the layers behind thresholds so that they compute nearly what they did before.

Zeroing small positives shifts the mean of every channel and loses what was correlated with it. Layer after
layer, in the order of the graph and without labels, biases or weights are corrected toward the outputs of the
dense network; a correction is kept only if it lowers the damage to the final outputs on inputs it was not
made from. Plain correction everywhere can do harm where thresholds were placed well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from ...engine.operators import OPERATORS
from ...onnx import LayerWeights
from ...progress import Progress, Steps
from ..judging.metric import Metric
from ..judging.outputs import Outputs
from ..network.evaluation import Evaluator
from ..network.network import Network
from ..network.stream import Stream, affordable_streams
from ..records import Correction
from .least_squares import Moments, bias_shift, reconstruct
from .patches import groups_of, layer_matrix, layer_rows, output_rows

if TYPE_CHECKING:
    from ...engine.plan.types import FloatArray

CompensationName = Literal["none", "bias", "reconstruct"]
COMPENSATIONS: tuple[CompensationName, ...] = get_args(CompensationName)

LARGEST_GRAM = 2304
"""Values per output (input channels times taps) up to which weights are reconstructed; beyond, only biases."""
MAX_INPUTS = 512
"""Inputs that corrections are made from and checked with, at most. With 64 small pictures corrections undo three
fifths of what they undo with 512: the weights fit less well, and single inputs decide whether they are kept."""
_FEWEST_BATCHES = 3
_LEAST_GAIN = 0.002
_HELD_BACK = 4  # every fourth batch chooses the ridge


class Compensator:
    """Corrects the layers of one network for the thresholds that are set in it.

    Args:
        evaluator: The network, its thresholds set, and the data; a part of these fits, another one checks.
        dense: The same network as it was, a program of its own.
        metric: Defines the damage.
        kind: ``"bias"`` or ``"reconstruct"``.
        layers: Layers whose corrections can be written into a model.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        dense: Network,
        metric: Metric,
        kind: CompensationName,
        layers: Sequence[str],
    ) -> None:
        self._network = evaluator.network
        self._program = evaluator.network.program
        self._metric = metric
        self._kind = kind
        self._layers = set(layers)
        # Two thirds are fitted, with a state in either network, the others checked with one: fewer inputs rather than
        # more memory.
        affordable = max(_FEWEST_BATCHES, affordable_streams(self._program) * 3 // 5)
        batches = list(islice(evaluator.batches(), affordable))
        kept = max(1, 2 * len(batches) // 3)
        self._fit = [(Stream(dense, feed, count), Stream(self._network, feed, count)) for feed, count in batches[:kept]]
        self._check = [Stream(self._network, feed, count) for feed, count in batches[kept:] or batches[:1]]
        self._reference = Outputs.joined([Stream(dense, stream.feed, stream.count).outputs() for stream in self._check])

    def run(self, progress: Progress | None = None) -> tuple[dict[str, LayerWeights], list[Correction]]:
        """Correct layer after layer; the network keeps the corrections.

        Returns:
            The kept corrections by layer, and what was tried.
        """
        kept: dict[str, LayerWeights] = {}
        tried = []
        places = list(self._places())
        steps = Steps(progress, "correcting layers", len(places))
        damage = self._damage()
        for place in places:
            correction = self._correct(place, damage, kept)
            if correction is not None:
                tried.append(correction)
                damage = correction.damage_after if correction.is_kept else damage
            steps.advance()
        return kept, tried

    def _places(self) -> Iterator[int]:
        first = min((self._network.place(name) for name in self._network.readers), default=0)
        for place, step in enumerate(self._network.plan.steps):
            reads = self._network.plan.tensors[step.inputs[0]]
            is_known = step.name in self._layers and not reads.is_external
            if OPERATORS[step.op].is_weighted and place > first and is_known and "input_layout" not in step.attributes:
                yield place

    def _correct(self, place: int, damage: float, kept: dict[str, LayerWeights]) -> Correction | None:
        step = self._network.plan.steps[place]
        weight = self._program.constant(place, "weight")
        assert weight is not None
        groups = groups_of(step, self._network.plan.tensors[step.inputs[0]].shape[1])
        moments, held_back, is_changed = self._moments(place, weight, groups)
        if not is_changed:
            return None
        matrix = layer_matrix(weight, groups)
        corrected, ridge = matrix, 0.0
        if moments.has_products:
            corrected, ridge = reconstruct(moments, held_back, matrix)
        bias = self._program.constant(place, "bias")
        old = {"weight": weight, "bias": np.zeros(len(weight), np.float32) if bias is None else bias}
        new = {
            "weight": corrected.reshape(weight.shape).astype(np.float32),
            "bias": (old["bias"] + bias_shift(moments, matrix, corrected)).astype(np.float32),
        }
        if not all(np.isfinite(array).all() for array in new.values()):
            return None
        self._program.set_constants(place, new)
        after = self._damage()
        is_kept = after < damage * (1.0 - _LEAST_GAIN)
        if is_kept:
            kept[step.name] = LayerWeights(new["weight"], new["bias"])
        else:
            self._program.set_constants(place, old)
        return Correction(
            layer=step.name,
            kind="reconstruct" if moments.has_products and np.isfinite(ridge) else "bias",
            ridge=ridge if np.isfinite(ridge) else 0.0,
            damage_before=damage,
            damage_after=after,
            is_kept=is_kept,
        )

    def _moments(self, place: int, weight: FloatArray, groups: int) -> tuple[Moments, Moments, bool]:
        step, plan = self._network.plan.steps[place], self._network.plan
        values = int(np.prod(weight.shape[1:]))
        has_products = self._kind == "reconstruct" and values <= LARGEST_GRAM
        fit, held_back, is_changed = Moments(has_products), Moments(has_products), False
        shape = plan.tensors[step.outputs[0]].shape
        size = (shape[2], shape[3]) if len(shape) == 4 else (1, 1)
        for number, (dense, present) in enumerate(self._fit):
            before, now = dense.operands(place), present.operands(place)
            is_changed = is_changed or not all(map(np.array_equal, before, now))
            dense_rows, rows = (layer_rows(step, operands[0], size, number) for operands in (before, now))
            drift = output_rows(before[1] - now[1], groups, number) if len(before) > 1 else None
            is_held_back = has_products and number % _HELD_BACK == _HELD_BACK - 1
            (held_back if is_held_back else fit).add(dense_rows, rows, drift)
        for stream in self._check:
            stream.advance(place)
        return fit, held_back if held_back.count else fit, is_changed

    def _damage(self) -> float:
        outputs = Outputs.joined([stream.outputs() for stream in self._check])
        return self._metric.information_loss(self._reference, outputs)
