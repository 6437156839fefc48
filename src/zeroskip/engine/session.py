"""InferenceSession: load a model, run it, explain it, profile it; the shape of onnxruntime's API.

Owns the cache of compiled plans, one per input shape. Planning itself is in :mod:`.plan`, execution in the
core.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..errors import ModelError, ShapeError, UnsupportedOperatorError
from .cost import CostModel, choose_cost_model, with_crossovers
from .explain import Explanation, explain
from .native import CompiledPlan, compile_plan, new_weight_store
from .options import SessionOptions
from .plan import build_plan
from .plan_types import FloatArray, Plan
from .profile import Profile, make_profile
from .signature import InputShapes, NodeArg, Signature

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

    from ..onnx import Activation

PlanKey: TypeAlias = tuple[InputShapes, tuple[str, ...]]
"""Input shapes in graph order, and the taps."""


class InferenceSession:
    """Runs one ONNX model.

    A model with symbolic dimensions is planned anew for every input shape it meets; the plans are kept, and
    all of them share the packed weights. :meth:`run` may be called from several threads at once.

    Args:
        model: Path, serialized bytes, ``onnx.ModelProto`` or ``onnx_ir.Model``.
        options: Threads, instruction set and so on.

    Raises:
        ModelError: If the model cannot be read or is not valid.
        UnsupportedOperatorError: Listing every node the engine cannot run.
        EngineError: If the options ask for what this build or CPU does not have.

    Example::

        session = zeroskip.InferenceSession("model.onnx", zeroskip.SessionOptions(intra_op_num_threads=2))
        (logits,) = session.run(None, {"input": images})        # float32 [N, 3, 224, 224]
        print(session.explain())
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | bytes | onnx.ModelProto | ir.Model,
        options: SessionOptions | None = None,
    ) -> None:
        from ..onnx import load_model, prepare

        self._options = options or SessionOptions()
        self._costs = self._choose_costs()
        self._weights = new_weight_store()
        loaded = load_model(model)
        self._signature = Signature.of(loaded)
        self._model = prepare(loaded)
        del loaded, model  # what was folded into other weights is not needed while those are packed
        self._plans: OrderedDict[PlanKey, CompiledPlan] = OrderedDict()
        self._plans_lock = threading.Lock()
        self._compile_lock = threading.Lock()
        self._latest: InputShapes | None = None
        self._profiles: dict[InputShapes, Profile] = {}
        self._check_operators()

    def _choose_costs(self) -> CostModel:
        options = self._options
        if isinstance(options.cost_model, CostModel):
            return options.cost_model
        return choose_cost_model(options.cost_model, options.isa, options.intra_op_num_threads)

    def _check_operators(self) -> None:
        """Fail now rather than at the first run: plan for batch 1, or for a guess where the size is open."""
        from ..onnx import check_supported, specialize

        shapes = self._signature.default_shapes()
        try:
            if shapes is None:
                check_supported(specialize(self._model, self._signature.guessed_shapes()))
            else:
                self._compiled(shapes)
        except UnsupportedOperatorError:
            raise
        except (ModelError, ShapeError):
            if not self._signature.has_open_shapes:
                raise  # otherwise this model wants another size than was guessed: the first run will bring it

    # ------------------------------------------------------------------ running

    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], run_options: object = None
    ) -> list[FloatArray]:
        """Run the model.

        Args:
            output_names: Which outputs to return, in this order; None means all, in the graph's order.
            input_feed: Input name to float32 array; arrays that are not C-contiguous are copied.
            run_options: Ignored; accepted because onnxruntime takes it.

        Returns:
            One fresh float32 array per output.

        Raises:
            ShapeError: If names, dtypes or shapes do not fit the model.
        """
        wanted = self._signature.output_indices(output_names)
        arrays = self._signature.check(input_feed)
        results = self._compiled(_shapes(arrays)).run(arrays)
        return [results[index] for index in wanted]

    def get_inputs(self) -> list[NodeArg]:
        """Return name, shape (strings for symbolic dimensions) and type of every input."""
        return list(self._signature.inputs)

    def get_outputs(self) -> list[NodeArg]:
        """Return name, shape and type of every output."""
        return list(self._signature.outputs)

    @property
    def options(self) -> SessionOptions:
        """The options the session was made with."""
        return self._options

    @property
    def cost_model(self) -> CostModel:
        """What predicts times, and at which density a convolution stops skipping."""
        return self._costs

    # ------------------------------------------------------------------ looking inside

    def activations(self) -> tuple[Activation, ...]:
        """Return the model's rectifiers; thresholds, profiles and :meth:`observe` go by their names."""
        from ..onnx import activations

        return tuple(activations(self._model))

    def observe(self, names: Sequence[str], input_feed: Mapping[str, Any]) -> dict[str, FloatArray]:
        """Run the model and return intermediate values.

        Args:
            names: Values of the graph, for example activations.
            input_feed: As for :meth:`run`.

        Returns:
            Name to array, in ONNX order of dimensions.

        Raises:
            ShapeError: If names, dtypes or shapes of the feed do not fit the model.
            ModelError: If no value of the graph has one of the names.
        """
        arrays = self._signature.check(input_feed)
        results = self._compiled(_shapes(arrays), tuple(names)).run(arrays)
        return dict(zip(names, results[len(self._signature.outputs) :], strict=True))

    def activation_densities(self, input_feed: Mapping[str, Any]) -> dict[str, float]:
        """Return the fraction of non-zeros of every activation on one batch, by name, in [0, 1]."""
        observed = self.observe([activation.name for activation in self.activations()], input_feed)
        return {name: np.count_nonzero(array) / array.size for name, array in observed.items()}

    def plan(self, input_shapes: Mapping[str, Sequence[int]] | None = None) -> Plan:
        """Return the plan, without its constants; ``input_shapes`` as for :meth:`explain`."""
        return self._compiled(self._resolve(input_shapes)).plan

    def explain(self, input_shapes: Mapping[str, Sequence[int]] | None = None) -> Explanation:
        """Explain how the model is run.

        Args:
            input_shapes: Input name to shape; by default that of the latest run, else batch 1. Densities,
                measured times and fractions of the peak appear where :meth:`profile` has measured that shape,
                the latter if the cost model was fitted (see ``SessionOptions.cost_model``).

        Raises:
            ShapeError: If the shapes do not fit the model, or none is known yet.
        """
        shapes = self._resolve(input_shapes)
        compiled = self._compiled(shapes)
        program = compiled.program
        return explain(
            compiled.plan,
            program.kernel_names,
            isa=program.isa,
            num_threads=program.num_threads,
            costs=self._costs,
            profile=self._profiles.get(shapes),
        )

    def profile(self, input_feed: Mapping[str, Any], iterations: int = 10) -> Profile:
        """Time every step on one batch.

        Args:
            input_feed: As for :meth:`run`. Use real data: sparsity, and with it time, depends on it.
            iterations: Runs to take medians over, at least 1.

        Raises:
            ShapeError: If names, dtypes or shapes of the feed do not fit the model.
            EngineError: If ``iterations`` is below 1.
        """
        arrays = self._signature.check(input_feed)
        compiled = self._compiled(_shapes(arrays))
        measured = compiled.profile(arrays, iterations)
        program = compiled.program
        profile = make_profile(
            compiled.plan, measured, iterations=iterations, num_threads=program.num_threads, isa=program.isa
        )
        self._profiles[_shapes(arrays)] = profile
        return profile

    # ------------------------------------------------------------------ plans

    def _compiled(self, shapes: InputShapes, taps: tuple[str, ...] = ()) -> CompiledPlan:
        """Return the compiled plan for input shapes in graph order, making it when it is not cached."""
        key = (shapes, taps)
        compiled = self._cached(key)
        if compiled is None:
            with self._compile_lock:  # runs of shapes already planned go on meanwhile
                compiled = self._cached(key) or self._compile(shapes, taps)
                with self._plans_lock:
                    self._plans[key] = compiled
                    while len(self._plans) > self._options.max_cached_plans:
                        self._plans.popitem(last=False)
        self._latest = shapes
        return compiled

    def _cached(self, key: PlanKey) -> CompiledPlan | None:
        with self._plans_lock:
            compiled = self._plans.get(key)
            if compiled is not None:
                self._plans.move_to_end(key)
            return compiled

    def _compile(self, shapes: InputShapes, taps: tuple[str, ...]) -> CompiledPlan:
        from ..onnx import check_supported, specialize

        names = [argument.name for argument in self._signature.inputs]
        model = specialize(self._model, dict(zip(names, shapes, strict=True)))
        check_supported(model)
        plan = with_crossovers(build_plan(model, taps), self._costs)
        return compile_plan(plan, self._options, self._weights)

    def _resolve(self, input_shapes: Mapping[str, Sequence[int]] | None) -> InputShapes:
        if input_shapes is not None:
            return self._signature.check_shapes(input_shapes)
        shapes = self._latest or self._signature.default_shapes()
        if shapes is None:
            described = ", ".join(str(argument) for argument in self._signature.inputs)
            raise ShapeError(
                f"the plan depends on the input's shape: pass input_shapes or call run first; {described}"
            )
        return shapes


def _shapes(arrays: Sequence[FloatArray]) -> InputShapes:
    return tuple(array.shape for array in arrays)
