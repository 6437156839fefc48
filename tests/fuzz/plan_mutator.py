"""Mutates plans: sizes, places, indices, attributes, constants, the order of steps."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np

Plan = dict[str, Any]

_INTEGERS = (
    -(1 << 63), -(1 << 31), -64, -2, -1, 0, 1, 2, 3, 4, 8, 15, 16, 17, 32, 48, 64, 128, 192, 1 << 10, 1 << 16, 1 << 20,
    (1 << 20) + 1, 1 << 31, 1 << 32, 1 << 40, (1 << 40) + 64, 1 << 46, 1 << 62, (1 << 63) - 64, (1 << 63) - 1,
)  # fmt: skip
_FLOATS = (0.0, -0.0, 1.0, -1.0, 6.0, 1e-45, 1e-38, 1e38, float("inf"), float("-inf"), float("nan"))
_WORDS = (
    "",
    "nchw",
    "nhwc",
    "row",
    "auto",
    "sparse",
    "dense",
    "fatrelu",
    "none",
    "linear",
    "nearest",
    "edge",
    "reflect",
)
_ATTRIBUTES = (
    "kernel", "strides", "pads", "dilations", "groups", "axis", "axes", "size", "alpha", "beta", "bias",
    "scales", "mode",
    "k", "largest", "last", "max_value", "min_value", "activation", "algorithm", "crossover_density",
    "starts", "ends", "steps",
    "perm", "value", "direction",
)  # fmt: skip
_OPS = (
    "activation", "add", "affine", "arg_extreme", "avg_pool", "concat", "conv", "copy", "depthwise", "global_avg_pool",
    "global_max_pool", "broadcast", "constant", "expand", "gather", "gather_elements", "matmul", "normalize",
    "pixel_shuffle",
    "linear", "lrn", "max_pool", "mul", "pad", "recurrence", "reduce", "resize", "slice", "softmax", "to_nhwc",
    "to_row", "top_k", "transpose", "nothing",
)  # fmt: skip


def mutate_plan(plan: Plan, rng: random.Random) -> Plan:
    """Return a copy of a plan with one to four changes."""
    changed = {**plan, "tensors": [dict(tensor) for tensor in plan["tensors"]], "steps": copy.deepcopy(plan["steps"])}
    changed["inputs"], changed["outputs"] = list(plan["inputs"]), list(plan["outputs"])
    for _ in range(1 + min(3, int(rng.expovariate(1.2)))):
        rng.choice((_tensor, _tensor, _tensor, _attribute, _attribute, _array, _step, _graph))(changed, rng)
    return changed


def _number(old: int, rng: random.Random) -> int:
    if rng.random() < 0.5:
        return old + rng.choice((-64, -16, -2, -1, 1, 2, 16, 64))
    return rng.choice(_INTEGERS)


def _tensor(plan: Plan, rng: random.Random) -> None:
    tensor, other = rng.choice(plan["tensors"]), rng.choice(plan["tensors"])
    field = rng.choice(
        ("shape", "shape", "offset", "offset", "mask_offset", "pixel_stride", "layout", "masked", "borrow")
    )
    if field == "shape":
        _shape(tensor, other, rng)
    elif field in ("offset", "mask_offset", "pixel_stride"):
        source = rng.choice((tensor[field], other[field], other["offset"], other["mask_offset"]))
        tensor[field] = _clipped(source if rng.random() < 0.4 else _number(source, rng))
    elif field == "layout":
        tensor["layout"] = rng.choice(("row", "nhwc"))
    elif field == "masked":
        tensor["masked"] = not tensor["masked"]
        tensor["mask_offset"] = rng.choice((tensor["mask_offset"], other["mask_offset"], other["offset"]))
    else:
        tensor.update(other)


def _shape(tensor: dict[str, Any], other: dict[str, Any], rng: random.Random) -> None:
    shape = list(tensor["shape"])
    action = rng.choice(("borrow", "swap", "drop", "add", "change", "change", "change"))
    index = rng.randrange(len(shape)) if shape else 0
    if action == "borrow":
        shape = list(other["shape"])
    elif action == "swap" and shape:
        place = rng.randrange(len(shape))
        shape[index], shape[place] = shape[place], shape[index]
    elif action == "drop" and shape:
        del shape[index]
    elif action == "add":
        shape.insert(index, rng.choice((1, 2, 16)))
    elif shape:
        shape[index] = _clipped(_number(shape[index], rng))
    tensor["shape"] = shape


def _attribute(plan: Plan, rng: random.Random) -> None:
    if not plan["steps"]:
        return
    attributes = rng.choice(plan["steps"])["attributes"]
    key = rng.choice(list(attributes)) if attributes and rng.random() < 0.8 else rng.choice(_ATTRIBUTES)
    old = attributes.get(key)
    if rng.random() < 0.1:
        attributes.pop(key, None)
    elif isinstance(old, list | tuple) and old and rng.random() < 0.8:
        values = list(old)
        index = rng.randrange(len(values))
        is_float = isinstance(values[index], float)
        values[index] = rng.choice(_FLOATS) if is_float else _clipped(_number(values[index], rng))
        attributes[key] = values if rng.random() < 0.9 else values[:-1]
    elif isinstance(old, str):
        attributes[key] = rng.choice(_WORDS)
    elif isinstance(old, int):
        attributes[key] = _clipped(_number(old, rng))
    else:
        attributes[key] = rng.choice((rng.choice(_FLOATS), rng.choice(_INTEGERS), rng.choice(_WORDS), [1, 1]))


def _array(plan: Plan, rng: random.Random) -> None:
    holders = [step for step in plan["steps"] if step["arrays"]]
    if not holders:
        return
    step = rng.choice(holders)
    role = rng.choice(list(step["arrays"]))
    array = step["arrays"][role]
    action = rng.choice(("drop", "value", "shape", "cut", "dtype", "order", "rename", "rename", "borrow"))
    if action == "drop":
        del step["arrays"][role]
    elif action == "value" and array.size and array.dtype.kind == "f":
        array.reshape(-1)[rng.randrange(array.size)] = rng.choice(_FLOATS)
    elif action == "shape":
        step["arrays"][role] = array.reshape(-1) if rng.random() < 0.5 else array[None]
    elif action == "cut":
        step["arrays"][role] = np.ascontiguousarray(array[:-1])
    elif action == "dtype":
        with np.errstate(invalid="ignore", over="ignore"):  # NaN to an integer, say
            step["arrays"][role] = array.astype(rng.choice((np.float64, np.float16, ">f4", np.int32)))
    elif action == "order":
        step["arrays"][role] = np.asfortranarray(array) if rng.random() < 0.5 else array[::-1]
    elif action == "borrow":
        other = rng.choice(holders)
        step["arrays"][role] = rng.choice(list(other["arrays"].values()) or [array])
    else:  # several constants under one name
        step["constants"] = {**step.get("constants", {}), role: rng.choice(("k", "zeros", "zeros/16", ""))}


def _step(plan: Plan, rng: random.Random) -> None:
    steps = plan["steps"]
    if not steps:
        return
    index, other = rng.randrange(len(steps)), rng.randrange(len(steps))
    action = rng.choice(("drop", "swap", "repeat", "op", "inputs", "inputs", "outputs"))
    if action == "drop":
        del steps[index]
    elif action == "swap":
        steps[index], steps[other] = steps[other], steps[index]
    elif action == "repeat":
        steps.insert(other, copy.deepcopy(steps[index]))
    elif action == "op":
        steps[index]["op"] = rng.choice(_OPS)
    else:
        steps[index][action] = _indices(steps[index][action], len(plan["tensors"]), rng)


def _graph(plan: Plan, rng: random.Random) -> None:
    field = rng.choice(("inputs", "outputs", "arena_bytes", "arena_bytes", "num_threads"))
    if field == "arena_bytes":
        plan[field] = _clipped(_number(plan[field], rng))
    elif field == "num_threads":
        plan[field] = rng.choice((-1, 0, 1, 2, 3, 8, 1025))
    else:
        plan[field] = _indices(plan[field], len(plan["tensors"]), rng)


def _indices(old: Any, count: int, rng: random.Random) -> list[int]:
    indices = list(old)
    place = rng.randrange(len(indices)) if indices else 0
    action = rng.choice(("change", "change", "drop", "add"))
    value = rng.randrange(count) if rng.random() < 0.9 else rng.choice((-1, count, 1 << 30))
    if action == "drop" and indices:
        del indices[place]
    elif action == "add":
        indices.insert(place, value)
    elif indices:
        indices[place] = value
    return indices


def _clipped(value: int) -> int:
    return min((1 << 63) - 1, max(-(1 << 63), value))
