"""Arithmetic on shapes: the small constant expressions that exporters write around Reshape, Resize and Slice.

They begin with Shape or Size, and ``canonical`` folds them once shapes are known; here they are evaluated by numpy on
a few integers. Where ONNX and numpy could differ (negative quotients) the values count as unpredictable.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .site import Array, Site, State, Step, StepMaker, UnpredictableError

_MAX_ELEMENTS = 64


def shape_of(site: Site) -> Step:
    """Shape: the dimensions from ``start`` to ``end``."""
    source, (result,) = site.slot(0), site.outputs
    start, end = site.integer("start", 0), site.node.attributes.get("end")
    stop = None if end is None else end.as_int()

    def step(state: State) -> None:
        _set(state, result, np.array(state.shape(source)[start:stop], np.int64))

    return step


def size_of(site: Site) -> Step:
    """Size: the number of elements."""
    source, (result,) = site.slot(0), site.outputs
    return lambda state: _set(state, result, np.array(math.prod(state.shape(source)), np.int64))


def expression(site: Site) -> Step:
    """Any other operator, all of whose inputs are constants.

    Raises:
        UnpredictableError: If the operator is not known here.
    """
    maker = _FUNCTIONS.get(site.node.op_type)
    if maker is None or site.node.domain != "" or len(site.outputs) != 1:
        raise UnpredictableError
    function, (result,) = maker(site), site.outputs
    slots = site.inputs

    def step(state: State) -> None:
        arrays = [None if slot is None else state.constants[slot] for slot in slots]
        if any(array is None and slot is not None for slot, array in zip(slots, arrays, strict=True)):
            raise UnpredictableError
        try:
            _set(state, result, function(*arrays))
        except (ValueError, IndexError, TypeError, AttributeError) as error:
            raise UnpredictableError from error

    return step


def _set(state: State, slot: int, array: Array) -> None:
    if array.size > _MAX_ELEMENTS:
        raise UnpredictableError
    state.constants[slot], state.shapes[slot] = array, array.shape


Function = Callable[..., Array]


def _plain(function: Callable[..., Array]) -> Callable[[Site], Function]:
    return lambda site: function


def _cast(site: Site) -> Function:
    import onnx_ir as ir

    dtype = ir.DataType(site.integer("to", 0)).numpy()
    if dtype.kind not in "iufb":
        raise UnpredictableError
    return lambda x: x.astype(dtype)


def _concat(site: Site) -> Function:
    axis = site.integer("axis", 0)
    return lambda *arrays: np.concatenate(arrays, axis)


def _gather(site: Site) -> Function:
    axis = site.integer("axis", 0)
    return lambda x, indices: np.take(x, indices.astype(np.int64), axis)


def _unsqueeze(x: Array, axes: Array) -> Array:
    return np.expand_dims(x, tuple(axes.reshape(-1).tolist()))


def _squeeze(x: Array, axes: Array | None = None) -> Array:
    return np.squeeze(x, None if axes is None else tuple(axes.reshape(-1).tolist()))


def _slice(x: Array, starts: Array, ends: Array, axes: Array | None = None, steps: Array | None = None) -> Array:
    places = range(starts.size) if axes is None else axes.reshape(-1).tolist()
    strides = [1] * starts.size if steps is None else steps.reshape(-1).tolist()
    if min(strides, default=1) < 1:
        raise UnpredictableError
    index = [slice(None)] * x.ndim
    for axis, start, end, stride in zip(places, starts.tolist(), ends.tolist(), strides, strict=True):
        index[axis] = slice(start, end, stride)
    return np.ascontiguousarray(x[tuple(index)])


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return np.asarray(np.divide(a, b))
    if (a < 0).any() or (b <= 0).any():
        raise UnpredictableError
    return np.asarray(a // b)


def _reshape(x: Array, shape: Array) -> Array:
    wanted = tuple(shape.tolist())
    if 0 in wanted:
        raise UnpredictableError
    return x.reshape(wanted)


def _constant_of_shape(site: Site) -> Function:
    fill = site.node.attributes.get_tensor("value")
    value = np.zeros(1, np.float32) if fill is None else fill.numpy()

    def full(shape: Array) -> Array:
        extents = shape.tolist()
        if math.prod(extents) > _MAX_ELEMENTS or min(extents, default=0) < 0:
            raise UnpredictableError
        return np.full(extents, value.reshape(-1)[0], value.dtype)

    return full


_FUNCTIONS: dict[str, Callable[[Site], Function]] = {
    "Add": _plain(np.add),
    "Cast": _cast,
    "Ceil": _plain(np.ceil),
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Div": _plain(_divide),
    "Equal": _plain(np.equal),
    "Floor": _plain(np.floor),
    "Gather": _gather,
    "Identity": _plain(lambda x: x),
    "Mul": _plain(np.multiply),
    "Reshape": _plain(_reshape),
    "Slice": _plain(_slice),
    "Squeeze": _plain(_squeeze),
    "Sub": _plain(np.subtract),
    "Unsqueeze": _plain(_unsqueeze),
    "Where": _plain(np.where),
}

OPENING: dict[str, StepMaker] = {"Shape": shape_of, "Size": size_of}
"""Operators that make a constant of a shape."""
