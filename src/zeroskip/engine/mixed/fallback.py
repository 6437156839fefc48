"""What to run natively and what not: the decision behind ``SessionOptions(fallback="islands")``.

A part is kept native if it holds layers that can skip zeros, and if skipping saves more than handing values over
takes (:mod:`.worth`). Elsewhere ONNX Runtime is as fast, and the nodes join the islands around them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...errors import LimitError, ModelError, ShapeError, UnsupportedOperatorError
from ..options import SessionOptions
from ..run.region import Region
from .island import INSTALL_HINT
from .model import MixedModel
from .parts import IslandPart, NativePart
from .real_runtime import is_available
from .worth import Worth, worth_of

if TYPE_CHECKING:
    import onnx_ir as ir

    from ...onnx.canonical.pipeline import ValueInfo
    from ...onnx.partition import Part

_MAX_ROUNDS = 50
_MAX_CULPRITS = 8
"""More nodes than these that cannot even be analysed are no exceptions: the part is given up."""


def error_without_islands(error: UnsupportedOperatorError, options: SessionOptions) -> UnsupportedOperatorError | None:
    """Return the error to raise for an unsupported model, None if it can have islands."""
    if options.fallback == "error":
        return error
    if not is_available():
        return UnsupportedOperatorError(f"{error}\n{INSTALL_HINT}", error.nodes)
    return None


def cut_model(model: ir.Model, options: SessionOptions, input_shapes: Mapping[str, Sequence[int]]) -> MixedModel:
    """Cut a model that the native engine cannot run as a whole.

    Args:
        model: As loaded.
        options: Options of the session.
        input_shapes: Shapes of the inputs as far as they are known, to judge by what is supported.

    Raises:
        ModelError: If ONNX Runtime refuses an island.
    """
    from ...onnx.partition import can_cross
    from ...onnx.rewriting import flat_copy, release_weights_with, sweep

    try:
        flat = flat_copy(model)
        sweep(flat.graph)  # a part of dead nodes would have no outputs
        search = _Search(flat, options, input_shapes)
    except LimitError:
        raise
    except (ModelError, ShapeError) as error:
        return one_island(model, options, {"": f"the model cannot be analysed: {error}"})
    parts = search.run()
    if not any(part.is_native for part in parts) or not can_cross(parts):
        mixed = one_island(flat, options, search.reasons, search.gainless)
    else:
        mixed = MixedModel(flat, search.runners(parts))
    mixed.assumed_shapes = {name: tuple(shape) for name, shape in input_shapes.items()}
    release_weights_with(mixed, flat)
    return mixed


def one_island(
    model: ir.Model, options: SessionOptions, reasons: Mapping[str, str], gainless: Mapping[str, Worth] | None = None
) -> MixedModel:
    """Make one island of a model.

    Raises:
        ModelError: If ONNX Runtime refuses it.
    """
    from ...onnx.partition import whole_part

    return MixedModel(
        model, [IslandPart(whole_part(model), options, "island 0", reasons, gainless or {}, is_alone=True)]
    )


def settled(
    mixed: MixedModel, model: ir.Model, options: SessionOptions, shapes: Mapping[str, tuple[int, ...]]
) -> MixedModel:
    """Return the model as it is to be cut for the shapes of its first run, most often as it was for those assumed.

    What was decided does not hold where native parts were given up and the inputs are larger than assumed, or where
    some were kept and the inputs are smaller.

    Raises:
        ModelError: If ONNX Runtime refuses an island.
    """
    assumed, given = (sum(math.prod(shape) for shape in each.values()) for each in (mixed.assumed_shapes, shapes))
    has_given_up = any(part.worths for part in mixed.parts if isinstance(part, IslandPart))
    if not ((given > assumed and has_given_up) or (given < assumed and mixed.native_parts)):
        mixed.is_settled = True
        return mixed
    result = cut_model(model, options, shapes)
    result.is_settled = True
    return result


class _Search:
    """Takes nodes out of the native parts until each of them is supported and worth its while."""

    def __init__(self, flat: ir.Model, options: SessionOptions, shapes: Mapping[str, Sequence[int]]) -> None:
        from ...onnx.canonical.pipeline import infer_values
        from ...onnx.partition import Partitioner

        self._options = options
        self._values: dict[str, ValueInfo] = infer_values(flat, shapes)
        self._partitioner = Partitioner(flat, self._values)
        self._regions: dict[tuple[tuple[str, ...], tuple[str, ...]], Region] = {}
        self._culprits = 0
        self.reasons: dict[str, str] = {}
        self.gainless: dict[str, Worth] = {}
        """By node: what the part was worth in which something could be skipped, but not enough."""

    def run(self) -> tuple[Part, ...]:
        """Return the parts."""
        islands = set(self.reasons)
        for _ in range(_MAX_ROUNDS):
            parts = self._partitioner.split(islands)
            found = self._unsupported(parts) or self._worthless(parts) or self._gainless(parts)
            if not found:
                return parts
            islands |= found
        return ()

    def runners(self, parts: Sequence[Part]) -> list[IslandPart | NativePart]:
        """Return what runs the parts; the regions compiled on the way are used again."""
        result: list[IslandPart | NativePart] = []
        for part in parts:
            count = sum(other.part.is_native == part.is_native for other in result)
            if part.is_native:
                result.append(NativePart(part, self._options, f"native part {count}", self._region(part)))
            else:
                result.append(IslandPart(part, self._options, f"island {count}", self.reasons, self.gainless))
        return result

    def _unsupported(self, parts: Sequence[Part]) -> set[str]:
        found: set[str] = set()
        for part in parts:
            if part.is_native:
                found |= self._unsupported_in(part)
        return found

    def _unsupported_in(self, part: Part) -> set[str]:
        """Return the nodes that keep a part from being native."""
        shapes = [self._shape(part, name) for name in part.inputs]
        try:
            if None in shapes:
                self._judge_by_operators(self._region(part), part, shapes)
            else:
                self._region(part).compiled(tuple(shape for shape in shapes if shape is not None))
        except UnsupportedOperatorError as error:
            return self._blamed(part, error)
        except LimitError:
            raise
        except (ModelError, ShapeError) as error:
            return self._culprit(part, error)
        return set()

    def _blamed(self, part: Part, error: UnsupportedOperatorError) -> set[str]:
        own = {*part.nodes, *self._partitioner.arithmetic}
        blamed = [(name, node) for node in error.nodes for name in node.sources if name in own]
        reasons = {name: f"{node.op_type}: {node.reason}" for name, node in blamed}
        if not reasons:  # of what cannot be run nothing is a node of the model
            reasons = dict.fromkeys(part.nodes, str(error))
        self.reasons |= reasons
        return set(reasons)

    def _culprit(self, part: Part, error: ModelError | ShapeError) -> set[str]:
        """Return the node with which the nodes of a part, taken in order, begin to make no sense."""
        self._culprits += 1
        good, bad = 0, len(part.nodes)
        if self._culprits > _MAX_CULPRITS:
            good = bad
        while bad - good > 1:
            middle = (good + bad) // 2
            found = self._contradiction(self._partitioner.prefix(part, middle))
            good, bad, error = (good, middle, found) if found is not None else (middle, bad, error)
        blamed = part.nodes[good:bad] or part.nodes
        self.reasons |= dict.fromkeys(blamed, str(error))
        return set(blamed)

    def _contradiction(self, part: Part) -> ModelError | ShapeError | None:
        shapes = [self._shape(part, name) for name in part.inputs]
        try:
            region = Region(part.model, self._options)
            if None in shapes:
                self._judge_by_operators(region, part, shapes)
            else:
                region.planned(tuple(shape for shape in shapes if shape is not None))
        except (LimitError, UnsupportedOperatorError):
            return None
        except (ModelError, ShapeError) as error:
            return error
        return None

    @staticmethod
    def _judge_by_operators(region: Region, part: Part, shapes: Sequence[tuple[int, ...] | None]) -> None:
        from ...onnx import check_supported, specialize
        from ...onnx.output_sources import settle_outputs
        from ...onnx.rewriting import release_weights

        known = {name: shape for name, shape in zip(part.inputs, shapes, strict=True) if shape is not None}
        model = specialize(region.prepared, known, partial=True)
        settle_outputs(model)
        try:
            check_supported(model)
        finally:
            release_weights(model)

    def _worthless(self, parts: Sequence[Part]) -> set[str]:
        """Return the nodes of the native parts in which nothing can be skipped."""
        from ...onnx import activations

        found: set[str] = set()
        for part in parts:
            if part.is_native and not any(item.consumers for item in activations(self._region(part).prepared)):
                found.update(part.nodes)
        return found

    def _gainless(self, parts: Sequence[Part]) -> set[str]:
        """Return the nodes of the native parts that save less than they cost."""
        if self._options.fallback == "parts":
            return set()
        worths = [(part, self._worth(part)) for part in parts if part.is_native]
        for part, worth in worths:
            if not worth.is_enough:
                self.gainless |= dict.fromkeys(part.nodes, worth)
        return {node for part, worth in worths if not worth.is_enough for node in part.nodes}

    def _worth(self, part: Part) -> Worth:
        shapes = [self._shape(part, name) for name in part.inputs]
        return worth_of(self._region(part), shapes, self._options.chosen_cost_model(), self._options.num_threads)

    def _region(self, part: Part) -> Region:
        key = (part.nodes, part.outputs)
        if key not in self._regions:
            self._regions[key] = Region(part.model, self._options)
        return self._regions[key]

    def _shape(self, part: Part, name: str) -> tuple[int, ...] | None:
        info = self._values.get(name)
        return None if info is None else info.shape
