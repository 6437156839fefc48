"""Shape functions of the operators that work on activations.

Each reads the attributes of a node once and returns what computes the shapes of its results from those of its
operands. Beside it notes the *facts* for which the rules of ``canonical`` look at shapes: whether a pool covers its
whole input, whether a reshape changes anything, which dimensions a transposition moves are 1, ... An operator that a
new rule decides by its shape about needs that decision among its facts; one that is not in the table always goes the
long way.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ...errors import ShapeError
from ..canonical.inference import shuffled_dims
from ..numbers import COMPARISONS, INDEX_OPERATORS
from ..values import ZEROSKIP_DOMAIN, axis_from_front
from .shape_inference import infer_step, results_of
from .site import Shape, Site, State, Step, StepMaker, UnpredictableError
from .windows import conv, global_pool, pool


def same(site: Site) -> Step:
    """Elementwise operators of one operand, and what normalises along an axis."""
    source, (result,) = site.slot(0), results_of(site)

    def step(state: State) -> None:
        state.shapes[result] = state.shape(source)

    return step


def per_channel(site: Site) -> Step:
    """FatRelu and ChannelAffine: the channels must stay as many as there are factors."""
    source, (result,) = site.slot(0), results_of(site)
    axis = site.integer("axis", 1)
    sizes = [array.size for array in site.closed[1:] if array is not None]

    def step(state: State) -> None:
        shape = state.shape(source)
        if sizes:
            if axis >= len(shape) or any(size not in (1, shape[axis]) for size in sizes):
                raise UnpredictableError
            state.facts.append(shape[axis])
        state.shapes[result] = shape

    return step


def binary(site: Site) -> Step:
    """Functions of two operands, of two activations or of one and a constant."""
    first, second, (result,) = site.slot(0), site.slot(1), results_of(site)
    factor = site.array(0) if site.array(0) is not None else site.array(1)

    def step(state: State) -> None:
        a, b = state.shape(first), state.shape(second)
        shape = _broadcast(a, b)
        if factor is None:
            state.facts.append((a == b, shape == a, shape == b))
        else:  # along which axis it varies is decided by the sizes
            varying = tuple(size for have, size in zip(factor.shape[::-1], shape[::-1], strict=False) if have != 1)
            state.facts.append((len(shape), shape[1:2], varying, shape in (a, b)))
        state.shapes[result] = shape

    return step


def where(site: Site) -> Step:
    """Where: rules ask which operands have the shape of the result, and along which axes constants vary."""
    (result,) = results_of(site)

    def step(state: State) -> None:
        shapes = [state.shape(slot) for slot in site.inputs]
        shape = _broadcast(_broadcast(shapes[0], shapes[1]), shapes[2])
        sizes = [
            tuple(size for have, size in zip(array.shape[::-1], shape[::-1], strict=False) if have != 1)
            for array in site.closed
            if array is not None
        ]
        state.facts.append((len(shape), shape[1:2] if sizes else (), tuple(sizes), tuple(x == shape for x in shapes)))
        state.shapes[result] = shape

    return step


def _broadcast(a: Shape, b: Shape) -> Shape:
    if a == b:
        return a
    rank = max(len(a), len(b))
    left, right = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    if any(x != y and 1 not in (x, y) for x, y in zip(left, right, strict=True)):
        raise UnpredictableError
    return tuple(max(x, y) for x, y in zip(left, right, strict=True))


def concat(site: Site) -> Step:
    """Concat: all dimensions but one must agree."""
    sources, (result,) = site.inputs, results_of(site)
    given = site.integer("axis", 0)

    def step(state: State) -> None:
        shapes = [state.shape(source) for source in sources]
        axis = axis_from_front(given, len(shapes[0]))
        rest = {(shape[:axis], shape[axis + 1 :]) for shape in shapes}
        if len(rest) != 1:
            raise UnpredictableError
        state.shapes[result] = (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])

    return step


def linear(site: Site) -> Step:
    """Linear with a constant weight ``[out, in]``."""
    weight = site.array(1)
    if weight is None or weight.ndim != 2:
        raise UnpredictableError
    outputs, inputs = weight.shape
    source, (result,) = site.slot(0), results_of(site)

    def step(state: State) -> None:
        shape = state.shape(source)
        if not shape or shape[-1] != inputs:
            raise UnpredictableError
        state.shapes[result] = (*shape[:-1], outputs)

    return step


def flatten(site: Site) -> Step:
    """Flatten to two dimensions."""
    source, (result,), given = site.slot(0), results_of(site), site.integer("axis", 1)

    def step(state: State) -> None:
        shape = state.shape(source)
        axis = given + len(shape) if given < 0 else given
        _set_reshaped(state, shape, result, (math.prod(shape[:axis]), math.prod(shape[axis:])))

    return step


def reshape(site: Site) -> Step:
    """Reshape, with 0 and -1 in its target."""
    source, target, (result,) = site.slot(0), site.slot(1), results_of(site)
    if site.integer("allowzero", 0):
        raise UnpredictableError

    def step(state: State) -> None:
        shape, wanted = state.shape(source), list(state.integers(target))
        for axis, size in enumerate(wanted):
            if size == 0:
                if axis >= len(shape):
                    raise UnpredictableError
                wanted[axis] = shape[axis]
        if wanted.count(-1) == 1:
            known = -math.prod(wanted)
            wanted[wanted.index(-1)] = math.prod(shape) // known if known > 0 else 0
        _set_reshaped(state, shape, result, tuple(wanted))

    return step


def squeeze(site: Site) -> Step:
    """Squeeze: of the axes named, or of all of size 1."""
    source, axes, (result,) = site.slot(0), site.slot(1), results_of(site)

    def step(state: State) -> None:
        shape = state.shape(source)
        if axes is None:
            state.facts.append(tuple(size == 1 for size in shape))
            gone = {axis for axis, size in enumerate(shape) if size == 1}
        else:
            gone = {axis_from_front(axis, len(shape)) for axis in state.integers(axes)}
        _set_reshaped(state, shape, result, tuple(size for axis, size in enumerate(shape) if axis not in gone))

    return step


def unsqueeze(site: Site) -> Step:
    """Unsqueeze: axes are counted in the result."""
    source, axes, (result,) = site.slot(0), site.slot(1), results_of(site)

    def step(state: State) -> None:
        shape = state.shape(source)
        _set_reshaped(state, shape, result, np.expand_dims(np.broadcast_to(0, shape), state.integers(axes)).shape)

    return step


def _set_reshaped(state: State, before: Shape, slot: int, after: Shape) -> None:
    if math.prod(before) != math.prod(after) or min(after, default=1) < 1:
        raise UnpredictableError
    state.facts.append((len(after), before == after))
    state.shapes[slot] = after


def transpose(site: Site) -> Step:
    """Transpose: one that moves only axes of size 1 is a reshape."""
    source, (result,), given = site.slot(0), results_of(site), site.integers("perm")

    def step(state: State) -> None:
        shape = state.shape(source)
        perm = tuple(reversed(range(len(shape)))) if given is None else given
        if sorted(perm) != list(range(len(shape))):
            raise UnpredictableError
        state.facts.append(tuple(size == 1 for size in shape))
        state.shapes[result] = tuple(shape[axis] for axis in perm)

    return step


def slices(site: Site) -> Step:
    """Slice forwards: one that takes everything vanishes."""
    source, (result,) = site.slot(0), results_of(site)
    starts, ends, axes, steps = (site.slot(index) for index in range(1, 5))

    def step(state: State) -> None:
        shape, begins = list(state.shape(source)), state.integers(starts)
        places = range(len(begins)) if axes is None else state.integers(axes)
        strides = (1,) * len(begins) if steps is None else state.integers(steps)
        for axis, start, end, stride in zip(places, begins, state.integers(ends), strides, strict=True):
            if stride < 1:
                raise UnpredictableError
            first, last, _ = slice(start, end).indices(shape[axis])
            shape[axis] = max(0, -(-(last - first) // stride))
        if 0 in shape:
            raise UnpredictableError  # it is a constant
        state.facts.append(tuple(shape) == state.shape(source))
        state.shapes[result] = tuple(shape)

    return step


def gather(site: Site) -> Step:
    """Gather: negative constant indices are counted from the end."""
    source, indices, infer = site.slot(0), site.array(1), infer_step(site)
    given = site.integer("axis", 0)
    if indices is None:
        return infer
    counts_from_end = bool((indices < 0).any())

    def step(state: State) -> None:
        infer(state)
        shape = state.shape(source)
        size = shape[axis_from_front(given, len(shape))]
        state.facts.append(size if counts_from_end or indices.max() >= size else indices.size == size)  # all of it

    return step


def expand(site: Site) -> Step:
    """Expand, and Tile that changes nothing; another one is written with the shapes as constants."""
    source, (result,), infer = site.slot(0), results_of(site), infer_step(site)

    def step(state: State) -> None:
        infer(state)
        changes = state.shape(result) != state.shape(source)
        if changes and site.node.op_type == "Tile":
            raise UnpredictableError
        state.facts.append(changes)

    return step


def resize(site: Site) -> Step:
    """Resize: one that changes no size vanishes."""
    source, (result,), infer = site.slot(0), results_of(site), infer_step(site)

    def step(state: State) -> None:
        infer(state)
        state.facts.append(state.shape(result) == state.shape(source))

    return step


def shuffle(site: Site) -> Step:
    """DepthToSpace and SpaceToDepth: written as a transposition of six axes, in which those of size 1 count."""
    source, (result,), block = site.slot(0), results_of(site), site.integer("blocksize", 0)
    if block < 1:
        raise UnpredictableError

    def step(state: State) -> None:
        batch, channels, height, width = state.shape(source)
        if site.node.op_type == "DepthToSpace":
            shape = (batch, channels // block**2, height * block, width * block)
        else:
            shape = (batch, channels * block**2, height // block, width // block)
        if math.prod(shape) != math.prod(state.shape(source)):
            raise UnpredictableError
        parts = parted((), state.shape(source), block, site.node.op_type)
        state.facts.append((tuple(size == 1 for size in parts), channels))
        state.shapes[result] = shape

    return step


def parted(known: Shape, shape: Shape, block: int, op_type: str) -> Shape:
    """Return the six axes that DepthToSpace or SpaceToDepth is written with.

    Args:
        known: The axes for another size with as many channels; empty leaves out those that no size changes.
        shape: Of the operand ``[N, C, H, W]``.
        block: Its block size.
        op_type: Which of the two it is.
    """
    batch, channels, height, width = shape
    if op_type == "DepthToSpace":
        return (batch, *known[1:4], height, width)
    return (batch, channels, height // block, block, width // block, block)


def pixel_shuffle(site: Site) -> Step:
    """PixelShuffle: a block of pixels for each, less what is cut off."""
    source, (result,), node = site.slot(0), results_of(site), site.node

    def step(state: State) -> None:
        try:
            state.shapes[result] = shuffled_dims(node, state.shape(source))
        except ShapeError as error:
            raise UnpredictableError from error

    return step


def normalization(site: Site) -> Step:
    """InstanceNormalization and LayerNormalization: only the first result is ever read."""
    return same(replace(site, outputs=site.outputs[:1]))


def takes_shapes(op_type: str, index: int) -> bool:
    """Whether an operator may be given a constant that depends on shapes as input ``index``."""
    return index in _OPEN_INPUTS.get(op_type, ())


_ELEMENTWISE = (
    "Abs", "Ceil", "Celu", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu", "LeakyRelu", "Log", "Mish", "Reciprocal",
    "Round", "Selu", "Sign", "Sin", "Softplus", "Softsign", "Sqrt",
)  # fmt: skip
_REDUCTIONS = ("L1", "L2", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")

_OPEN_INPUTS = {"Reshape": (1,), "Resize": (3,), "Slice": (1, 2, 3, 4), "Expand": (1,), "Tile": (1,)}

FUNCTIONS: dict[tuple[str, str], StepMaker] = {
    ("", "Add"): binary,
    ("", "AveragePool"): pool,
    ("", "Clip"): same,
    ("", "Concat"): concat,
    ("", "Conv"): conv,
    ("", "DepthToSpace"): shuffle,
    ("", "DequantizeLinear"): same,
    ("", "Div"): binary,
    ("", "Expand"): expand,
    ("", "Flatten"): flatten,
    ("", "Gather"): gather,
    ("", "GlobalAveragePool"): global_pool,
    ("", "GlobalMaxPool"): global_pool,
    ("", "HardSigmoid"): same,
    ("", "HardSwish"): same,
    ("", "Identity"): same,
    ("", "InstanceNormalization"): normalization,
    ("", "LRN"): same,
    ("", "LayerNormalization"): normalization,
    ("", "MatMul"): infer_step,
    ("", "Max"): binary,
    ("", "MaxPool"): pool,
    ("", "Min"): binary,
    ("", "Mul"): binary,
    ("", "PRelu"): binary,
    ("", "Pad"): infer_step,
    ("", "Pow"): binary,
    ("", "QuantizeLinear"): same,
    ("", "Reshape"): reshape,
    ("", "Resize"): resize,
    ("", "Sigmoid"): same,
    ("", "Slice"): slices,
    ("", "Softmax"): same,
    ("", "SpaceToDepth"): shuffle,
    ("", "Split"): infer_step,
    ("", "Squeeze"): squeeze,
    ("", "Sub"): binary,
    ("", "Tanh"): same,
    ("", "Tile"): expand,
    ("", "Transpose"): transpose,
    ("", "Unsqueeze"): unsqueeze,
    (ZEROSKIP_DOMAIN, "ChannelAffine"): per_channel,
    (ZEROSKIP_DOMAIN, "FatRelu"): per_channel,
    (ZEROSKIP_DOMAIN, "Linear"): linear,
    (ZEROSKIP_DOMAIN, "PixelShuffle"): pixel_shuffle,
    (ZEROSKIP_DOMAIN, "Recurrence"): infer_step,
    **{("", op_type): same for op_type in _ELEMENTWISE},
    **{("", op_type): infer_step for op_type in (*INDEX_OPERATORS, "GatherElements", "TopK")},
    **{("", op_type): binary for op_type in (*COMPARISONS, "And", "Mod", "Or", "Xor")},
    **{("", op_type): same for op_type in ("Cast", "Not")},
    ("", "Where"): where,
    **{("", f"Reduce{kind}"): infer_step for kind in _REDUCTIONS},
}
"""Shape functions by domain and operator."""
