"""The fuzz target of the importer: bytes in, a plan or an error of ours out."""

from __future__ import annotations

import functools
import logging
import os
import random
import warnings

import numpy as np
import onnx_ir as ir

from zeroskip.engine.native import compile_plan, new_weight_store
from zeroskip.engine.plan.build import build_plan
from zeroskip.engine.plan.types import Plan
from zeroskip.engine.signature import Signature
from zeroskip.errors import EngineError, ZeroskipError
from zeroskip.onnx import check_supported, load_model, prepare, specialize
from zeroskip.onnx.rewriting import release_weights

from .bombs import bombs
from .model_mutator import ModelMutator
from .seeds import onnx_node_tests, own_models

logging.getLogger("onnx_ir").setLevel(logging.CRITICAL)

_MAX_ARENA_BYTES = 1 << 22
_MAX_MACS = 1 << 22


@functools.cache
def mutator() -> ModelMutator:
    """Return the mutator of the whole corpus: our own models weigh as much as all others; one in thirty is a bomb."""
    own, others = own_models(), () if os.environ.get("FUZZ_OWN_MODELS_ONLY") else onnx_node_tests()
    usual = [*own * max(1, len(others) // len(own)), *others]
    return ModelMutator([*usual * max(1, 30 * len(bombs()) // len(usual)), *bombs()])


def execute(seed: str) -> str:
    """Import the mutant of a seed; return how that ended."""
    return import_model(mutator().mutant(seed), random.Random(seed).random() < 0.25)


def import_model(data: bytes, runs: bool = True) -> str:
    """Take a serialized model the way a session takes it, up to its plan.

    Args:
        data: The model.
        runs: Whether to run a plan that is small.

    Returns:
        "planned", "ran", or the name of the error that refused the model.

    Raises:
        AssertionError: If the core refuses what the planner made.
        Exception: Whatever else escapes: a finding.
    """
    made: list[ir.Model] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plan = _planned(data, made)
    except ZeroskipError as error:
        return type(error).__name__
    finally:
        for model in made:  # as a session does when it ends
            release_weights(model)
    if not runs or plan.arena_bytes > _MAX_ARENA_BYTES or plan.macs > _MAX_MACS:
        return "planned"
    if any(len(tensor.shape) and np.prod(tensor.shape) > _MAX_ARENA_BYTES for tensor in plan.tensors):
        return "planned"
    try:
        compiled = compile_plan(plan, new_weight_store(), threads=1)
    except EngineError as error:
        raise AssertionError(f"the planner made what the core refuses: {error}") from error
    compiled.run([np.ones(plan.tensors[index].shape, np.float32) for index in plan.inputs])
    return "ran"


def _planned(data: bytes, made: list[ir.Model]) -> Plan:
    """Return the plan of a serialized model; the graphs on the way are added to a list."""
    loaded = load_model(data)
    made.append(loaded)
    signature = Signature.of(loaded)
    prepared = prepare(loaded)
    made.append(prepared)
    shapes = signature.default_shapes()
    if shapes is None:
        wanted = signature.guessed_shapes()
    else:
        wanted = dict(zip([argument.name for argument in signature.inputs], shapes, strict=True))
    model = specialize(prepared, wanted)
    made.append(model)
    check_supported(model)
    return build_plan(model)
