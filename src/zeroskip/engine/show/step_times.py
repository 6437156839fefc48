"""Profile: how long every step took and how dense its input was, on one batch of real data."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from ...files import atomic_write_text
from ...short_repr import ShortRepr
from ...text import time_cell, time_words
from ..cost import can_skip, gains_by_zeros, skips_rows
from ..operators import CONVOLUTIONS, LINEAR
from ..plan.types import Plan, Step
from .table import format_table, shape_text

Obstacle = Literal["first layer", "signed inputs", "depthwise", "many rows", "vector", "no convolution", "island"]
"""Why a step can never skip zeros: it reads the few channels of the graph's input; its input went through no rectifier;
it has one input channel for each output; many rows share the weights of a fully connected layer, which are read for all
of them; a convolution's input is a vector; it is neither kind of layer; or another engine runs it."""
OBSTACLES: tuple[Obstacle, ...] = get_args(Obstacle)

_DEPTHWISE = ("depthwise", "quantized_depthwise")
_NARROW = ("bf16_conv", "bf16_linear", "quantized_conv", "quantized_linear")
"""Steps that decide by themselves, without a mask of the planner's."""


@dataclass(frozen=True)
class StepProfile:
    """One step, measured.

    Args:
        name: Step name.
        op: Native operator.
        nodes: ONNX nodes the step carries out.
        kernel: Microkernel that ran.
        input_name: ONNX value that the step's first input holds; for a convolution the activation it may skip
        by.
        output_shape: Logical shape of the result.
        latency_ms: Median over the iterations.
        macs: Multiply-accumulates of the dense computation.
        can_skip: Whether it is a convolution or fully connected layer that can skip zeros of its input.
        input_density: Fraction of non-zeros in the first input, in [0, 1]; None where nothing is
        skipped by it.
        obstacle: Why it can never skip, one of :data:`OBSTACLES`; None where it can.
        steady_density: Above it the step goes by Winograd's algorithm, which skips nothing; None without that choice.
        last_ms: Time in the last iteration, which ``tasks`` are of; None of islands.
        tasks: (thread, begin, end) in ms from where the step began: what the threads did. Nothing with one thread.
    """

    name: str
    op: str
    nodes: tuple[str, ...]
    kernel: str
    input_name: str
    output_shape: tuple[int, ...]
    latency_ms: float
    macs: int
    can_skip: bool
    input_density: float | None
    obstacle: Obstacle | None = None
    steady_density: float | None = None
    last_ms: float | None = None
    tasks: tuple[tuple[int, float, float], ...] = field(default=(), repr=False)


@dataclass(frozen=True, repr=False)
class Profile(ShortRepr):
    """All steps of one program, measured one after the other.

    Args:
        steps: In order of execution.
        iterations: Runs that the medians are over.
        num_threads: Threads used.
        isa: Instruction set used.
    """

    steps: tuple[StepProfile, ...]
    iterations: int
    num_threads: int
    isa: str

    @property
    def total_ms(self) -> float:
        """Sum of the steps' medians."""
        return sum(step.latency_ms for step in self.steps)

    @property
    def sparsity(self) -> float:
        """Sparsity of the inputs of all layers that can skip, weighted by their MACs, in [0, 1]."""
        measured = [
            (step.macs, 1 - step.input_density)
            for step in self.steps
            if step.can_skip and step.input_density is not None
        ]
        macs = sum(weight for weight, _ in measured)
        return sum(weight * sparsity for weight, sparsity in measured) / macs if macs else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the profile as JSON-compatible data."""
        return {
            "iterations": self.iterations,
            "num_threads": self.num_threads,
            "isa": self.isa,
            "total_ms": self.total_ms,
            "sparsity": self.sparsity,
            "steps": [
                {name: value for name, value in asdict(step).items() if name not in ("last_ms", "tasks")}
                | {"nodes": list(step.nodes), "output_shape": list(step.output_shape)}
                for step in self.steps
            ],
        }

    def to_trace(self) -> dict[str, Any]:
        """Return the last iteration in Chrome's trace format: steps, what each thread did, densities.

        Perfetto (ui.perfetto.dev) and chrome://tracing show it.
        """
        from .trace import trace_events

        return {"traceEvents": trace_events(self), "displayTimeUnit": "ms", "otherData": {"isa": self.isa}}

    def save_trace(self, path: str | os.PathLike[str]) -> None:
        """Write :meth:`to_trace` as JSON; the file appears whole or not at all.

        Args:
            path: File to create or replace.

        Raises:
            OutputError: If it cannot be written.
        """
        atomic_write_text(path, json.dumps(self.to_trace()) + "\n")

    def __str__(self) -> str:
        total = self.total_ms or 1.0
        rows = [
            [
                step.name,
                step.op,
                step.kernel,
                shape_text(step.output_shape),
                f"{step.macs / 1e6:.1f}",
                "" if step.input_density is None else f"{step.input_density:.2f}",
                time_cell(step.latency_ms),
                f"{100 * step.latency_ms / total:.1f}",
            ]
            for step in self.steps
        ]
        header = ["step", "op", "kernel", "output", "MMACs", "density", "ms", "%"]
        table = format_table(header, rows, right_aligned=header[4:])
        setting = f"{self.num_threads} threads, {self.isa}"
        footer = f"total {time_words(self.total_ms)}, {setting}, sparsity {self.sparsity:.3f}"
        return f"{table}\n{footer}"


def profile_steps(plan: Plan, measured: Sequence[dict[str, Any]]) -> tuple[StepProfile, ...]:
    """Join what the native program measured, step by step, with the plan."""
    return tuple(
        StepProfile(
            name=step.name,
            op=step.op,
            nodes=step.nodes,
            kernel=str(entry["kernel"]),
            input_name=plan.tensors[step.inputs[0]].name if step.inputs else "",
            output_shape=plan.tensors[step.outputs[0]].shape,
            latency_ms=float(entry["median_ms"]),
            macs=step.macs,
            can_skip=_obstacle(plan, step, entry["kernel"]) is None,
            input_density=entry["density"] if skips_zeros(step, entry["kernel"]) else None,
            last_ms=float(entry["last_ms"]),
            tasks=tuple(entry["tasks"]),
            obstacle=_obstacle(plan, step, entry["kernel"]),
            steady_density=entry["steady_density"],
        )
        for step, entry in zip(plan.steps, measured, strict=True)
    )


def skips_zeros(step: Step, kernel: str) -> bool:
    """Whether a step skips zeros of its first input, or of rows of it; below float32 its kernel says so."""
    if step.op in _NARROW:
        return "spconv" in kernel and (step.op not in LINEAR or skips_rows(step))
    return can_skip(step) or skips_rows(step)


def _obstacle(plan: Plan, step: Step, kernel: str) -> Obstacle | None:
    is_linear = step.op in LINEAR
    if not is_linear and step.op not in CONVOLUTIONS:
        return "depthwise" if step.op in _DEPTHWISE else "no convolution"
    if skips_zeros(step, kernel):
        return None if step.op in _NARROW or gains_by_zeros(plan, step) else "many rows"
    if is_linear:
        return "signed inputs"
    if plan.tensors[step.inputs[0]].layout == "nhwc":
        return "signed inputs"
    return "first layer" if step.inputs[0] in plan.inputs else "vector"
