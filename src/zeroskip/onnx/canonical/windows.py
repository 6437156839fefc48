"""Convolutions and pools: every attribute is written out, paddings are resolved and merged.

After these rules a window operator has ``kernel_shape``, ``strides``, ``dilations`` and ``pads`` (begins,
then ends), and no ``auto_pad``. Pads of zeros in front of it are part of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from ..rewriting import RuleTable, add_integers, become, insert_before, owner, set_attributes
from ..values import (
    constant,
    dims,
    full_pads,
    integers,
    normalized_axes,
    operand,
    own_producer,
    producer,
    rank,
    scalar,
    static_shape,
)

_LARGEST_WINDOW = 1 << 16


def explicit_conv(node: ir.Node) -> bool:
    """Write out the attributes of a convolution; the kernel shape is that of the weight."""
    weight = static_shape(operand(node, 1))
    if weight is None or len(weight) < 3:
        return False
    changed = set_attributes(node, group=node.attributes.get_int("group", 1))
    return _explicit_window(node, weight[2:]) or changed


def explicit_pool(node: ir.Node) -> bool:
    """Write out the attributes of MaxPool and AveragePool."""
    kernel = node.attributes.get_ints("kernel_shape")
    if kernel is None:
        raise ValueError("attribute kernel_shape is missing")
    changed = set_attributes(node, ceil_mode=node.attributes.get_int("ceil_mode", 0))
    if node.op_type == "AveragePool":
        include = node.attributes.get_int("count_include_pad", 0)
        changed = set_attributes(node, count_include_pad=include) or changed
    else:
        node.attributes.pop("storage_order", None)  # of the indices, which are not computed
    return _explicit_window(node, tuple(kernel)) or changed


def _explicit_window(node: ir.Node, kernel: tuple[int, ...]) -> bool:
    ones, zeros = (1,) * len(kernel), (0,) * (2 * len(kernel))
    attributes = node.attributes
    changed = set_attributes(
        node,
        kernel_shape=kernel,
        strides=tuple(attributes.get_ints("strides", ones)),
        dilations=tuple(attributes.get_ints("dilations", ones)),
    )
    auto_pad = attributes.get_string("auto_pad", "NOTSET")
    pads: tuple[int, ...] | None
    if auto_pad == "NOTSET":
        pads = tuple(attributes.get_ints("pads", zeros))
    elif auto_pad == "VALID":
        pads = zeros
    elif auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        pads = _same_pads(node, kernel, is_lower=auto_pad == "SAME_LOWER")
    else:
        raise ValueError(f"auto_pad is '{auto_pad}'")
    if pads is None:
        return changed  # needs the input size, which is not known before specialisation
    if auto_pad.startswith("SAME") and min(pads) < 0:
        pads = _cropped(node, pads)
    _check_window(kernel, attributes["strides"].as_ints(), attributes["dilations"].as_ints(), pads)
    had_auto_pad = attributes.pop("auto_pad", None) is not None
    return set_attributes(node, pads=pads) or had_auto_pad or changed


def _check_window(kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], pads: Sequence[int]) -> None:
    """Refuse windows that contradict themselves, or are so large that only a damaged file can have them."""
    if not 2 * len(kernel) == 2 * len(strides) == 2 * len(dilations) == len(pads):
        raise ValueError(f"its window has kernel {kernel}, strides {strides}, dilations {dilations}, pads {pads}")
    if min(*kernel, *strides, *dilations) < 1 or max(*kernel, *strides, *dilations, *pads) > _LARGEST_WINDOW:
        raise ValueError(f"its window has sizes outside of 1 to {_LARGEST_WINDOW}: {kernel}, {strides}, {pads}")


def _same_pads(node: ir.Node, kernel: tuple[int, ...], *, is_lower: bool) -> tuple[int, ...] | None:
    """Return pads for ceil(input / stride) output elements; an odd one goes to the end, or the beginning.

    Where the stride exceeds the window they can be below 0. The first and last elements are then left out in front of
    a convolution, as the standard's formula has it and ONNX Runtime does; it refuses such pools, and they begin with
    the first element here, as in TensorFlow, where this padding comes from.
    """
    sizes = dims(node.inputs[0])
    strides, dilations = node.attributes["strides"].as_ints(), node.attributes["dilations"].as_ints()
    if node.op_type != "Conv" and any(dilation != 1 for dilation in dilations):
        return None  # runtimes do not agree
    begins, ends = [], []
    for index, (size, stride, dilation) in enumerate(zip(kernel, strides, dilations, strict=True)):
        extent = (size - 1) * dilation + 1
        length = stride if stride == 1 else None if sizes is None else sizes[index + 2]
        if length is None:
            return None
        outputs = -(-length // stride)
        total = (outputs - 1) * stride + extent - length
        total = total if node.op_type == "Conv" else max(total, 0)
        rounded_up = total + is_lower + (total < 0)  # as ONNX Runtime halves it: below 0 towards 0
        begins.append(int(rounded_up / 2))
        ends.append(total - begins[-1])
    return (*begins, *ends)


def _cropped(node: ir.Node, pads: tuple[int, ...]) -> tuple[int, ...]:
    """Let a Slice in front of a convolution do what its pads below 0 say; return the others."""
    count, sizes = len(pads) // 2, list(dims(node.inputs[0]) or ())
    axes = [axis for axis in range(count) if min(pads[axis], pads[axis + count]) < 0]
    starts = [max(0, -pads[axis]) for axis in axes]
    ends = [(sizes[axis + 2] or 0) + min(0, pads[axis + count]) for axis in axes]
    for axis, start, end in zip(axes, starts, ends, strict=True):
        sizes[axis + 2] = end - start
    lists = (starts, ends, [axis + 2 for axis in axes])
    arguments = [add_integers(owner(node), items, f"{node.outputs[0].name}.crop") for items in lists]
    node.replace_input_with(0, insert_before(node, "Slice", [node.inputs[0], *arguments], shape=ir.Shape(sizes)))
    return tuple(max(0, amount) for amount in pads)


def merge_pad(node: ir.Node) -> bool:
    """Take a Pad of zeros in front of a window operator into its own pads."""
    pad = producer(node.inputs[0], "Pad")
    own_pads = node.attributes.get_ints("pads")
    if pad is None or own_pads is None or node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return False
    extra = _spatial_zero_pads(pad, len(own_pads) // 2)
    if extra is None or not any(extra):
        return False
    pads = [a + b for a, b in zip(own_pads, extra, strict=True)]
    if node.op_type != "Conv" and not _pool_can_take(node, pad, own_pads, pads):
        return False
    attributes = dict(node.attributes)
    attributes["pads"] = ir.AttrInt64s("pads", pads)
    if node.op_type == "AveragePool":
        attributes["count_include_pad"] = ir.AttrInt64("count_include_pad", 1)
    return become(node, node.op_type, [pad.inputs[0], *node.inputs[1:]], attributes, absorbs=[pad])


def _pool_can_take(pool: ir.Node, pad: ir.Node, own_pads: Sequence[int], pads: Sequence[int]) -> bool:
    """Tell whether zeros in front of a pool have the effect of pads of its own.

    For AveragePool the pads must have counted as elements; for MaxPool zeros must not beat the maximum, which holds for
    the output of an activation. No window may lie in the pads alone, and none may reach beyond them.
    """
    attributes = pool.attributes
    kernel = attributes.get_ints("kernel_shape", ())
    if any(amount >= size for amount, size in zip(pads, (*kernel, *kernel), strict=True)):
        return False
    if attributes.get_int("ceil_mode") or any(size != 1 for size in attributes.get_ints("dilations", ())):
        return False
    if pool.op_type == "AveragePool":
        return bool(attributes.get_int("count_include_pad")) or not any(own_pads)
    return own_producer(pad.inputs[0], "FatRelu") is not None and len(pool.outputs) == 1


def _spatial_zero_pads(pad: ir.Node, spatial: int) -> tuple[int, ...] | None:
    """Return begins and ends of the spatial axes if a Pad writes zeros there and nowhere else."""
    if pad.attributes.get_string("mode", "constant") != "constant":
        return None
    fill, total_rank = operand(pad, 2), spatial + 2
    pads = full_pads(pad, total_rank)
    if pads is None or (fill is not None and scalar(fill) != 0.0):
        return None
    begins, ends = pads[:total_rank], pads[total_rank:]
    if any(begins[:2]) or any(ends[:2]) or min(pads) < 0:
        return None
    return (*begins[2:], *ends[2:])


def global_pool(node: ir.Node) -> bool:
    """A pool whose one window is the whole input is a global pool."""
    x, kernel = static_shape(node.inputs[0]), tuple(node.attributes.get_ints("kernel_shape", ()))
    if x is None or x[2:] != kernel or len(node.outputs) != 1 or any(node.attributes.get_ints("pads", (1,))):
        return False
    if static_shape(node.outputs[0]) != (*x[:2], *(1,) * len(kernel)):
        return False
    return become(node, "GlobalMaxPool" if node.op_type == "MaxPool" else "GlobalAveragePool", [node.inputs[0]], {})


def reduction(node: ir.Node) -> bool:
    """ReduceMean and ReduceMax over all spatial axes are global pools, with a Squeeze unless keepdims."""
    x, x_rank = node.inputs[0], rank(node.inputs[0])
    if x_rank is None or x_rank not in (3, 4, 5):
        return False
    axes_value = operand(node, 1)
    axes = integers(axes_value)
    if axes_value is None or axes is None or normalized_axes(axes, x_rank) != tuple(range(2, x_rank)):
        return False
    pool = "GlobalMaxPool" if node.op_type == "ReduceMax" else "GlobalAveragePool"
    if node.attributes.get_int("keepdims", 1):
        return become(node, pool, [x], {})
    sizes = dims(x) or ()
    pooled = insert_before(node, pool, [x], shape=ir.Shape([*sizes[:2], *(1,) * (x_rank - 2)]))
    return become(node, "Squeeze", [pooled, axes_value], {})


def remove_unit_pool(node: ir.Node) -> bool:
    """Turn a pool of one element into an Identity."""
    attributes = node.attributes
    is_unit = (
        len(node.outputs) == 1
        and all(size == 1 for key in ("kernel_shape", "strides") for size in attributes.get_ints(key, (2,)))
        and not any(attributes.get_ints("pads", (1,)))
        and constant(node.inputs[0]) is None
    )
    return is_unit and become(node, "Identity", [node.inputs[0]], {})


RULES: RuleTable = {
    "Conv": (explicit_conv, merge_pad),
    "MaxPool": (explicit_pool, merge_pad, remove_unit_pool, global_pool),
    "AveragePool": (explicit_pool, merge_pad, remove_unit_pool, global_pool),
    "ReduceMean": (reduction,),
    "ReduceMax": (reduction,),
}
