"""A region: a model, or a part of one, that runs natively; compiled anew for every input shape it meets.

Owns the cache of compiled plans and what was measured of them. All plans of a region share the packed weights.
"""

from __future__ import annotations

import logging
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ...errors import UnsupportedOperatorError, ZeroskipError
from ..cost import with_crossovers
from ..locks import ForkSafeLock
from ..native import CompiledPlan, RefusedStepError, compile_plan, new_arena_pool, new_weight_store
from ..options import SessionOptions
from ..plan.build import build_plan
from ..plan.types import Plan
from ..show.explain import ExplainedStep, explain_steps
from ..show.step_times import StepProfile, profile_steps
from ..signature import InputShapes
from .batches import FEWEST_INPUTS, PROBES, BatchCosts, treats_inputs_alone
from .memory_check import check_memory, require_memory
from .probe import ProbeProgram

if TYPE_CHECKING:
    import onnx_ir as ir

    from ...onnx.output_sources import OutputSource

_logger = logging.getLogger(__name__)

PlanKey: TypeAlias = tuple[InputShapes, tuple[str, ...]]
"""Input shapes in graph order, and the taps."""


@dataclass(frozen=True, eq=False)
class PlannedRegion:
    """The plan of a region at one input shape.

    Args:
        plan: With its constants.
        keys: By name of a rectified value in the plan: the name its activation goes by.
        sources: Where each output of the region comes from.
    """

    plan: Plan
    keys: dict[str, str]
    sources: tuple[OutputSource, ...]


@dataclass(frozen=True, eq=False)
class CompiledRegion:
    """A region at one input shape.

    Args:
        native: The plan and program of what is computed.
        feeds: Positions of the region's inputs that the program takes.
        sources: Where each output comes from; taps follow the computed ones.
        input_names: Names of the region's inputs.
    """

    native: CompiledPlan
    feeds: tuple[int, ...]
    sources: tuple[OutputSource, ...]
    input_names: tuple[str, ...]

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        """Return the outputs, then the taps, for inputs in order."""
        results = self.native.run(self.taken(arrays)) if self.native.plan.outputs else []
        if self._is_plain:
            return results
        computed = sum(source.computed is not None for source in self.sources)
        return [self._output(source, arrays, results) for source in self.sources] + results[computed:]

    def taken(self, arrays: Sequence[Any]) -> list[Any]:
        """Return what the program takes, contiguous and in native byte order."""
        return [np.asarray(arrays[at], dtype, order="C") for at, dtype in self._inputs]

    @cached_property
    def _inputs(self) -> tuple[tuple[int, np.dtype[Any]], ...]:
        """Positions of the inputs taken, and their types."""
        tensors = [self.native.plan.tensors[index] for index in self.native.plan.inputs]
        return tuple(zip(self.feeds, (tensor.data_type.numpy_type for tensor in tensors), strict=True))

    @cached_property
    def _is_plain(self) -> bool:
        """Whether the outputs are the program's, in its order."""
        return all(item.computed == place and item.dtype is None for place, item in enumerate(self.sources))

    def _output(self, source: OutputSource, arrays: Sequence[Any], results: Sequence[Any]) -> Any:
        if source.input_name is not None:
            given = arrays[self.input_names.index(source.input_name)]
            return given.copy() if isinstance(given, np.ndarray) else given
        return source.of(results, {})


