"""The network under calibration: one program whose thresholds change, what skips by which activation, and time.

Owns the mapping from activations to steps of the plan. Data and metrics are the business of the evaluator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...analysis.inputs import Feed, ModelInput, filled
from ...data import Dataset
from ...engine.cost import CostModel, StepCurves, gains_by_zeros
from ...engine.mixed.links import NativeLink
from ...engine.operators import OPERATORS
from ...errors import EngineError, ModelError, ShapeError
from ...journal import digest
from ...system import installed_version
from ...thresholds import Threshold
from ..judging.outputs import Outputs

if TYPE_CHECKING:
    from ...engine import InferenceSession, ProbeProgram
    from ...engine.mixed.chain import ChainRun, ProbeChain
    from ...engine.plan.types import FloatArray, Step
    from ...onnx import LayerWeights

MAX_ARENA_BYTES = 256 << 20
"""Largest arena of one run; the batch is made smaller to keep within it. A batch of one may need more."""

Thresholds = Mapping[str, Threshold]
Densities = Mapping[int, float]
"""Density of the first operand, by step."""


@dataclass(frozen=True)
class Reader:
    """A convolution or fully connected layer that skips the zeros of an activation.

    Args:
        step: Its place in the plan.
        share: The part of its input that the activation makes up, in (0, 1].
    """

    step: int
    share: float


class Network:
    """A model compiled for calibration. Not for several threads at once.

    Args:
        session: Has the model.
        feeder: Feeds it.
        data: What with; the first inputs are run.
        batch_size: Inputs per run, if the model takes batches and their activations fit into :data:`MAX_ARENA_BYTES`.
        model: Hash of the model.

    Attributes:
        program: The compiled model, whose thresholds and weights change.
        batch_size: Inputs per run.
        heads: Values inside the model that stand in for outputs which cannot be compared one by one.
        curves: Measured times of the steps, for :meth:`step_ms`; None while the cost model has to do.
        counts_macs: Whether multiplications stand for time, one in a nanosecond.
    """

    curves: StepCurves | None = None
    counts_macs = False

    def __init__(
        self,
        session: InferenceSession,
        feeder: ModelInput,
        data: Dataset,
        batch_size: int,
        *,
        model: bytes = b"",
    ) -> None:
        self._feeder = feeder
        self.program, self.batch_size = self._compiled(session, data, batch_size)
        self.plan = self.program.plan
        self._cost = CostModel.for_isa(self.program.isa or session.options.isa or "generic")
        self._present: dict[str, Threshold] = {}
        self._model = model
        self.heads = () if self._has_comparable_outputs(data) else self.program.heads

    def _compiled(self, session: InferenceSession, data: Dataset, wanted: int) -> tuple[ProbeChain, int]:
        """Return the compiled model and the batch size, which is 1 where it cannot be run in batches."""
        fixed = self._feeder.fixed_batch_size
        if fixed is not None or wanted == 1 or not data.is_uniform:
            return session.probe_chain(self._example(data, fixed or 1)), fixed or 1
        one = self._example(data, 1)
        try:
            many = session.probe_chain(self._example(data, wanted))
        except (EngineError, ModelError, ShapeError):  # sizes inside the model are those of one input
            return session.probe_chain(one), 1
        if not self._takes_batches(session, many, self._example(data, wanted), wanted):
            return session.probe_chain(one), 1
        if many.plan.arena_bytes <= MAX_ARENA_BYTES:
            return many, wanted
        smaller = max(1, wanted * MAX_ARENA_BYTES // many.plan.arena_bytes)
        return session.probe_chain(self._example(data, smaller)), smaller

    def _takes_batches(self, session: InferenceSession, many: ProbeChain, feed: Feed, size: int) -> bool:
        """Whether every output has the batch as its first axis: it says so, or has one row for every input."""
        batch = {item.shape[0] for item in self._feeder.arguments if item.shape}
        firsts = {item.shape[0] if item.shape else None for item in session.get_outputs()}
        if many.is_native and len(batch) == 1 and firsts == batch and None not in batch:
            return True
        if not _begins_with(many, feed, size):
            return False
        one = {name: array[:1] for name, array in feed.items()}
        return _begins_with(session.probe_chain(one), one, 1)

    def _example(self, data: Dataset, size: int) -> Feed:
        feed, _ = next(self._feeder.feeds(data.first(size), size))
        return feed if data.is_whole else {name: filled(array, size) for name, array in feed.items()}

    def _has_comparable_outputs(self, data: Dataset) -> bool:
        """Whether every output is an array of floating point of the same shape, however the values turn out."""
        return self.program.is_native or self.batch_size > 1

    def feeds(self, data: Dataset) -> Iterator[tuple[Feed, int]]:
        """Yield the data batch by batch, all of one size, with how many inputs of each are real."""
        for feed, count in self._feeder.feeds(data, self.batch_size):
            full = feed if data.is_whole else {name: filled(array, self.batch_size) for name, array in feed.items()}
            yield full, count

    def outputs_of(self, run: ChainRun, count: int) -> Outputs:
        """Return the outputs of a run that has come to its end, one row for each of the real inputs."""
        found = run.outputs() | {name: run.value(name) for name in self.heads}
        return Outputs({name: self._rows(np.asarray(value), count) for name, value in found.items()}, self.heads)

    def _rows(self, value: NDArray[Any], count: int) -> NDArray[Any]:
        if self.batch_size > 1 and value.shape[:1] == (self.batch_size,):
            return value[:count]
        return value if value.shape[:1] == (1,) else value[None]

    @cached_property
    def readers(self) -> dict[str, tuple[Reader, ...]]:
        """By activation, in the order of the graph: the layers that skip by it, if there are any."""
        found = {}
        for name, step in sorted(self.program.threshold_steps.items(), key=lambda item: item[1]):
            readers = tuple(
                Reader(number, share)
                for number, share in sorted(self.program.wiring.zero_readers(step).items())
                if self._gains_by_zeros(number)
            )
            if readers:
                found[name] = readers
        return found

    @property
    def identity(self) -> bytes:
        """What outputs depend on besides inputs and thresholds: the model, its present weights, and how it is run."""
        weights = [
            self.program.constant(number, role)
            for number, step in enumerate(self.plan.steps)
            if OPERATORS[step.op].is_weighted
            for role in ("weight", "bias")
        ]
        version = installed_version("zeroskip")
        return digest(version, self._model, self.program.isa, self.program.num_threads, self.batch_size, weights)

    def place(self, name: str) -> int:
        """Return the step that rectifies an activation."""
        return self.program.threshold_steps[name]

    def weight_scale(self, name: str) -> NDArray[np.float64] | None:
        """Return, by channel of an activation, how strongly its readers weigh it.

        ``sqrt(sum of w^2)`` over all weights that read the channel, a strided convolution's by the number of
        its outputs. A value x in channel c changes the readers' outputs by ``x scale[c]`` in the Euclidean
        norm.

        Returns:
            float64 ``[C]``, > 0, of geometric mean 1; None where no convolution reads the activation.
        """
        channels = self.program.channels(name)
        squares, is_read = np.zeros(channels), False
        for link in self.program.wiring.weighted_consumers(self.place(name)):
            step, weight = self.plan.steps[link.step], self.program.constant(link.step, "weight")
            if weight is None or step.op == "linear" or link.channel < 0:
                continue
            by_channel = _squares_by_input(step, weight)[link.channel : link.channel + channels]
            if len(by_channel) == channels:
                squares, is_read = squares + by_channel, True
        if not is_read or not squares.any():
            return None
        scale = np.sqrt(np.maximum(squares, 1e-8 * squares.max()))
        return np.asarray(scale / np.exp(np.log(scale).mean()))

    def set_thresholds(self, thresholds: Thresholds) -> None:
        """Give the activations these thresholds; those not named get the ones that the model came with."""
        self.program.reset_thresholds([name for name in self._present if name not in thresholds])
        self.program.set_thresholds(thresholds)
        self._present = dict(thresholds)

    def set_weights(self, layers: Mapping[str, LayerWeights]) -> None:
        """Give layers these weights; those not named get the ones that the model came with."""
        for number, step in enumerate(self.plan.steps):
            if not OPERATORS[step.op].is_weighted:
                continue
            if step.name in layers:
                given = layers[step.name]
                self.program.set_constants(number, {"weight": given.weight, "bias": given.bias})
                continue
            for role in ("weight", "bias"):
                original, present = self.program.original(number, role), self.program.constant(number, role)
                if original is not None:
                    self.program.set_constants(number, {role: original})
                elif present is not None:
                    self.program.set_constants(number, {role: np.zeros_like(present)})

    def sparsity(self, densities: Densities) -> float:
        """Return the sparsity of what skipping layers read, weighted by MACs, in [0, 1]."""
        skipping = [number for number in densities if self._gains_by_zeros(number)]
        macs = sum(self.plan.steps[number].macs for number in skipping)
        zeros = sum(self.plan.steps[number].macs * (1.0 - densities[number]) for number in skipping)
        return zeros / macs if macs else 0.0

    def _gains_by_zeros(self, number: int) -> bool:
        return gains_by_zeros(self.plan, self.plan.steps[number], self.batch_size)

    def step_ms(self, number: int, density: float | None, *, winograd: bool = True) -> float:
        """Return the time of a step per input, in milliseconds: as measured, else by the cost model, or by its MACs.

        Args:
            number: Of the step.
            density: Fraction of non-zeros in what it reads; None where that has no mask.
            winograd: Whether the cost model may count on Winograd's algorithm.
        """
        step = self.plan.steps[number]
        if self.counts_macs:
            skips = density is not None and self._gains_by_zeros(number)
            return 1e-6 * step.macs / self.batch_size * (density if density is not None and skips else 1.0)
        measured = None if self.curves is None else self.curves.step_ms(step.name, density)
        if measured is not None:
            return measured
        threads = self.program.num_threads
        inputs = self.batch_size  # what is calibrated in batches is run one by one
        return self._cost.predict(self.plan, step, density, threads, winograd=winograd, inputs=inputs) / inputs

    def expected_ms(self, densities: Densities) -> float:
        """Return the time of the network per input, in milliseconds, as :meth:`step_ms` has it."""
        return sum(self.step_ms(number, densities.get(number)) for number in range(len(self.plan.steps)))


def native_program(chain: ProbeChain, feeds: Sequence[Feed]) -> tuple[ProbeProgram, list[list[FloatArray]]]:
    """Return the only program of a model that is native as a whole, and inputs as it takes them."""
    (link,) = chain.parts
    assert isinstance(link, NativeLink)
    return link.first, [link.arrays(feed) for feed in feeds]


def _begins_with(chain: ProbeChain, feed: Feed, size: int) -> bool:
    """Whether every output has the batch as its first axis."""
    run = chain.start(feed)
    run.advance()
    return all(np.shape(value)[:1] == (size,) for value in run.outputs().values())


def _squares_by_input(step: Step, weight: FloatArray) -> NDArray[np.float64]:
    """Return the sum of squared weights by input channel, over what a strided convolution leaves out."""
    strides = step.attributes.get("strides", (1, 1))
    assert isinstance(strides, tuple)
    groups = 1 if step.op == "linear" else int(str(step.attributes.get("groups", 1)))
    squares = np.square(weight.astype(np.float64)).reshape(groups, -1, *weight.shape[1:])
    by_input = squares.sum(axis=(1, *range(3, squares.ndim)))
    return np.asarray(by_input.reshape(-1) / (strides[0] * strides[1]))
