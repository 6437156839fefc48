"""A model that runs partly natively and partly in islands: its parts, run one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import EngineError, ModelError
from ..show.explain import ExplainedIsland, ExplainedStep, Explanation
from ..show.step_times import StepProfile
from .island import Island
from .parts import IslandPart, NativePart

if TYPE_CHECKING:
    import onnx_ir as ir

    from ...onnx import Activation


class MixedModel:
    """Runs parts in order; each reads what earlier ones, or the caller, computed.

    Args:
        model: The whole model, as the parts were cut from it.
        parts: In an order in which they can run.
    """

    def __init__(self, model: ir.Model, parts: Sequence[IslandPart | NativePart]) -> None:
        self.parts = tuple(parts)
        self.assumed_shapes: dict[str, tuple[int, ...]] = {}
        """Of the inputs: the cut depends on them."""
        self.is_settled = False
        """Whether the shapes of a run have come."""
        self._outputs = [value.name or "" for value in model.graph.outputs]
        self.constants = {
            value.name or "": value.const_value.numpy()
            for value in model.graph.outputs
            if value.const_value is not None
        }
        last_reader = {name: index for index, one in enumerate(self.parts) for name in one.part.inputs}
        kept = set(self._outputs)
        self._unneeded_after = [
            tuple(name for name in one.part.inputs if last_reader[name] == index and name not in kept)
            for index, one in enumerate(self.parts)
        ]
        inputs = {value.name or "" for value in model.graph.inputs}
        self._handed_through = kept & (inputs | set(self.constants))
        self._whole = None if self._handed_through else _whole_island(self.parts, self._outputs)
        self._part_of = {
            value.name or "": index
            for index, one in enumerate(self.parts)
            for node in one.part.model.graph
            if node.name in set(one.part.nodes)
            for value in node.outputs
        }

    def whole_for(self, names: tuple[str, ...]) -> Island | None:
        """Return the one island that this is, and stays, if it takes these inputs; None where there is more to do."""
        is_it = self._whole is not None and self.is_settled and self._whole.input_names == names
        return self._whole if is_it else None

    def run(self, feed: Mapping[str, Any], taps: tuple[str, ...] = ()) -> list[Any]:
        """Return the outputs of the model, then the taps.

        Args:
            feed: Graph inputs by name.
            taps: Names of intermediate values.

        Raises:
            ModelError: If no value is called like a tap.
            EngineError: If a part fails.
        """
        if self._whole is not None and not taps:
            return self._whole.run(feed)
        if missing := [name for name in taps if name not in self._part_of]:
            raise ModelError(f"no value of the graph is called {', '.join(missing)}")
        values = {**self.constants, **feed}
        for index, one in enumerate(self.parts):
            wanted = tuple(name for name in taps if self._part_of[name] == index)
            results = one.run(values, wanted)
            values.update(zip([*one.part.outputs, *wanted], results, strict=True))
            for name in self._unneeded_after[index]:
                if name not in taps:
                    del values[name]
        return [self._own(name, values[name]) for name in (*self._outputs, *taps)]

    def _own(self, name: str, value: Any) -> Any:
        """Return a result that is the caller's alone: what no part made is copied."""
        return value.copy() if name in self._handed_through and isinstance(value, np.ndarray) else value

    def profiled(self, feed: Mapping[str, Any], iterations: int) -> tuple[StepProfile, ...]:
        """Time every step natively run, and every island as one step.

        Raises:
            EngineError: If a part fails, or ``iterations`` is below 1.
        """
        if iterations < 1:
            raise EngineError(f"iterations is {iterations}; expected 1 or more")
        values = {**self.constants, **feed}
        steps: list[StepProfile] = []
        for one in self.parts:
            steps += one.profiled(values, iterations)
            values.update(zip(one.part.outputs, one.run(values), strict=True))
        names = _unique([step.name for step in steps])
        return tuple(replace(step, name=name) for step, name in zip(steps, names, strict=True))

    def explanation(self, input_shapes: dict[str, tuple[int, ...]], isa: str, num_threads: int) -> Explanation:
        """Explain the whole.

        Args:
            input_shapes: Those of the latest run, if there was one.
            isa: Instruction set used.
            num_threads: Threads used.
        """
        latest = [one.region.latest_plan for one in self.native_parts]
        plans = [plan for plan in latest if plan is not None]
        eliminated = tuple(node for plan in plans for node in plan.eliminated)
        arena_bytes = sum(plan.arena_bytes for plan in plans)
        return Explanation(self.explained(), eliminated, input_shapes, isa, num_threads, arena_bytes, self.islands())

    def explained(self) -> tuple[ExplainedStep, ...]:
        """Explain all steps; those of native parts at the shapes they met last."""
        steps = [step for one in self.parts for step in one.explained()]
        names = _unique([step.name for step in steps])
        return tuple(replace(step, name=name) for step, name in zip(steps, names, strict=True))

    def islands(self) -> tuple[ExplainedIsland, ...]:
        """Return what is in the islands, why, and their share of the time where it was measured."""
        times = [one.latency_ms for one in self.parts if one.latency_ms is not None]
        total = sum(times) if len(times) == len(self.parts) else None
        return tuple(one.summary(total) for one in self.parts if isinstance(one, IslandPart))

    @property
    def native_parts(self) -> tuple[NativePart, ...]:
        """The parts that run natively."""
        return tuple(one for one in self.parts if isinstance(one, NativePart))

    def activations(self, known: Sequence[Activation]) -> tuple[Activation, ...]:
        """Return activations as they are here: only layers of the same native part can skip their zeros.

        Args:
            known: The activations of the whole model.
        """
        from ...onnx import activations

        native = {item.name: item for one in self.native_parts for item in activations(one.region.prepared)}
        return tuple(
            replace(item, consumers=native[item.name].consumers if item.name in native else ())
            for item in known
            if item.name in self._part_of
        )


def _whole_island(parts: Sequence[IslandPart | NativePart], outputs: Sequence[str]) -> Island | None:
    """Return what there is to run, where that is one island and nothing else."""
    if len(parts) != 1 or not isinstance(parts[0], IslandPart) or list(parts[0].part.outputs) != list(outputs):
        return None
    return parts[0].island


def _unique(names: Sequence[str]) -> list[str]:
    """Number names that occur more than once: layout changes of one value in two parts have the same."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}@{seen[name]}")
    return result
