"""The seam to the native core: turns plans into programs and native errors into :class:`EngineError`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ..errors import EngineError
from .plan.types import FloatArray, Plan, Step, TensorSpec


@functools.cache
def core() -> ModuleType:
    """Return the native module.

    Raises:
        EngineError: If it was not built.
    """
    try:
        from .. import _core
    except ImportError as error:
        raise EngineError(f"the native core is missing ({error}); install zeroskip with pip, or build it") from error
    module: ModuleType = _core
    return module


class RefusedStepError(EngineError):
    """The core refused a step that the planner emitted: they disagree about what is possible.

    Args:
        message: What the core says.
        step: The step.
    """

    def __init__(self, message: str, step: Step) -> None:
        super().__init__(message)
        self.step = step


@dataclass(frozen=True)
class CompiledPlan:
    """A plan and the native program made from it.

    Args:
        plan: The plan, without its constants: the program has packed what it needs.
        program: ``_core.Program``; safe to run from several threads at once.
    """

    plan: Plan
    program: Any

    def run(self, inputs: Sequence[FloatArray]) -> list[FloatArray]:
        """Return the outputs for inputs in plan order; raises EngineError."""
        try:
            return list(self.program.run(list(inputs)))
        except core().Error as error:
            raise EngineError(str(error)) from error

    def profile(self, inputs: Sequence[FloatArray], iterations: int) -> list[dict[str, Any]]:
        """Return what the program measures per step; raises EngineError."""
        try:
            return list(self.program.profile(list(inputs), iterations))
        except core().Error as error:
            raise EngineError(str(error)) from error


def machine(threads: int, isa: str | None) -> tuple[str, int]:
    """Return instruction set and number of threads of the programs made with these; raises EngineError."""
    nothing = Plan((), (), {}, (), (), 0)
    program = compile_plan(nothing, new_weight_store(), threads, isa).program
    return str(program.isa), int(program.num_threads)


def isa_multiplies_bf16(isa: str) -> bool:
    """Return whether an instruction set multiplies bf16 by an instruction; raises EngineError."""
    try:
        return bool(core().multiplies_bf16(isa))
    except core().Error as error:
        raise EngineError(str(error)) from error


def new_weight_store() -> Any:
    """Return an empty store of packed weights, to be shared by the programs of one model."""
    return core().WeightStore()


def new_arena_pool() -> Any:
    """Return an empty pool of memory that the runs of one model take turns with, whatever their input shapes."""
    return core().ArenaPool()


def compile_plan(
    plan: Plan, weights: Any, threads: int = 0, isa: str | None = None, memory: Any = None
) -> CompiledPlan:
    """Make a plan executable.

    Args:
        plan: With its constants.
        weights: Store of packed weights, from :func:`new_weight_store`.
        threads: Threads that share the work of a run; 0 for all CPUs of the process's affinity.
        isa: Instruction set; None for the best.
        memory: Where runs take their memory from, from :func:`new_arena_pool`; None for a pool of its own.

    Raises:
        RefusedStepError: If the core refuses a step.
        EngineError: If it refuses the plan or the instruction set.
    """
    native = core()
    try:
        program = native.Program(
            tensors=[_tensor_dict(tensor) for tensor in plan.tensors],
            steps=[_step_dict(plan, step) for step in plan.steps],
            inputs=list(plan.inputs),
            outputs=list(plan.outputs),
            arena_bytes=plan.arena_bytes,
            num_threads=threads,
            isa=isa,
            weights=weights,
            memory=memory,
        )
    except native.StepError as error:
        message = f"the native core refused the plan: {error}"
        raise RefusedStepError(message, plan.steps[error.step]) from error
    except native.Error as error:
        raise EngineError(f"the native core refused the plan: {error}") from error
    return CompiledPlan(plan.without_constants(), program)


def _tensor_dict(tensor: TensorSpec) -> dict[str, Any]:
    return vars(tensor) | {"shape": list(tensor.shape)}


def _step_dict(plan: Plan, step: Step) -> dict[str, Any]:
    return {
        "op": step.op,
        "name": step.name,
        "inputs": list(step.inputs),
        "outputs": list(step.outputs),
        "attributes": {
            key: list(value) if isinstance(value, tuple) else value for key, value in step.attributes.items()
        },
        "constants": dict(step.constants),
        "arrays": {role: plan.constants[name] for role, name in step.constants.items()},
    }
