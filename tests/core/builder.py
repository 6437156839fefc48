"""Small plans for tests of the native core, built by hand and run on one instruction set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zeroskip import _core

Shape = tuple[int, ...]

BYTES = {"float32": 4, "bf16": 2, "u8": 1}
CHANNEL_BLOCK = {"float32": 16, "bf16": 32, "u8": 64}  # channels of a pixel are padded to whole ones


def round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


class PlanBuilder:
    """Collects tensors and steps; every arena tensor gets memory of its own unless placed explicitly."""

    def __init__(self) -> None:
        self.tensors: list[dict[str, Any]] = []
        self.steps: list[dict[str, Any]] = []
        self.inputs: list[int] = []
        self.outputs: list[int] = []
        self.arena_bytes = 0

    def reserve(self, size: int) -> int:
        offset = self.arena_bytes
        self.arena_bytes += round_up(size, 64)
        return offset

    def tensor(self, **fields: Any) -> int:
        defaults = {"masked": False, "pixel_stride": 0, "offset": -1, "mask_offset": -1, "layout": "row"}
        self.tensors.append({"name": f"t{len(self.tensors)}", **defaults, **fields})
        return len(self.tensors) - 1

    def graph_input(self, shape: Shape, dtype: str = "float32") -> int:
        self.inputs.append(self.tensor(shape=shape, dtype=dtype))
        return self.inputs[-1]

    def graph_output(self, shape: Shape, dtype: str = "float32") -> int:
        self.outputs.append(self.tensor(shape=shape, dtype=dtype))
        return self.outputs[-1]

    def row(self, shape: Shape) -> int:
        return self.tensor(shape=shape, offset=self.reserve(4 * int(np.prod(shape))))

    def nhwc(self, shape: Shape, masked: bool = False, slack: int = 0, dtype: str = "float32") -> int:
        """An nhwc tensor; `slack` channels (a multiple of the type's block) lie unused behind every pixel."""
        n, c, h, w = shape
        stride = round_up(c, CHANNEL_BLOCK[dtype]) + slack
        pixels = n * h * w
        return self.tensor(
            shape=shape,
            layout="nhwc",
            dtype=dtype,
            pixel_stride=stride,
            masked=masked,
            offset=self.reserve(BYTES[dtype] * pixels * stride),
            mask_offset=self.reserve(2 * pixels * stride // 16 + 2) if masked else -1,
        )

    def step(
        self,
        op: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        arrays: Mapping[str, np.ndarray] | None = None,
        **attributes: Any,
    ) -> None:
        name = f"{op}{len(self.steps)}"
        self.steps.append(
            {
                "op": op,
                "name": name,
                "inputs": tuple(inputs),
                "outputs": tuple(outputs),
                "attributes": attributes,
                "arrays": dict(arrays or {}),
            }
        )

    def load(self, shape: Shape, masked: bool = False, slack: int = 0, dtype: str = "float32") -> int:
        """A graph input brought into the nhwc layout."""
        source = self.graph_input(shape, dtype)
        tensor = self.nhwc(shape, masked, slack, dtype)
        self.step("to_nhwc", [source], [tensor])
        return tensor

    def expose_values(self, tensor: int) -> None:
        """Add a graph output with an nhwc tensor's values, padding channels included."""
        fields = self.tensors[tensor]
        n, c, h, w = fields["shape"]
        padded = (n, round_up(c, CHANNEL_BLOCK[fields["dtype"]]), h, w)
        alias = self.tensor(**{**fields, "name": "alias", "shape": padded, "masked": False})
        self.step("to_row", [alias], [self.graph_output(padded, fields["dtype"])])

    def expose_mask(self, tensor: int) -> None:
        """Add a graph output with the raw mask words of a contiguous nhwc tensor, two in each float32.

        An odd count is made even by a one-word neighbour, whose input becomes the last graph input.
        """
        fields = self.tensors[tensor]
        n, _, h, w = fields["shape"]
        words = n * h * w * fields["pixel_stride"] // 16
        if words % 2:
            neighbour = self.load((1, 16, 1, 1), masked=True)
            self.tensors[neighbour]["mask_offset"] = fields["mask_offset"] + 2 * words
        shape = (round_up(words, 2) // 2,)
        alias = self.tensor(shape=shape, offset=fields["mask_offset"])
        self.step("copy", [alias], [self.graph_output(shape)])

    def build(self, isa: str | None = None, threads: int = 2, **overrides: Any) -> _core.Program:
        arguments = {
            "tensors": self.tensors,
            "steps": self.steps,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "arena_bytes": self.arena_bytes,
            "num_threads": threads,
            "isa": isa,
        }
        return _core.Program(**{**arguments, **overrides})


def mask_words(values: np.ndarray) -> np.ndarray:
    """The mask the engine must write for NCHW `values` whose channels are a multiple of 16."""
    n, c, h, w = values.shape
    nonzero = (values != 0).transpose(0, 2, 3, 1).reshape(n, h, w, c // 16, 16)
    return (nonzero.astype(np.uint32) << np.arange(16, dtype=np.uint32)).sum(axis=-1).astype(np.uint16).ravel()


def run_nhwc(
    op: str,
    inputs: Sequence[np.ndarray],
    shape: Shape,
    isa: str,
    arrays: Mapping[str, np.ndarray] | None = None,
    slack: int = 0,
    threads: int = 2,
    masked_inputs: bool = False,
    **attributes: Any,
) -> np.ndarray:
    """Run one nhwc operator on NCHW arrays; check its padding channels and its mask; return NCHW values."""
    builder = PlanBuilder()
    sources = [builder.load(x.shape, masked_inputs, slack) for x in inputs]
    result = builder.nhwc(shape, masked=slack == 0, slack=slack)
    builder.step(op, sources, [result], arrays, **attributes)
    builder.expose_values(result)
    if slack == 0:
        builder.expose_mask(result)
    feeds = [np.ascontiguousarray(x, dtype=np.float32) for x in inputs]
    feeds += [np.zeros((1, 16, 1, 1), np.float32)] * (len(builder.inputs) - len(feeds))
    values, *mask = builder.build(isa, threads).run(feeds)
    assert not values[:, shape[1] :].any(), "padding channels are not zero"
    if mask:
        expected = mask_words(values)
        np.testing.assert_array_equal(mask[0].view(np.uint16)[: expected.size], expected)
    return values[:, : shape[1]]


def run_row(
    op: str,
    inputs: Sequence[np.ndarray],
    shape: Shape,
    isa: str,
    arrays: Mapping[str, np.ndarray] | None = None,
    threads: int = 2,
    **attributes: Any,
) -> np.ndarray:
    """Run one row operator straight from graph inputs to a graph output."""
    builder = PlanBuilder()
    sources = [builder.graph_input(x.shape) for x in inputs]
    builder.step(op, sources, [builder.graph_output(shape)], arrays, **attributes)
    (values,) = builder.build(isa, threads).run([np.ascontiguousarray(x, dtype=np.float32) for x in inputs])
    return values


def sparse_array(shape: Shape, sparsity: float, seed: int = 0) -> np.ndarray:
    """Normal float32 values of which about the given fraction is exactly zero."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape, dtype=np.float32)
    return np.where(rng.random(shape) < sparsity, np.float32(0), values)


def fatrelu(x: np.ndarray, thresholds: np.ndarray, max_value: float = np.inf, axis: int = 1) -> np.ndarray:
    """x if x > T else 0, then the upper clip; thresholds lie along `axis`."""
    limits = thresholds.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
    return np.minimum(np.where(x > limits, x, np.float32(0)), np.float32(max_value))
