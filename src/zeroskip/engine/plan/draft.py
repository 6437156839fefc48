"""The planner's working state: tensors and steps that passes may still change.

Lowering fills a :class:`Draft`, the passes (fusion, elision, masks) rewrite it in place, and :mod:`.memory`
gives its tensors addresses. Nothing here leaves the planner.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...onnx.quantization import WeightQuantization
from ..data_types import DATA_TYPES, FLOAT32, DataType
from .types import AttributeValue, EliminatedNode, FloatArray, Layout, round_up


@dataclass
class DraftTensor:
    """A tensor before it has an address.

    ``base`` makes it part of another tensor's storage: the same bytes under another shape, or, with
    ``channel_offset``, a slice of the channels of an ``nhwc`` tensor. ``holds_zeros`` says that it went
    through a rectifier, so that exact zeros are to be expected in it.
    """

    name: str
    shape: tuple[int, ...]
    layout: Layout
    is_external: bool = False
    holds_zeros: bool = False
    masked: bool = False
    base: int | None = None
    channel_offset: int = 0
    dtype: str = FLOAT32.name

    @property
    def data_type(self) -> DataType:
        """What its element type is made of."""
        return DATA_TYPES[self.dtype]


@dataclass
class DraftStep:
    """A step before it is frozen; the fields are those of :class:`.types.Step`."""

    op: str
    name: str
    inputs: list[int]
    outputs: list[int]
    attributes: dict[str, AttributeValue] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    nodes: list[str] = field(default_factory=list)
    macs: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def activation(self) -> str:
        """The activation of the step's epilogue, ``"none"`` without one."""
        return str(self.attributes.get("activation", "none"))

    @property
    def kind(self) -> str | None:
        """Which function it computes, of an operator that has several; else None."""
        kind = self.attributes.get("kind")
        return None if kind is None else str(kind)


@dataclass
class Draft:
    """A plan in the making."""

    tensors: list[DraftTensor] = field(default_factory=list)
    steps: list[DraftStep] = field(default_factory=list)
    constants: dict[str, FloatArray] = field(default_factory=dict)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    eliminated: list[EliminatedNode] = field(default_factory=list)
    integers: dict[str, WeightQuantization] = field(default_factory=dict)  # that constants were made from

    def add_tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        layout: Layout,
        *,
        is_external: bool = False,
        dtype: str = FLOAT32.name,
    ) -> int:
        """Append a tensor and return its index."""
        self.tensors.append(DraftTensor(name, shape, layout, is_external, dtype=dtype))
        return len(self.tensors) - 1

    def producers(self) -> dict[int, DraftStep]:
        """Map each tensor that a step writes to that step."""
        return {tensor: step for step in self.steps for tensor in step.outputs}

    def consumers(self) -> dict[int, list[DraftStep]]:
        """Map each tensor to the steps that read it, once per read, in order of execution."""
        readers: dict[int, list[DraftStep]] = {index: [] for index in range(len(self.tensors))}
        for step in self.steps:
            for tensor in step.inputs:
                readers[tensor].append(step)
        return readers

    def eliminate(self, reasons: dict[int, str]) -> None:
        """Drop steps and remember why they cost nothing, by ``id`` of the step."""
        for step in self.steps:
            if (reason := reasons.get(id(step))) is not None:
                self.eliminated += [EliminatedNode(node, reason) for node in step.nodes or [step.name]]
        self.steps = [step for step in self.steps if id(step) not in reasons]

    def root(self, index: int) -> int:
        """Return the tensor whose storage holds tensor ``index``."""
        base = self.tensors[index].base
        while base is not None:
            index = base
            base = self.tensors[index].base
        return index

    def channel_offset(self, index: int) -> int:
        """Return the first channel of tensor ``index`` within its root."""
        offset = 0
        base: int | None = index
        while base is not None:
            offset += self.tensors[base].channel_offset
            base = self.tensors[base].base
        return offset

    def pixel_stride(self, index: int) -> int:
        """Return the elements between pixels of tensor ``index``; 0 for row layout."""
        tensor = self.tensors[index]
        if tensor.layout == "row":
            return 0
        if tensor.base is not None and self.tensors[tensor.base].layout == "nhwc":
            return self.pixel_stride(tensor.base)
        return round_up(tensor.shape[1], tensor.data_type.channel_block)
