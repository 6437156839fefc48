"""Explanation: what the engine will do with a model, step by step, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .cost import CostModel, can_skip
from .native import CompiledPlan
from .plan_types import EliminatedNode, Plan, Step
from .table import format_table, shape_text


@dataclass(frozen=True)
class ExplainedStep:
    """One step, explained.

    Args:
        name: Step name.
        op: Native operator, with what is fused into it, for example ``conv+add+fatrelu``.
        nodes: ONNX nodes the step carries out.
        kernel: Microkernel that will run.
        layout: Layout of the result.
        output_shape: Logical shape of the result.
        macs: Multiply-accumulates of the dense computation.
        algorithm: ``auto`` (each tile skips zeros if it has enough of them), ``dense``, or nothing for other
            operators.
        density: Fraction of non-zeros in the input where it was measured, else None.
        predicted_ms: Time by the cost model, with that density.
        note: What was decided here and why.
    """

    name: str
    op: str
    nodes: tuple[str, ...]
    kernel: str
    layout: str
    output_shape: tuple[int, ...]
    macs: int
    algorithm: str
    density: float | None
    predicted_ms: float
    note: str


@dataclass(frozen=True)
class ExplainedIsland:
    """A part of the model that ONNX Runtime runs.

    Args:
        name: Name of its step.
        nodes: ONNX nodes in it.
        operators: Their operators, each once.
        reasons: Node name to why the native engine does not run it. The other nodes are in the island because
            they stand between such nodes, or because nothing could be skipped in them.
        share: Fraction of the time of a run, in [0, 1]; None until ``profile`` has measured it.
    """

    name: str
    nodes: tuple[str, ...]
    operators: tuple[str, ...]
    reasons: dict[str, str]
    share: float | None

    def __str__(self) -> str:
        share = "time not measured yet" if self.share is None else f"{100 * self.share:.1f} % of the time"
        lines = [f"{self.name}: {len(self.nodes)} nodes ({', '.join(self.operators)}), {share}"]
        return "\n".join(lines + [f"    '{node}': {reason}" for node, reason in self.reasons.items()])


@dataclass(frozen=True)
class Explanation:
    """A compiled plan for people; ``str()`` is an aligned table.

    Args:
        steps: In order of execution.
        eliminated: ONNX nodes that cost nothing, with the reason.
        input_shapes: Shapes the plan is for.
        isa: Instruction set used.
        num_threads: Threads used.
        arena_bytes: Memory of all activations together.
        islands: What ONNX Runtime runs, in order of execution; each has a step called like it.
    """

    steps: tuple[ExplainedStep, ...]
    eliminated: tuple[EliminatedNode, ...]
    input_shapes: dict[str, tuple[int, ...]]
    isa: str
    num_threads: int
    arena_bytes: int
    islands: tuple[ExplainedIsland, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as JSON-compatible data."""
        return {
            "input_shapes": {name: list(shape) for name, shape in self.input_shapes.items()},
            "isa": self.isa,
            "num_threads": self.num_threads,
            "arena_bytes": self.arena_bytes,
            "steps": [
                asdict(step) | {"nodes": list(step.nodes), "output_shape": list(step.output_shape)}
                for step in self.steps
            ],
            "eliminated": [asdict(node) for node in self.eliminated],
            "islands": [asdict(island) for island in self.islands],
        }

    def __str__(self) -> str:
        header = ["#", "step", "op", "kernel", "layout", "output", "MMACs", "algorithm", "density", "note"]
        rows = [
            [
                str(index),
                step.name,
                step.op,
                step.kernel,
                step.layout,
                shape_text(step.output_shape),
                f"{step.macs / 1e6:.1f}",
                step.algorithm,
                "" if step.density is None else f"{step.density:.2f}",
                step.note,
            ]
            for index, step in enumerate(self.steps)
        ]
        shapes = ", ".join(f"{name} {shape_text(shape)}" for name, shape in self.input_shapes.items())
        macs = sum(step.macs for step in self.steps)
        summary = (
            f"{len(self.steps)} steps for {shapes}; {macs / 1e6:.1f} MMACs; ISA {self.isa}; "
            f"{self.num_threads} threads; activations {self.arena_bytes / 1e6:.2f} MB"
        )
        lines = [summary, format_table(header, rows, right_aligned=["#", "MMACs", "density"])]
        if self.islands:
            lines.append("islands, run by ONNX Runtime:")
            lines += [f"  {island}" for island in self.islands]
        if self.eliminated:
            lines.append("nodes without a step:")
            lines += [f"  {node.node}: {node.reason}" for node in self.eliminated]
        return "\n".join(lines)


def explain_steps(compiled: CompiledPlan, densities: Sequence[float | None] | None = None) -> tuple[ExplainedStep, ...]:
    """Explain the steps of a plan.

    Args:
        compiled: The plan and its program.
        densities: Measured input density of every step, where there is one.
    """
    plan, program = compiled.plan, compiled.program
    costs = CostModel.for_isa(program.isa)
    measured = densities if densities is not None else [None] * len(plan.steps)
    return tuple(
        ExplainedStep(
            name=step.name,
            op=_fused_op(step),
            nodes=step.nodes,
            kernel=kernel,
            layout=plan.tensors[step.outputs[0]].layout,
            output_shape=plan.tensors[step.outputs[0]].shape,
            macs=step.macs,
            algorithm=str(step.attributes.get("algorithm", "")),
            density=density,
            predicted_ms=costs.predict(plan, step, density, program.num_threads),
            note=_note(plan, step),
        )
        for step, kernel, density in zip(plan.steps, program.kernel_names, measured, strict=True)
    )


def _fused_op(step: Step) -> str:
    parts = [step.op]
    if step.op == "conv" and len(step.inputs) == 2:
        parts.append("add")
    if step.op == "activation":
        parts = [str(step.attributes["kind"])]
    elif step.attributes.get("activation", "none") != "none":
        parts.append(str(step.attributes["activation"]))
    if "max_value" in step.attributes and step.op != "activation":
        parts.append("clip")
    return "+".join(parts)


def _note(plan: Plan, step: Step) -> str:
    if not can_skip(step):
        return step.note
    skips = f"skips zeros of '{plan.tensors[step.inputs[0]].name}' in every tile that has enough of them"
    return "; ".join(part for part in (skips, step.note) if part)
