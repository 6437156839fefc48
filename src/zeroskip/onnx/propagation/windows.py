"""Shape functions of the operators with windows: convolutions and pools."""

from __future__ import annotations

import onnx_ir as ir

from ..canonical.shift import is_shift
from .shape_inference import infer_step, results_of
from .site import Shape, Site, State, Step, UnpredictableError


def conv(site: Site) -> Step:
    """Conv with a constant weight."""
    weight = site.array(1)
    if weight is None or weight.ndim < 3:
        raise UnpredictableError
    outputs, group_inputs, *kernel = weight.shape
    channels, extents = group_inputs * site.integer("group", 1), _window(site, tuple(kernel))
    source, (result,) = site.slot(0), results_of(site)
    infer = _inferred_window(site) if extents is None else None
    adds_border = is_shift(_producer(site))  # what the shift adds depends on the size

    def step(state: State) -> None:
        shape = state.shape(source)
        if len(shape) != weight.ndim or shape[1] != channels:
            raise UnpredictableError
        if adds_border:
            state.facts.append(shape[2:])
        if infer is not None:
            infer(state)
        elif extents is not None:
            state.shapes[result] = (shape[0], outputs, *extents(state, shape[2:]))

    return step


def _producer(site: Site) -> ir.Node | None:
    x = site.node.inputs[0]
    return None if x is None else x.producer()


def pool(site: Site) -> Step:
    """MaxPool and AveragePool."""
    kernel = site.integers("kernel_shape")
    if kernel is None:
        raise UnpredictableError
    extents = None if site.integer("ceil_mode", 0) else _window(site, kernel)
    if extents is None:
        return _inferred_window(site)
    source, (result,) = site.slot(0), results_of(site)

    def step(state: State) -> None:
        shape = state.shape(source)
        if len(shape) != len(kernel) + 2:
            raise UnpredictableError
        state.facts.append(shape[2:] == kernel)
        state.shapes[result] = (*shape[:2], *extents(state, shape[2:]))

    return step


class _Extents:
    """Spatial sizes of what a window operator with pads gives."""

    def __init__(self, kernel: Shape, strides: Shape, dilations: Shape, pads: Shape) -> None:
        count = len(kernel)
        begins, ends = pads[:count], pads[count:]
        reaches = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
        self._gains = [a + b - reach for a, b, reach in zip(begins, ends, reaches, strict=True)]
        self._strides = strides

    def __call__(self, state: State, sizes: Shape) -> Shape:
        spans = [size + gain for size, gain in zip(sizes, self._gains, strict=True)]
        if min(spans) < 0:
            raise UnpredictableError
        return tuple(span // stride + 1 for span, stride in zip(spans, self._strides, strict=True))


def _window(site: Site, kernel: Shape) -> _Extents | None:
    """Return what computes the sizes; None where the pads depend on them."""
    if site.node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return None
    ones = (1,) * len(kernel)
    strides, dilations = site.integers("strides") or ones, site.integers("dilations") or ones
    pads = site.integers("pads") or (0,) * (2 * len(kernel))
    if not len(kernel) == len(strides) == len(dilations) == len(pads) / 2 or min(strides) < 1:
        raise UnpredictableError
    return _Extents(kernel, strides, dilations, pads)


def _inferred_window(site: Site) -> Step:
    """A window that the shape inference must see: rounded up, or with pads that follow from the size.

    Such pads depend on what is left of the size after whole strides.
    """
    infer, source, strides = infer_step(site), site.slot(0), site.integers("strides") or ()
    kernel = site.integers("kernel_shape")
    has_fixed_pads = site.node.attributes.get_string("auto_pad", "NOTSET") == "NOTSET"

    def step(state: State) -> None:
        spatial = state.shape(source)[2:]
        infer(state)
        if has_fixed_pads:  # a last window that is not whole
            state.facts.append(spatial == kernel)
            return
        lengths = strides or (1,) * len(spatial)
        remainders = tuple(size % stride for size, stride in zip(spatial, lengths, strict=True))
        state.facts.append((remainders, spatial == kernel))

    return step


def global_pool(site: Site) -> Step:
    """GlobalAveragePool and GlobalMaxPool."""
    source, (result,) = site.slot(0), results_of(site)

    def step(state: State) -> None:
        shape = state.shape(source)
        state.shapes[result] = (*shape[:2], *(1,) * (len(shape) - 2))

    return step
