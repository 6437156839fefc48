"""Explanation: what the engine will do with a model, step by step, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ...short_repr import ShortRepr
from ...tabular import Record, Tabular
from ...text import printable, time_cell, wrap
from ..cost import CostModel, skips_rows
from ..native import CompiledPlan
from ..plan.types import EliminatedNode, Plan, Step
from .step_times import StepProfile, skips_zeros
from .table import format_table, shape_text

_NUMBERS = ("density", "crossover", "predicted ms", "ms", "peak")


@dataclass(frozen=True)
class ExplainedStep:
    """One step, explained.

    Args:
        name: Step name.
        op: Native operator, with what is fused into it, for example ``conv+add+fatrelu``.
        nodes: ONNX nodes the step carries out.
        kernel: Microkernel that will run.
        dtype: Element type that the step works on, that of its input: ``float32``, ``u8``, ...; nothing where ONNX
            Runtime does it.
        layout: Layout of the result.
        output_shape: Logical shape of the result.
        macs: Multiply-accumulates of the dense computation.
        algorithm: ``auto`` (each tile skips zeros if it has enough of them), ``dense``, or nothing for other
            operators.
        crossover_density: Density above which a tile is computed densely; None where there is no choice, or
            where the core's built-in estimate decides.
        density: Fraction of non-zeros in the input where it was measured, else None.
        predicted_ms: Time by the cost model, with that density.
        measured_ms: Median time where it was measured, else None.
        peak_fraction: Multiply-accumulates executed in that time, over what the threads could do at best;
            None where either is not known. Those of zeros count where nothing is skipped.
        note: What was decided here and why.
    """

    name: str
    op: str
    nodes: tuple[str, ...]
    kernel: str
    dtype: str
    layout: str
    output_shape: tuple[int, ...]
    macs: int
    algorithm: str
    crossover_density: float | None
    density: float | None
    predicted_ms: float
    measured_ms: float | None
    peak_fraction: float | None
    note: str

    @property
    def skipped_macs(self) -> int | None:
        """Multiply-accumulates that zeros of the input make needless, None where that was not measured."""
        return None if self.density is None else round(self.macs * (1 - self.density))

    @property
    def choice(self) -> str:
        """What runs: ``algorithm``, and where it is ``auto`` what a tile of the measured density takes."""
        if self.algorithm != "auto" or self.density is None or self.crossover_density is None:
            return self.algorithm
        return "auto: sparse" if self.density <= self.crossover_density else "auto: dense"


@dataclass(frozen=True)
class ExplainedIsland:
    """A part of the model that ONNX Runtime runs.

    Args:
        name: Name of its step.
        nodes: ONNX nodes in it.
        operators: By operator: how many of the nodes it is, in the order of the graph.
        reasons: Node name to why the native engine does not run it. The other nodes are in the island because
            they stand between such nodes, or because nothing could be skipped in them.
        share: Fraction of the time of a run, in [0, 1]; None until ``profile`` has measured it.
        note: Why nodes that could run natively, and skip zeros, are here nevertheless; else empty.
    """

    name: str
    nodes: tuple[str, ...]
    operators: dict[str, int]
    reasons: dict[str, str]
    share: float | None
    note: str = ""

    def __str__(self) -> str:
        share = "time not measured yet" if self.share is None else f"{100 * self.share:.1f} % of the time"
        operators = ", ".join(name if count == 1 else f"{name} x{count}" for name, count in self.operators.items())
        lines = [f"{self.name}: {len(self.nodes)} nodes ({operators}), {share}"]
        lines += [f"    {self.note}"] if self.note else []
        lines += [f"    '{node}': {reason}" for node, reason in self.reasons.items()]
        return "\n".join(wrap(printable(line), " " * 6) for line in lines)


@dataclass(frozen=True, repr=False)
class Explanation(Tabular, ShortRepr):
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
                asdict(step)
                | {
                    "nodes": list(step.nodes),
                    "output_shape": list(step.output_shape),
                    "skipped_macs": step.skipped_macs,
                }
                for step in self.steps
            ],
            "eliminated": [asdict(node) for node in self.eliminated],
            "islands": [asdict(island) for island in self.islands],
        }

    def _words(self) -> str:
        return f"{len(self.steps)} steps; {self.isa}, {self.num_threads} threads"

    def _records(self) -> list[Record]:
        return [
            {
                "step": step.name,
                "op": step.op,
                "kernel": step.kernel,
                "type": step.dtype,
                "output": shape_text(step.output_shape),
                "macs": step.macs,
                "density": step.density,
                "crossover_density": step.crossover_density,
                "predicted_ms": step.predicted_ms,
                "measured_ms": step.measured_ms,
                "choice": step.choice,
                "note": step.note,
            }
            for step in self.steps
        ]

    def __str__(self) -> str:
        what, work = ["#", "step", "op", "kernel", "type", "layout", "output"], ["MMACs", "skipped"]
        header = [*what, *work, *_NUMBERS, "choice", "note"]
        rows = [
            [
                str(index),
                step.name,
                step.op,
                step.kernel,
                step.dtype,
                step.layout,
                shape_text(step.output_shape),
                f"{step.macs / 1e6:.1f}",
                "" if step.skipped_macs is None else f"{step.skipped_macs / 1e6:.1f}",
                _number(step.density, ".2f"),
                _number(step.crossover_density, ".2f"),
                time_cell(step.predicted_ms),
                "" if step.measured_ms is None else time_cell(step.measured_ms),
                _number(step.peak_fraction, ".0%"),
                step.choice,
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
        lines = [summary, format_table(header, rows, right_aligned=["#", *work, *_NUMBERS])]
        if self.islands:
            lines.append("islands, run by ONNX Runtime:")
            lines += [str(island) for island in self.islands]
        if self.eliminated:
            lines.append("nodes without a step:")
            lines += [wrap(printable(f"  {node.node}: {node.reason}"), "    ") for node in self.eliminated]
        return "\n".join(lines)


def explain_steps(
    compiled: CompiledPlan, costs: CostModel, profile: Sequence[StepProfile] | None = None
) -> tuple[ExplainedStep, ...]:
    """Explain the steps of a plan.

    Args:
        compiled: The plan and its program.
        costs: What predicts times.
        profile: What was measured of every step, if it was.
    """
    plan, program = compiled.plan, compiled.program
    measured = profile if profile is not None else [None] * len(plan.steps)
    return tuple(
        _explain_step(plan, step, kernel, found, costs, program.num_threads)
        for step, kernel, found in zip(plan.steps, program.kernel_names, measured, strict=True)
    )


def _explain_step(
    plan: Plan, step: Step, kernel: str, measured: StepProfile | None, costs: CostModel, num_threads: int
) -> ExplainedStep:
    result = plan.tensors[step.outputs[0]]
    density = measured.input_density if measured is not None else None
    crossover = step.attributes.get("crossover_density")
    explained = ExplainedStep(
        name=step.name,
        op=_fused_op(step),
        nodes=step.nodes,
        kernel=kernel,
        dtype=plan.tensors[step.inputs[0]].dtype if step.inputs else result.dtype,
        layout=result.layout,
        output_shape=result.shape,
        macs=step.macs,
        algorithm=_algorithm(step, kernel),
        crossover_density=crossover if isinstance(crossover, float) else None,
        density=density,
        predicted_ms=costs.predict(plan, step, density, num_threads),
        measured_ms=measured.latency_ms if measured is not None else None,
        peak_fraction=None,
        note=_note(plan, step, kernel),
    )
    return replace(explained, peak_fraction=_peak_fraction(explained, costs.measured_peak(num_threads)))


def _algorithm(step: Step, kernel: str) -> str:
    """Return what the planner chose; of steps that choose by themselves, what kernels they have."""
    chosen = str(step.attributes.get("algorithm", ""))
    if chosen or not skips_zeros(step, kernel):
        return chosen
    return "auto" if "|" in kernel else "sparse"


def _peak_fraction(step: ExplainedStep, peak_macs_per_ms: float | None) -> float | None:
    if not step.macs or not step.measured_ms or peak_macs_per_ms is None:
        return None
    executed = step.macs
    if step.density is not None and step.choice != "auto: dense":
        executed = round(step.macs * step.density)
    return executed / step.measured_ms / peak_macs_per_ms


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _fused_op(step: Step) -> str:
    parts = [step.op]
    if step.op == "conv" and (len(step.inputs) == 2 or "residual" in step.constants):
        parts.append("add")
    if step.op == "activation":
        parts = [str(step.attributes["kind"])]
    elif step.attributes.get("activation", "none") != "none":
        parts.append(str(step.attributes["activation"]))
    if "max_value" in step.attributes and step.op != "activation":
        parts.append("clip")
    return "+".join(parts)


def _note(plan: Plan, step: Step, kernel: str) -> str:
    source = plan.tensors[step.inputs[0]].name if step.inputs else ""
    if skips_rows(step):
        skips = f"skips zeros of '{source}' with their rows of weights, where few rows of it share the weights"
        return "; ".join(part for part in (skips, step.note) if part)
    if not skips_zeros(step, kernel):
        return step.note
    skips = f"skips zeros of '{source}' in every tile that has enough of them"
    if "winograd" in kernel:
        skips = f"Winograd where the input is dense; else {skips}"
    return "; ".join(part for part in (skips, step.note) if part)