class Region:
    """Runs a model natively.

    Args:
        model: As loaded, or prepared.
        options: Threads, instruction set, how many plans to keep.

    Raises:
        ModelError: If the model is malformed.
    """

    def __init__(self, model: ir.Model, options: SessionOptions) -> None:
        from ...onnx import prepare
        from ...onnx.propagation import Templates
        from ...onnx.rewriting import release_weights_with

        self.prepared = prepare(model)
        if self.prepared is not model:
            release_weights_with(self, self.prepared)
        self.templates = Templates(self.prepared)
        self._templates_lock = ForkSafeLock()
        weakref.finalize(self, self.templates.release).atexit = False
        self.weights = new_weight_store()
        self.memory = new_arena_pool()
        self.latest: InputShapes | None = None
        self._usual: tuple[InputShapes, CompiledRegion] | None = None
        self.input_names = tuple(value.name or "" for value in self.prepared.graph.inputs)
        self.costs = options.chosen_cost_model()
        self._options = options
        self._plans: OrderedDict[PlanKey, CompiledRegion] = OrderedDict()
        self._plans_lock = ForkSafeLock()
        self._compile_lock = ForkSafeLock()
        self._profiles: dict[InputShapes, tuple[StepProfile, ...]] = {}
        self._batch_costs: dict[InputShapes, BatchCosts | None] = {}

    def run(self, shapes: InputShapes, arrays: Sequence[Any]) -> list[Any]:
        """Return the outputs, large batches cut into parts where that is faster; raises like :meth:`compiled`.

        Args:
            shapes: Shapes of the inputs, in order.
            arrays: The inputs.
        """
        usual = self._usual
        if usual is not None and usual[0] is shapes:
            return usual[1].run(arrays)
        costs, batch = self._costs_of_batch(shapes), shapes[0][0] if shapes and shapes[0] else 0
        size = batch if costs is None else costs.part_size(batch)
        if costs is None or size == batch:
            compiled = self.compiled(shapes)
            self._usual = (shapes, compiled)
            return compiled.run(arrays)
        named = zip(self.input_names, shapes, strict=True)
        require_memory(costs.arena_bytes * size + costs.outside_bytes * batch, named)
        parts = [
            self.compiled(_with_batch(shapes, min(size, batch - first))).run(
                [array[first : first + size] for array in arrays]
            )
            for first in range(0, batch, size)
        ]
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    def compiled(self, shapes: InputShapes, taps: tuple[str, ...] = ()) -> CompiledRegion:
        """Return the compiled plan for input shapes in graph order, making it when it is not cached.

        Raises:
            UnsupportedOperatorError: Listing every node that cannot be run at these shapes.
            ShapeError: If the shapes do not fit the model.
            ModelError: If the model is malformed, or a tap names no value of it.
            OutOfMemoryError: If a run would need more memory than there is.
            EngineError: If the core refuses the plan or the options.
        """
        key = (shapes, taps)
        self._usual = None  # it may go
        compiled = self._cached(key)
        if compiled is None:
            with self._compile_lock:  # runs of shapes already planned go on meanwhile
                compiled = self._cached(key) or self._compile(shapes, taps)
                with self._plans_lock:
                    self._plans[key] = compiled
                    while len(self._plans) > self._options.max_cached_plans:
                        self._plans.popitem(last=False)
        self.latest = shapes
        return compiled

    @property
    def latest_plan(self) -> Plan | None:
        """The plan for the latest input shapes, None before any."""
        return None if self.latest is None else self.compiled(self.latest).native.plan

    @property
    def cached_shapes(self) -> list[InputShapes]:
        """Input shapes that a plan is kept for, least recently used first."""
        return [shapes for shapes, _ in self._plans]

    def explained(self, shapes: InputShapes) -> tuple[ExplainedStep, ...]:
        """Explain the steps of the plan for input shapes, with what was measured of them."""
        compiled = self.compiled(shapes).native
        return explain_steps(compiled, self.costs, self._profiles.get(shapes))

    def profiled(self, shapes: InputShapes, arrays: Sequence[Any], iterations: int) -> tuple[StepProfile, ...]:
        """Time every step on one batch; raises like :meth:`compiled`."""
        compiled = self.compiled(shapes)
        if not compiled.native.plan.outputs:
            return ()
        measured = compiled.native.profile(compiled.taken(arrays), iterations)
        steps = profile_steps(compiled.native.plan, measured)
        self._profiles[shapes] = steps
        return steps

    def probe(self, shapes: InputShapes) -> ProbeProgram:
        """Return a program of its own whose constants can be changed; raises like :meth:`compiled`."""
        return self.probe_of(self.planned(shapes))

    def probe_of(self, planned: PlannedRegion) -> ProbeProgram:
        """Return a program of its own for a plan of this region; raises EngineError if the core refuses it."""
        return ProbeProgram(planned.plan, self._native(planned.plan), self.weights, planned.keys)

    def treats_inputs_alone(self, shapes: InputShapes) -> bool:
        """Whether no input of a batch has a part in the results of another, at any size of the batch."""
        return bool(shapes) and all(shapes) and self._costs_of_batch(_with_batch(shapes, FEWEST_INPUTS)) is not None

    def _costs_of_batch(self, shapes: InputShapes) -> BatchCosts | None:
        """Return what an input of a batch takes; None if the batch is small or cannot be cut."""
        batch = shapes[0][:1] if shapes else ()
        if batch < (FEWEST_INPUTS,) or any(shape[:1] != batch for shape in shapes):
            return None
        key = _with_batch(shapes, 0)
        if key in self._batch_costs:
            return self._batch_costs[key]
        costs = self._measured_batch(shapes)
        if len(self._batch_costs) >= self._options.max_cached_plans:  # images of ever new sizes
            self._batch_costs.clear()
        self._batch_costs[key] = costs
        return costs

    def _measured_batch(self, shapes: InputShapes) -> BatchCosts | None:
        if any(isinstance(value.shape[0], int) for value in self.prepared.graph.inputs if value.shape):
            return None
        costs = None
        for batch in PROBES:
            try:
                planned = self.planned(_with_batch(shapes, batch))
            except ZeroskipError:
                return None
            if any(source.computed is None for source in planned.sources):
                return None
            if not treats_inputs_alone(planned.plan, batch):
                return None
            costs = BatchCosts.of(planned.plan, batch)
        return costs

    def _cached(self, key: PlanKey) -> CompiledRegion | None:
        with self._plans_lock:
            compiled = self._plans.get(key)
            if compiled is not None:
                self._plans.move_to_end(key)
            return compiled

    def _compile(self, shapes: InputShapes, taps: tuple[str, ...]) -> CompiledRegion:
        planned = self.planned(shapes, taps)
        plan = planned.plan
        taken = {plan.tensors[index].name for index in plan.inputs}
        feeds = tuple(index for index, name in enumerate(self.input_names) if name in taken)
        return CompiledRegion(self._native(plan), feeds, planned.sources, self.input_names)

    def _native(self, plan: Plan) -> CompiledPlan:
        options = self._options
        try:
            return compile_plan(plan, self.weights, options.num_threads, options.isa, self.memory)
        except RefusedStepError as error:
            raise self._unsupported(error) from error

    def _unsupported(self, error: RefusedStepError) -> UnsupportedOperatorError:
        """Name the nodes of a step that the core refused; a fault of ours, which an island can still make good."""
        from ...onnx.support import UnsupportedNode

        _logger.warning("planner and core disagree about '%s': %s", error.step.name, error)
        opset = self.prepared.opset_imports.get("", 0)
        names = error.step.nodes
        nodes = [UnsupportedNode(names[-1], error.step.op, "", opset, str(error), names)] if names else []
        return UnsupportedOperatorError(str(error), nodes)

    def planned(self, shapes: InputShapes, taps: tuple[str, ...] = ()) -> PlannedRegion:
        """Plan for input shapes in graph order, from a kept canonical graph where that is possible.

        Raises like :meth:`compiled`.
        """
        with self._templates_lock:
            template = self.templates.specialize(shapes)
            if template is not None:
                return self._plan(template.model, template.sources, taps)
        with self._specialized(dict(zip(self.input_names, shapes, strict=True))) as (model, sources):
            return self._plan(model, sources, taps)

    def check(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """Raise what speaks against the model at these input shapes; its canonical graph is kept for further ones.

        Args:
            shapes: By name of the input; those left out must have a concrete shape in the model.

        Raises:
            UnsupportedOperatorError: Listing every node that cannot be run at these shapes.
            ShapeError: If the shapes do not fit the model.
            ModelError: If the model is malformed.
        """
        with self._specialized(shapes):
            pass

    @contextmanager
    def _specialized(self, shapes: Mapping[str, Sequence[int]]) -> Iterator[tuple[ir.Model, tuple[OutputSource, ...]]]:
        """Specialise the long way, check, and keep the canonical graph for other shapes if nothing is raised."""
        from ...onnx import check_supported, specialize
        from ...onnx.output_sources import settle_outputs
        from ...onnx.rewriting import release_weights

        model = specialize(self.prepared, shapes)
        is_kept = False
        try:
            sources = settle_outputs(model)
            check_supported(model)
            yield model, sources
            if all(name in shapes for name in self.input_names):
                ordered = [tuple(shapes[name]) for name in self.input_names]
                with self._templates_lock:
                    self.templates.keep(ordered, model, sources)
                is_kept = True
        finally:
            if not is_kept:
                release_weights(model)

    def _plan(self, model: ir.Model, sources: tuple[OutputSource, ...], taps: tuple[str, ...]) -> PlannedRegion:
        from ...onnx import activation_keys

        options = self._options
        plan = build_plan(
            model,
            taps,
            weight_storage=options.weight_storage,
            winograd=options.winograd,
            precision=options.precision,
        )
        plan = with_crossovers(plan, self.costs)
        check_memory(plan)
        return PlannedRegion(plan, activation_keys(model), sources)


def _with_batch(shapes: InputShapes, size: int) -> InputShapes:
    return tuple((size, *shape[1:]) for shape in shapes)
