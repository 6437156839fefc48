"""The plan: everything the native executor needs to run a model at one input shape, as pure data.

Owns the value types and their printed and JSON forms. Does not know how a plan is made (:mod:`.plan`) nor how
it is run (:mod:`.session`). Sizes are in elements unless the name says bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...short_repr import ShortRepr
from ..data_types import DATA_TYPES, FLOAT32, DataType

Layout: TypeAlias = Literal["row", "nhwc"]
AttributeValue: TypeAlias = "int | float | str | tuple[int, ...] | tuple[float, ...]"
FloatArray: TypeAlias = NDArray[np.float32]

CHANNEL_BLOCK = FLOAT32.channel_block
"""Float32 channels per mask word; the unit to which they are padded."""
ALIGNMENT_BYTES = 64
"""Alignment of every buffer in the arena."""
EXTERNAL = -1
"""Offset of a tensor that lives in the caller's memory."""


def round_up(value: int, multiple: int) -> int:
    """Return the smallest multiple of ``multiple`` that is not below ``value``."""
    return -(-value // multiple) * multiple


@dataclass(frozen=True)
class TensorSpec:
    """Where a tensor lives and how it is laid out.

    ``row`` is contiguous and row-major over ``shape``. ``nhwc`` has the logical shape (N, C, H, W) and is
    stored ``[N][H][W][pixel_stride]``; channels from C up to C rounded up to the channel block B of the type
    (64 bytes, 16 of float32) are zero. A masked tensor has beside it one uint16 word per channel block,
    ``[N][H][W][pixel_stride / B]``: bit j of word i says that one of the m channels from B i + m j on differs
    from zero, m being 1 for float32 and else what makes 4 bytes.

    Args:
        name: The ONNX value it holds; a suffix after ``:`` marks a second copy in another layout.
        shape: Logical shape in ONNX order; always four dimensions for ``nhwc``.
        layout: ``"row"`` or ``"nhwc"``.
        masked: Whether its producer also writes a mask.
        pixel_stride: Elements from one pixel to the next, a multiple of the channel block; 0 for ``row``.
        offset: Bytes into the arena, or ``EXTERNAL`` for graph inputs and outputs.
        mask_offset: Bytes into the arena, or ``EXTERNAL`` when there is no mask.
        dtype: Element type, a key of ``DATA_TYPES``.
    """

    name: str
    shape: tuple[int, ...]
    layout: Layout
    masked: bool = False
    pixel_stride: int = 0
    offset: int = EXTERNAL
    mask_offset: int = EXTERNAL
    dtype: str = "float32"

    @property
    def data_type(self) -> DataType:
        """What its element type is made of."""
        return DATA_TYPES[self.dtype]

    @property
    def elements(self) -> int:
        """Number of logical elements."""
        return math.prod(self.shape)

    @property
    def logical_bytes(self) -> int:
        """Bytes of its logical elements, as an array of the caller's has them."""
        return self.elements * self.data_type.bytes

    @property
    def padded_channels(self) -> int:
        """C rounded up to whole channel blocks; ``nhwc`` only."""
        return round_up(self.shape[1], self.data_type.channel_block)

    @property
    def is_external(self) -> bool:
        """Whether it lives in the caller's memory."""
        return self.offset == EXTERNAL

    @property
    def pixels(self) -> int:
        """N x H x W; ``nhwc`` only."""
        return self.shape[0] * self.shape[2] * self.shape[3]


@dataclass(frozen=True)
class Step:
    """One call of a native operator.

    Args:
        op: Native operator, for example ``"conv"``.
        name: Unique within the plan; by default that of the first ONNX node it runs.
        inputs: Indices into ``Plan.tensors``.
        outputs: Indices into ``Plan.tensors``.
        attributes: What parametrises the operator; absent means the operator's default.
        constants: Role (``"weight"``, ``"bias"``, ...) to a key of ``Plan.constants``.
        nodes: Names of the ONNX nodes this step carries out.
        macs: Multiply-accumulates of the dense computation.
        note: What the planner decided here and why, for people.
    """

    op: str
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    attributes: dict[str, AttributeValue] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    macs: int = 0
    note: str = ""


@dataclass(frozen=True)
class EliminatedNode:
    """An ONNX node, or a layout change, that costs nothing at run time, and why."""

    node: str
    reason: str


@dataclass(frozen=True, repr=False)
class Plan(ShortRepr):
    """A model at one input shape, ready for the native executor.

    Args:
        tensors: Every activation.
        steps: In order of execution.
        constants: Weights and other fixed arrays, float32.
        inputs: Tensor indices, in the order of the graph's inputs.
        outputs: Tensor indices, in the order of the graph's outputs, then of the taps.
        arena_bytes: Size of the memory that all non-external tensors share.
        eliminated: Nodes that need no step.
    """

    tensors: tuple[TensorSpec, ...]
    steps: tuple[Step, ...]
    constants: dict[str, FloatArray]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    arena_bytes: int
    eliminated: tuple[EliminatedNode, ...] = ()

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole dense computation."""
        return sum(step.macs for step in self.steps)

    def without_constants(self) -> Plan:
        """Return the same plan with empty arrays in place of the constants, to keep for printing."""
        return replace(self, constants={})

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-compatible data; of the constants only their shapes."""
        return {
            "tensors": [vars(tensor) | {"shape": list(tensor.shape)} for tensor in self.tensors],
            "steps": [_step_to_dict(step) for step in self.steps],
            "constants": {name: list(array.shape) for name, array in self.constants.items()},
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "arena_bytes": self.arena_bytes,
            "eliminated": [vars(node) for node in self.eliminated],
        }

    def __str__(self) -> str:
        totals = f"{self.macs / 1e6:.1f} MMACs, arena {self.arena_bytes / 1e6:.2f} MB"
        lines = [f"plan: {len(self.steps)} steps, {totals}"]
        for index, step in enumerate(self.steps):
            results = ", ".join(self._describe(tensor) for tensor in step.outputs)
            operands = ", ".join(self.tensors[tensor].name for tensor in step.inputs)
            note = f"  # {step.note}" if step.note else ""
            lines.append(f"{index:4d}  {results} = {step.op}({operands}){note}")
        return "\n".join(lines)

    def _describe(self, index: int) -> str:
        tensor = self.tensors[index]
        shape = "x".join(str(size) for size in tensor.shape)
        dtype = "" if tensor.dtype == FLOAT32.name else f" {tensor.dtype}"
        return f"{tensor.name} [{shape} {tensor.layout}{dtype}{' masked' if tensor.masked else ''}]"


def _step_to_dict(step: Step) -> dict[str, Any]:
    attributes = {key: list(value) if isinstance(value, tuple) else value for key, value in step.attributes.items()}
    changed = {
        "inputs": list(step.inputs),
        "outputs": list(step.outputs),
        "nodes": list(step.nodes),
        "attributes": attributes,
    }
    return vars(step) | changed
