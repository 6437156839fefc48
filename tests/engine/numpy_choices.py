"""The native operators that choose among values, in numpy: what is best, where it is, and what lies there."""

from __future__ import annotations

import numpy as np

from zeroskip.engine.plan.types import Plan, Step

Arrays = list[np.ndarray]
Constants = dict[str, np.ndarray]


def arg_extreme(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    (x,), axis, find = operands, step.attributes["axis"], getattr(np, f"arg{step.attributes['kind']}")
    found = x.shape[axis] - 1 - find(np.flip(x, axis), axis) if step.attributes["last"] else find(x, axis)
    return found.reshape(plan.tensors[step.outputs[0]].shape).astype(np.float32)


def top_k(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> tuple[np.ndarray, ...]:
    (x,), axis, is_largest = operands, step.attributes["axis"], step.attributes["largest"]
    keys = np.nan_to_num(-x if is_largest else x, nan=-np.inf if is_largest else np.inf, posinf=None, neginf=None)
    indices = np.take(np.argsort(keys, axis, kind="stable"), range(step.attributes["k"]), axis)
    return np.take_along_axis(x, indices, axis), indices.astype(np.float32)


def gather_elements(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    (x, places), axis = operands, step.attributes["axis"]
    shape = plan.tensors[step.outputs[0]].shape
    region = x[tuple(slice(None) if each == axis else slice(size) for each, size in enumerate(shape))]
    return np.take_along_axis(region, np.broadcast_to(places, shape).astype(np.int64), axis)
