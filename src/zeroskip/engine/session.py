"""InferenceSession: load a model, run it, explain it, profile it; the shape of onnxruntime's API.

A model that the engine supports is one :class:`.region.Region`; any other becomes a :class:`.mixed.MixedModel`
of native parts and islands.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EngineError, LimitError, ModelError, ShapeError, UnsupportedOperatorError
from ..short_repr import shorten
from .arrays import apart
from .cost import CostModel
from .locks import ForkSafeLock
from .mixed.chain import ProbeChain, chain_of
from .mixed.fallback import cut_model, error_without_islands, settled
from .mixed.model import MixedModel
from .mixed.real_runtime import is_available
from .native import machine
from .options import SessionOptions
from .plan.types import Plan
from .precision import with_possible_precision
from .run.empty import has_empty_batch, run_empty
from .run.probe import ProbeProgram
from .run.region import Region
from .show.explain import ExplainedIsland, Explanation
from .show.step_times import Profile
from .signature import InputShapes, NodeArg, Signature

if TYPE_CHECKING:
    from ..onnx import Activation
    from ..onnx.load import ModelSource
    from .mixed.island import Island


class InferenceSession:
    """Runs one ONNX model.

    A model with symbolic dimensions is planned anew for every input shape it meets; the plans are kept, and
    all of them share the packed weights. :meth:`run` may be called from several threads at once.

    Args:
        model: Path, serialized bytes, ``onnx.ModelProto``, ``onnx_ir.Model`` or ``zeroskip.onnx.LoadedModel``.
        options: Threads, instruction set and so on.

    Raises:
        ModelError: If the model cannot be read or is not valid.
        UnsupportedOperatorError: Listing every node the engine cannot run.
        EngineError: If the options are none, or ask for what this build or CPU does not have.

    Example::

        session = zeroskip.InferenceSession("model.onnx", zeroskip.SessionOptions(intra_op_num_threads=2))
        (logits,) = session.run(None, {"input": images})        # float32 [N, 3, 224, 224]
        print(session.explain())

    A session is pickled as the path of its model, or its bytes where it came from no file, and its options.
    """

    _binds_names = True  # of dimensions, see Signature

    def __init__(
        self,
        model: ModelSource,
        options: SessionOptions | None = None,
    ) -> None:
        from ..onnx import load_model
        from ..onnx.load import loaded_graph
        from ..onnx.rewriting import release_weights_with

        options = SessionOptions() if options is None else options
        if not isinstance(options, SessionOptions):
            raise EngineError(f"options are a {type(options).__name__}, expected SessionOptions or None")
        options = with_possible_precision(options)
        self._options = replace(options, cost_model=options.chosen_cost_model())  # chosen once
        self._model = load_model(model, any_opset=self._options.fallback != "error")
        if loaded_graph(model) is None:  # nobody else has it
            release_weights_with(self, self._model)
        self._path = os.path.abspath(model) if isinstance(model, str | os.PathLike) else None
        self._signature = Signature.of(self._model, binds_names=self._binds_names)
        self._mix_lock = ForkSafeLock()
        self._region: Region | None = None
        self._mixed: MixedModel | None = None
        self._whole: Island | None = None
        self._activations: tuple[Activation, ...] = ()
        self._latest: InputShapes | None = None
        self._load()

    def __repr__(self) -> str:
        ends = [shorten([str(item) for item in side]) for side in (self._signature.inputs, self._signature.outputs)]
        threads = self._options.intra_op_num_threads or "all"
        return f"InferenceSession({ends[0]} -> {ends[1]}, threads={threads}, isa={self._options.isa or 'best'})"

    def __getstate__(self) -> dict[str, Any]:
        from ..onnx.save import to_bytes

        return {"model": self._path or to_bytes(self._model), "options": self._options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        InferenceSession.__init__(self, state["model"], state["options"])

    def _load(self) -> None:
        """Fail now rather than at the first run: plan for batch 1, or for a guess where the size is open."""
        shapes = self._signature.default_shapes()
        try:
            self._region = Region(self._model, self._options)
            if shapes is None:
                self._region.check(self._signature.guessed_shapes())
            else:
                self._region.compiled(shapes)
        except UnsupportedOperatorError as error:
            self._fall_back(error, shapes)
        except LimitError:  # would be as much for the other runtime
            raise
        except (ModelError, ShapeError) as error:
            if isinstance(error, ShapeError) and self._signature.has_open_shapes:
                return  # this model wants another size than was guessed: the first run will bring it
            self._mixed, self._region = self._around(error, shapes), None

    def _fall_back(self, error: UnsupportedOperatorError, shapes: InputShapes | None) -> MixedModel:
        """Make native parts and islands of the model; raises the error where it is not to have islands."""
        from ..onnx import activations

        if (final := error_without_islands(error, self._options)) is not None:
            raise final
        with self._mix_lock:
            if self._mixed is None:
                known = self._signature.guessed_shapes() if shapes is None else self._signature.named(shapes)
                self._mixed = cut_model(self._model, self._options, known)
                assert self._region is not None
                self._activations = activations(self._region.prepared)
                self._region = None  # and with it a copy of the weights
            return self._mixed

    def _around(self, error: ModelError | ShapeError, shapes: InputShapes | None) -> MixedModel:
        """Leave to ONNX Runtime what cannot be analysed of a model; raises the error if it cannot run it either."""
        from ..onnx import activations

        if self._options.fallback == "error" or not is_available():
            raise error
        try:
            known = self._signature.guessed_shapes() if shapes is None else self._signature.named(shapes)
            mixed = cut_model(self._model, self._options, known)
        except LimitError:
            raise
        except ModelError:
            raise error from None
        self._activations = tuple(item for one in mixed.native_parts for item in activations(one.region.prepared))
        return mixed

    # ------------------------------------------------------------------ running

    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], run_options: object = None
    ) -> list[Any]:
        """Run the model.

        Args:
            output_names: Which outputs to return, in this order; None means all, in the graph's order.
            input_feed: Input name to array of the input's type: of numpy, or anything with DLPack (tensors of
                PyTorch and others) or the array interface, whose memory is read where it is. Arrays that are not
                C-contiguous, or of the other byte order, are copied. Nested lists take the input's dtype. Inputs of
                sequence type take lists.
            run_options: Ignored; accepted because onnxruntime takes it.

        Returns:
            One fresh array (or list, for a sequence) per output. A batch of nothing gives empty arrays.

        Raises:
            ShapeError: If names, dtypes or shapes do not fit the model.
            OutOfMemoryError: If the run would need more memory than there is.
            EngineError: If an island fails.
        """
        if self._whole and not output_names and (usual := self._signature.usual_shapes(input_feed)):
            self._latest = usual
            return self._whole.run_usual(input_feed)
        wanted = self._signature.output_indices(output_names) if output_names else None
        results = self._run(*self._signature.check(input_feed))
        if wanted is not None:
            results = [results[index] for index in wanted]
        return results if len(results) == 1 else apart(results)

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
        return self._options.chosen_cost_model()

    # ------------------------------------------------------------------ looking inside

    def activations(self) -> tuple[Activation, ...]:
        """Return the model's rectifiers; thresholds, profiles and :meth:`observe` go by their names.

        Those whose zeros nothing skips, above all those inside islands, have no ``consumers``.
        """
        from ..onnx import activations

        way = self._way()
        return tuple(activations(way.prepared)) if isinstance(way, Region) else way.activations(self._activations)

    def observe(self, names: Sequence[str], input_feed: Mapping[str, Any]) -> dict[str, Any]:
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
        results = self._run(*self._signature.check(input_feed), tuple(names))
        return dict(zip(names, results[len(self._signature.outputs) :], strict=True))

    def activation_densities(self, input_feed: Mapping[str, Any]) -> dict[str, float]:
        """Return the fraction of non-zeros of every activation on one batch, by name, in [0, 1]."""
        observed = self.observe([activation.name for activation in self.activations()], input_feed)
        return {name: np.count_nonzero(array) / array.size for name, array in observed.items()}

    def plan(self, input_shapes: Mapping[str, Sequence[int]] | None = None) -> Plan:
        """Return the plan, without its constants; ``input_shapes`` as for :meth:`explain`.

        Raises:
            UnsupportedOperatorError: If the model has islands: each of its native parts has a plan.
        """
        shapes = self._resolve(input_shapes)
        way = self._way()
        if isinstance(way, MixedModel):
            raise UnsupportedOperatorError("the model has islands, so no plan covers it; see explain()")
        return way.compiled(shapes).native.plan

    def explain(self, input_shapes: Mapping[str, Sequence[int]] | None = None) -> Explanation:
        """Explain how the model is run.

        Args:
            input_shapes: Input name to shape; by default that of the latest run, else batch 1. Densities, measured
                times, fractions of the peak (if the cost model was fitted, see ``SessionOptions.cost_model``) and
                the islands' share of the time appear where :meth:`profile` has measured them. Of a model with
                islands the latest run, or what was planned when loading, is explained.

        Raises:
            ShapeError: If the shapes do not fit the model, or none is known yet.
            UnsupportedOperatorError: If the model is not supported at these shapes, and may have no islands.
        """
        way = self._way()
        if isinstance(way, MixedModel):
            return self._explained(way)
        shapes = self._resolve(input_shapes)
        try:
            steps = way.explained(shapes)
        except UnsupportedOperatorError as error:
            return self._explained(self._fall_back(error, shapes))
        plan, (isa, threads) = way.compiled(shapes).native.plan, machine(self._options.num_threads, self._options.isa)
        return Explanation(steps, plan.eliminated, self._signature.named(shapes), isa, threads, plan.arena_bytes)

    def treats_inputs_alone(self, input_shapes: Mapping[str, Sequence[int]]) -> bool:
        """Whether inputs can be run as one batch with the results that each has alone.

        So it is where the first dimension is open and no operator mixes or moves it. Of a model with islands nothing
        is known, and the answer is False.

        Args:
            input_shapes: Input name to shape, as for :meth:`explain`; the size of the batch does not matter.

        Raises:
            ShapeError: If the shapes do not fit the model.
        """
        shapes, way = self._resolve(input_shapes), self._way()
        return isinstance(way, Region) and way.treats_inputs_alone(shapes)

    def explain_islands(self) -> tuple[ExplainedIsland, ...]:
        """Return what ONNX Runtime runs and why; nothing where the model is native as a whole."""
        return () if self._mixed is None else self._mixed.islands()

    def _explained(self, mixed: MixedModel) -> Explanation:
        shapes = {} if self._latest is None else self._signature.named(self._latest)
        return mixed.explanation(shapes, *machine(self._options.num_threads, self._options.isa))

    def profile(self, input_feed: Mapping[str, Any], iterations: int = 10) -> Profile:
        """Time every step on one batch.

        Args:
            input_feed: As for :meth:`run`. Use real data: sparsity, and with it time, depends on it.
            iterations: Runs to take medians over, at least 1.

        Raises:
            ShapeError: If names, dtypes or shapes of the feed do not fit the model.
            EngineError: If ``iterations`` is below 1.
        """
        values, shapes = self._signature.check(input_feed)
        isa, threads = machine(self._options.num_threads, self._options.isa)
        way = self._way(shapes)
        if isinstance(way, Region):
            try:
                steps = way.profiled(shapes, values, iterations)
            except UnsupportedOperatorError as error:
                way = self._fall_back(error, shapes)
        if isinstance(way, MixedModel):
            steps = way.profiled(self._feed(values), iterations)
        return Profile(steps, iterations, threads, isa)

    def probe(self, input_shapes: Mapping[str, Sequence[int]]) -> ProbeProgram:
        """Return a program of its own whose constants can be changed; packed weights are shared.

        Args:
            input_shapes: Input name to shape.

        Raises:
            ShapeError: If the shapes do not fit the model.
            UnsupportedOperatorError: Listing every node the engine cannot run.
        """
        shapes = self._signature.check_shapes(input_shapes)
        way = self._way()
        if isinstance(way, MixedModel):
            raise UnsupportedOperatorError(
                "this needs a model that the engine runs as a whole; ONNX Runtime runs\n"
                + "\n".join(str(island) for island in way.islands())
            )
        return way.probe(shapes)

    def probe_chain(self, example: Mapping[str, Any]) -> ProbeChain:
        """Return the model as a chain of its own whose constants can be changed, islands included.

        Args:
            example: Inputs of one run, as for :meth:`run`.

        Raises:
            ShapeError: If they do not fit the model.
            EngineError: If an island fails.
        """
        values, shapes = self._signature.check(example)
        way = self._way(shapes)
        if isinstance(way, Region):
            try:
                way.planned(shapes)
            except UnsupportedOperatorError as error:
                way = self._fall_back(error, shapes)
        return chain_of(way, [item.name for item in self._signature.outputs], self._feed(values))

    # ------------------------------------------------------------------ the ways to run

    def _run(self, values: list[Any], shapes: InputShapes, taps: tuple[str, ...] = ()) -> list[Any]:
        """Return the outputs, then the taps, for inputs in the order of the graph."""
        self._latest = shapes
        way = self._way(shapes)
        if isinstance(way, Region):
            try:
                if has_empty_batch(shapes):
                    return run_empty(way, shapes, taps)
                return way.compiled(shapes, taps).run(values) if taps else way.run(shapes, values)
            except UnsupportedOperatorError as error:  # at these shapes only, or none was known before
                way = self._fall_back(error, shapes)
        self._whole = way.whole_for(self._signature.input_names)
        return way.run(self._feed(values), taps)

    def _way(self, shapes: InputShapes | None = None) -> Region | MixedModel:
        """Return what runs the model; another thread may change that meanwhile, from the one to the other.

        Args:
            shapes: Of a run that is to come: the first one settles how the model is cut.
        """
        region, mixed = self._region, self._mixed
        if mixed is not None:
            if shapes is None or mixed.is_settled:
                return mixed
            with self._mix_lock:
                if not mixed.is_settled:
                    self._mixed = settled(mixed, self._model, self._options, self._signature.named(shapes))
                    mixed.is_settled = True
            return self._mixed or mixed
        assert region is not None  # it goes away after the other has come
        return region

    def _feed(self, values: Sequence[Any]) -> dict[str, Any]:
        return dict(zip(self._signature.input_names, values, strict=True))

    def _resolve(self, input_shapes: Mapping[str, Sequence[int]] | None) -> InputShapes:
        return self._signature.resolve_shapes(self._latest if input_shapes is None else input_shapes)
