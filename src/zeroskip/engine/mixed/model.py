"""A model that runs partly natively and partly in islands: its parts, run one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import EngineError, ModelError
from ..show.explain import ExplainedIsland, ExplainedStep
from ..show.step_times import StepProfile
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
        self._outputs = [value.name or "" for value in model.graph.outputs]
        self._constants = {
            value.name or "": value.const_value.numpy()
            for value in model.graph.outputs
            if value.const_value is not None
        }
        self._last_reader = {name: index for index, one in enumerate(self.parts) for name in one.part.inputs}
        self._part_of = {
            value.name or "": index
            for index, one in enumerate(self.parts)
            for node in one.part.model.graph
            if node.name in set(one.part.nodes)
            for value in node.outputs
        }

    def run(self, feed: Mapping[str, Any], taps: Sequence[str] = ()) -> list[Any]:
        """Return the outputs of the model, then the taps.

        Args:
            feed: Graph inputs by name.
            taps: Names of intermediate values.

        Raises:
            ModelError: If no value is called like a tap.
            EngineError: If a part fails.
        """
        values = {**self._constants, **feed}
        if missing := [name for name in taps if name not in self._part_of]:
            raise ModelError(f"no value of the graph is called {', '.join(missing)}")
        kept = {*self._outputs, *taps}
        for index, one in enumerate(self.parts):
            wanted = [name for name in taps if self._part_of[name] == index]
            results = one.run(values, wanted)
            values.update(zip([*one.part.outputs, *wanted], results, strict=True))
            for name in one.part.inputs:
                if self._last_reader[name] == index and name not in kept:
                    del values[name]
        return [_fresh(values[name], feed) for name in [*self._outputs, *taps]]

    def profiled(self, feed: Mapping[str, Any], iterations: int) -> tuple[StepProfile, ...]:
        """Time every step natively run, and every island as one step.

        Raises:
            EngineError: If a part fails, or ``iterations`` is below 1.
        """
        if iterations < 1:
            raise EngineError(f"iterations is {iterations}; expected 1 or more")
        values = {**self._constants, **feed}
        steps: list[StepProfile] = []
        for one in self.parts:
            steps += one.profiled(values, iterations)
            values.update(zip(one.part.outputs, one.run(values), strict=True))
        names = _unique([step.name for step in steps])
        return tuple(replace(step, name=name) for step, name in zip(steps, names, strict=True))

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


def _fresh(value: Any, feed: Mapping[str, Any]) -> Any:
    """Return a result; what was only handed through is copied."""
    is_handed_through = isinstance(value, np.ndarray) and any(value is given for given in feed.values())
    return value.copy() if is_handed_through else value


def _unique(names: Sequence[str]) -> list[str]:
    """Number names that occur more than once: layout changes of one value in two parts have the same."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}@{seen[name]}")
    return result
