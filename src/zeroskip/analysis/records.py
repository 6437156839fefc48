"""What `analyze` found out about a model on a data set, as figures that can be saved."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import Self

from ..engine.cost import MOST_ERROR
from ..gain import Gain
from ..saved_value import SavedValue


class Histogram(BaseModel):
    """How the values above zero of one activation are distributed.

    Attributes:
        upper: Upper edge of the last bin; the first begins at 0, and all are as wide. What lies above is in the last.
        counts: Values in each bin, of a random sample.
    """

    model_config = ConfigDict(frozen=True)

    upper: float
    counts: tuple[int, ...]


class ActivationSparsity(BaseModel):
    """One activation of the model.

    Attributes:
        name: ONNX value name of the activation's output; the key in a threshold set.
        elements: Values per input.
        sparsity: Fraction of exact zeros on the data, in [0, 1].
        consumers: Convolutions and linear layers that could skip its zeros; empty if there are none.
        label: What tables call it, for example ``conv5/relu``.
        histogram: Of its values above zero; None where there were none, and in files of earlier versions.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    elements: int
    sparsity: float
    consumers: tuple[str, ...]
    label: str = ""
    histogram: Histogram | None = None


class LayerSparsity(BaseModel):
    """One convolution or linear layer, as the engine runs it (with bias, residual and activation fused in).

    Attributes:
        name: Name of the step.
        op: Native operator.
        kernel: Microkernel that ran.
        input: ONNX value it reads.
        macs: Multiply-accumulates per input of the data set, nothing skipped.
        can_skip: Whether it can skip zeros of its input.
        input_sparsity: Fraction of zeros in its input on the data, in [0, 1]; None where it cannot skip.
        latency_ms: Measured median time per run.
        latency_share: Its share of the whole run, in [0, 1].
        predicted_ms: Time at each of the profile's sparsity gains.
        label: What tables call it, for example ``conv5``.
        obstacle: Why it can never skip, a reason of :class:`FixedTime`; None where it can.
        steady_density: It skips nothing while more of its input than this is not zero, because it goes by Winograd's
            algorithm, or several rows share its weights; None without that edge.
        dense_ms: Estimated time per run if nothing were zero; None where nothing can be skipped, or it was not asked.
        choice: Algorithm: ``dense``, or ``auto``, where each tile decides, and what tiles of this density take.
        note: Why, in words.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    op: str
    kernel: str
    input: str
    macs: int
    can_skip: bool
    input_sparsity: float | None
    latency_ms: float
    latency_share: float
    predicted_ms: tuple[float, ...]
    label: str = ""
    obstacle: str | None = None
    steady_density: float | None = None
    dense_ms: float | None = None
    choice: str = ""
    note: str = ""

    @property
    def skipped_macs(self) -> int:
        """Multiply-accumulates per input by a zero, where zeros can be skipped."""
        return round(self.macs * (self.input_sparsity or 0.0))

    @property
    def precision(self) -> str:
        """Element type that the kernel computes in, ``f32`` for example; empty where its name does not begin so."""
        first = self.kernel.split("_")[0]
        return first if first[1:].isdigit() or first[2:].isdigit() else ""

    @property
    def title(self) -> str:
        """The label, or the name where there is none."""
        return self.label or self.name

    @property
    def is_steady(self) -> bool:
        """Whether a few zeros more gain nothing, because it skips only where there are many."""
        if self.steady_density is None or self.input_sparsity is None:
            return False
        return 1.0 - self.input_sparsity > self.steady_density

    def scaled(self, factor: float) -> LayerSparsity:
        """Return the layer with its times multiplied."""
        predicted = tuple(factor * value for value in self.predicted_ms)
        dense = None if self.dense_ms is None else factor * self.dense_ms
        update = {"latency_ms": factor * self.latency_ms, "predicted_ms": predicted, "dense_ms": dense}
        return self.model_copy(update=update)


class FixedTime(BaseModel):
    """Steps that can never skip, for one reason.

    Attributes:
        reason: ``first layer`` (reads the few channels of the graph's input), ``signed inputs`` (went through no
            rectifier), ``depthwise``, ``many rows`` (share the weights of a fully connected layer), ``vector``,
            ``no convolution`` or ``island``.
        steps: How many there are.
        share: Of the whole run's time, in [0, 1].
    """

    model_config = ConfigDict(frozen=True)

    reason: str
    steps: int
    share: float


class PrecisionTimes(BaseModel):
    """What more zeros would buy in another precision than the profile's own.

    Attributes:
        precision: Its name.
        latency_ms: Sum of the steps' median times per run.
        predicted_latency_ms: Time of the whole run at each of the profile's sparsity gains.
        layers: By name of the layer: its time now, and at each gain.
        is_predicted: Whether even the time now is predicted, by the cost model from densities, and nothing was run in
            it; then nothing is known of the accuracy either.
        fixed: Time that no zeros can save in it, by reason, longest first.
    """

    model_config = ConfigDict(frozen=True)

    precision: str
    latency_ms: float
    predicted_latency_ms: tuple[float, ...]
    layers: dict[str, tuple[float, ...]] = {}
    is_predicted: bool = False
    fixed: tuple[FixedTime, ...] = ()

    @property
    def speedups(self) -> tuple[float, ...]:
        """How many times as fast the run would be at each of the gains as in this precision now."""
        return tuple(self.latency_ms / latency for latency in self.predicted_latency_ms)

    @property
    def fixed_share(self) -> float:
        """Share of the time that no zeros can save, in [0, 1]."""
        return sum(item.share for item in self.fixed)

    def scaled(self, factor: float) -> PrecisionTimes:
        """Return the same with its times multiplied."""
        return self.model_copy(
            update={
                "latency_ms": factor * self.latency_ms,
                "predicted_latency_ms": tuple(factor * value for value in self.predicted_latency_ms),
                "layers": {name: tuple(factor * value for value in times) for name, times in self.layers.items()},
            }
        )


class Reference(BaseModel):
    """Another engine timed side by side with zeroskip on the same inputs.

    Attributes:
        engine: Its name.
        version: Version of its package.
        latency_ms: Its median time per run.
        zeroskip_latency_ms: zeroskip's in the same interleaved run.
        gain: How many times faster zeroskip is, with the range that the measurement leaves open.
        is_busy: Whether other programs took so much of the machine that the threads had to share its cores.
    """

    model_config = ConfigDict(frozen=True)

    engine: str
    version: str
    latency_ms: float
    zeroskip_latency_ms: float
    gain: Gain
    is_busy: bool = False

    @property
    def speedup(self) -> float:
        """How many times faster zeroskip is."""
        return self.gain.ratio

    @property
    def is_reliable(self) -> bool:
        """Whether the ratio can be quoted: the rounds agree."""
        return self.gain.is_steady


class ProfileData(SavedValue):
    """Where a model has zeros, where its time goes, and what more zeros would bring, as figures.

    Attributes:
        schema_version: Version of this layout.
        model: Name of the model.
        model_sha256: Content hash of the model file; None if it was not a file.
        data: What the inputs were, in words.
        is_random_input: Whether they were noise; then no sparsity may be claimed.
        samples: Inputs looked at.
        batch_size: Inputs per timed run.
        threads: Threads used.
        isa: Instruction set used.
        cpu: The processor.
        latency_ms: Sum of the steps' median times per run.
        dense_latency_ms: Estimate for the same engine if nothing were zero; None if nothing can be skipped.
        gains: Increases of sparsity that are predicted, for example 0.1 for ten points.
        predicted_latency_ms: Time of the whole run at each of them.
        activations: In the order of the graph.
        layers: In order of execution.
        precision: What it ran in.
        fixed: Time that no zeros can save, by reason, longest first.
        precisions: The other precisions that the engine can run the model in: bf16 measured, int8 predicted.
        lacking: By precision why there are no times in it; empty in files of earlier versions.
        reference: Another engine timed beside it, if any.
        given_up: Why layers that could skip zeros are left to ONNX Runtime; empty where none are.
        reason: Why no layer skips zeros; empty where one does, and in files of earlier versions.
        timing_error: Relative standard error of the times of layers that can skip, told by how far repetitions lay
            apart; 0 in files of earlier versions.
    """

    SCHEMA_VERSION: ClassVar[int] = 1

    model_config = ConfigDict(frozen=True)
    _what: ClassVar[str] = "a sparsity profile"

    schema_version: int = 1
    model: str
    model_sha256: str | None
    data: str
    is_random_input: bool
    samples: int
    batch_size: int
    threads: int
    isa: str
    cpu: str
    latency_ms: float
    dense_latency_ms: float | None
    gains: tuple[float, ...]
    predicted_latency_ms: tuple[float, ...]
    activations: tuple[ActivationSparsity, ...]
    layers: tuple[LayerSparsity, ...]
    precision: str = "float32"
    fixed: tuple[FixedTime, ...] = ()
    precisions: tuple[PrecisionTimes, ...] = ()
    lacking: dict[str, str] = Field(default_factory=dict)
    reference: Reference | None = None
    given_up: str = ""
    reason: str = ""
    timing_error: float = 0.0

    @property
    def is_noisy(self) -> bool:
        """Whether the times of layers are too uncertain to say what more zeros would buy."""
        return self.timing_error > MOST_ERROR

    @property
    def macs(self) -> int:
        """Multiply-accumulates per input, nothing skipped."""
        return sum(layer.macs for layer in self.layers)

    @property
    def skippable_macs(self) -> int:
        """Those of the layers that can skip."""
        return sum(layer.macs for layer in self.layers if layer.can_skip)

    @property
    def sparsity(self) -> float:
        """Input sparsity of the layers that can skip, weighted by their MACs, in [0, 1]."""
        skipped = sum(layer.macs * (layer.input_sparsity or 0.0) for layer in self.layers)
        return skipped / self.skippable_macs if self.skippable_macs else 0.0

    @property
    def fixed_share(self) -> float:
        """Share of the time that no zeros can save, in [0, 1]."""
        return sum(item.share for item in self.fixed)

    @property
    def steady_share(self) -> float:
        """Share of the time in layers that skip nothing at their present density, in [0, 1]."""
        return sum(layer.latency_share for layer in self.layers if layer.is_steady)

    @property
    def speedups(self) -> tuple[float, ...]:
        """How many times faster the run would be at each of the gains."""
        return tuple(self.latency_ms / latency for latency in self.predicted_latency_ms)

    @property
    def activation_sparsity(self) -> float:
        """Sparsity of all activations, weighted by their size, in [0, 1]."""
        elements = sum(item.elements for item in self.activations)
        zeros = sum(item.elements * item.sparsity for item in self.activations)
        return zeros / elements if elements else 0.0

    def timed_as(self, latency_ms: float) -> Self:
        """Return the profile with its times in proportion to a measurement of the whole model.

        Steps are timed one by one, which shows where time goes; how long a run takes is said by a benchmark. So no
        table has two times for the same thing.

        Args:
            latency_ms: Time per run by that measurement.
        """
        factor = latency_ms / self.latency_ms if self.latency_ms else 1.0
        dense = self.dense_latency_ms
        return self.model_copy(
            update={
                "latency_ms": latency_ms,
                "dense_latency_ms": None if dense is None else factor * dense,
                "predicted_latency_ms": tuple(factor * value for value in self.predicted_latency_ms),
                "layers": tuple(layer.scaled(factor) for layer in self.layers),
                "precisions": tuple(item.scaled(factor) for item in self.precisions),
            }
        )

    def compared_with(self, reference: Reference) -> Self:
        """Return the profile with another engine's time beside it, and its own times by the same measurement."""
        return self.timed_as(reference.zeroskip_latency_ms).model_copy(update={"reference": reference})
