"""Probing: a compiled network whose thresholds and constants can be changed, and runs that go on from any step.

This is what a search over thresholds needs: a change takes the time of making one step anew (microseconds,
weights stay packed), and what lies before the changed step is not computed again. Not part of the public
interface.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import EngineError
from ..native import CompiledPlan, core
from ..plan.liveness import Liveness
from ..plan.types import FloatArray, Plan
from ..plan.wiring import ByteRange, Wiring, arena_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROLE = "thresholds"
_MARK = ":thresholds"


@dataclass(frozen=True)
class SavedRun:
    """All that a run needs to go on from a step.

    Args:
        step: The next step.
        ranges: Where in the arena the bytes belong.
        content: uint8, the bytes one range after the other.
        outputs: Copies of the graph's outputs, by place; None for those that were not written yet.
    """

    step: int
    ranges: tuple[ByteRange, ...]
    content: NDArray[np.uint8]
    outputs: tuple[FloatArray | None, ...]


class ProbeProgram:
    """One network at one input shape, with constants that may be changed between runs.

    Args:
        plan: With its constants, which are kept: twice the memory of the weights.
        compiled: The same plan, compiled.
        weights: Store of packed weights that it was compiled with.
        keys: Name of the rectified value in the plan to the name of its activation.

    Not safe to use from several threads: a change must not overlap with a run.
    """

    def __init__(self, plan: Plan, compiled: CompiledPlan, weights: Any, keys: Mapping[str, str]) -> None:
        self.plan = plan
        self._program = compiled.program
        self._weights = weights
        self.wiring = Wiring(plan)
        self._liveness = Liveness.of(plan)
        self._changed: dict[int, dict[str, FloatArray]] = {}
        self._changes = 0
        self.threshold_steps: dict[str, int] = {
            keys[name]: number
            for number, step in enumerate(plan.steps)
            if (name := step.constants.get(_ROLE, "").removesuffix(_MARK)) in keys
        }

    def __repr__(self) -> str:
        return f"ProbeProgram({len(self.plan.steps)} steps, {len(self.threshold_steps)} activations)"

    @property
    def isa(self) -> str:
        """The instruction set in use."""
        return str(self._program.isa)

    @property
    def num_threads(self) -> int:
        """Threads of every run."""
        return int(self._program.num_threads)

    @property
    def state_bytes(self) -> int:
        """Size of the largest :class:`SavedRun`."""
        states = (self._liveness.before(step) for step in range(len(self.plan.steps)))
        return max((sum(size for _, size in ranges) for ranges in states), default=0)

    def constant(self, step: int, role: str) -> FloatArray | None:
        """Return a constant of a step as it is now, None where the step has none of that role."""
        changed = self._changed.get(step, {})
        name = self.plan.steps[step].constants.get(role)
        return changed[role] if role in changed else None if name is None else self.plan.constants[name]

    def channels(self, activation: str) -> int:
        """Return how many thresholds an activation takes."""
        threshold = self.constant(self.threshold_steps[activation], _ROLE)
        assert threshold is not None
        return threshold.size

    def set_thresholds(self, thresholds: Mapping[str, ArrayLike]) -> None:
        """Change thresholds; the other activations keep theirs.

        Args:
            thresholds: Activation to one T for all channels, or one for each.

        Raises:
            EngineError: If the core refuses a value.
            KeyError: If there is no such activation.
        """
        for name, value in thresholds.items():
            values = np.broadcast_to(np.asarray(value, np.float32), (self.channels(name),))
            self.set_constants(self.threshold_steps[name], {_ROLE: np.ascontiguousarray(values)})

    def reset_thresholds(self, names: Sequence[str]) -> None:
        """Give activations the thresholds that the model came with."""
        for name in names:
            step = self.threshold_steps[name]
            original = self.plan.constants[self.plan.steps[step].constants[_ROLE]]
            self.set_constants(step, {_ROLE: original})

    def set_constants(self, step: int, arrays: Mapping[str, FloatArray]) -> None:
        """Change constants of one step; its others stay as they are now.

        Args:
            step: Number of the step.
            arrays: Role to float32 array, of the shape of the present one. A role that the step has no
                constant for yet (a bias) is added.

        Raises:
            EngineError: If the core refuses them.
        """
        if all(_equal(self.constant(step, role), array) for role, array in arrays.items()):
            return
        names = self.plan.steps[step].constants
        changed = self._changed.get(step, {}) | dict(arrays)
        constants = {role: self.plan.constants[name] for role, name in names.items()} | changed
        self._changes += 1  # a name of its own for each change: the store knows constants by their names
        renamed = {role: f"{self._changes}/{step}/{role}" for role in changed}
        try:
            self._program.replace_constants(step, constants, dict(names) | renamed, self._weights)
        except core().Error as error:
            raise EngineError(str(error)) from error
        self._changed[step] = changed

    def profile(self, inputs: Sequence[FloatArray], iterations: int) -> list[dict[str, Any]]:
        """Time every step of a run with the present thresholds and constants; raises like :meth:`start`.

        Args:
            inputs: In the order of the graph.
            iterations: Runs of every step.

        Returns:
            By step: ``min_ms``, ``median_ms``, ``density``, ``steady_density`` and what the core says besides.
        """
        try:
            return list(self._program.profile(list(inputs), iterations))
        except core().Error as error:
            raise EngineError(str(error)) from error

    def start(self, inputs: Sequence[FloatArray]) -> ProbeRun:
        """Begin a run.

        Args:
            inputs: In the order of the graph.

        Raises:
            EngineError: If they do not fit.
        """
        try:
            return ProbeRun(self, core().StepwiseRun(self._program, list(inputs)), self._liveness)
        except core().Error as error:
            raise EngineError(str(error)) from error


class ProbeRun:
    """One run of a :class:`ProbeProgram`; holds one arena.

    Args:
        program: What is run.
        native: ``_core.StepwiseRun``.
        liveness: Of the plan.
    """

    def __init__(self, program: ProbeProgram, native: Any, liveness: Liveness) -> None:
        self._plan = program.plan
        self._native = native
        self._liveness = liveness
        self.step = 0

    def advance(self, step: int | None = None, *, counts: bool = False) -> None:
        """Run up to a step, which is not run itself; to the end by default.

        Args:
            step: Not before the present one.
            counts: Whether to measure densities on the way.
        """
        last = len(self._plan.steps) if step is None else step
        self._native.run(self.step, last, counts)
        self.step = last

    def save(self) -> SavedRun:
        """Copy what is needed to go on from here."""
        ranges = self._liveness.before(self.step)
        written = {index for step in self._plan.steps[: self.step] for index in step.outputs}
        outputs = tuple(
            np.array(array) if index in written else None
            for index, array in zip(self._plan.outputs, self._native.outputs, strict=True)
        )
        return SavedRun(self.step, tuple(ranges), self._native.save(ranges), outputs)

    def restore(self, saved: SavedRun) -> None:
        """Go back to where a run of the same program and the same inputs was saved."""
        self._native.load(list(saved.ranges), saved.content)
        for array, copy in zip(self._native.outputs, saved.outputs, strict=True):
            if copy is not None:
                np.copyto(array, copy)
        self.step = saved.step

    def outputs(self) -> list[FloatArray]:
        """Return copies of the outputs of a run that has come to its end."""
        return [np.array(array) for array in self._native.outputs]

    def densities(self) -> dict[int, float]:
        """Return, by step, the density of its masked input as it was last counted."""
        return dict(self._counted())

    def tensor(self, index: int) -> FloatArray:
        """Return a copy of a tensor of the arena as it is now: ``[N, H, W, C]``, or its shape in row layout.

        Only what a step before the present one wrote and nothing has overwritten is meaningful.
        """
        spec = self._plan.tensors[index]
        values: FloatArray = self._native.save([arena_ranges(spec)[0]]).view(np.float32)
        if spec.layout == "row":
            return values.reshape(spec.shape)
        batch, channels, height, width = spec.shape
        padded = np.zeros(spec.pixels * spec.pixel_stride, np.float32)
        padded[: values.size] = values
        pixels: FloatArray = padded.reshape(batch, height, width, spec.pixel_stride)
        return pixels[..., :channels]

    def _counted(self) -> Iterator[tuple[int, float]]:
        for step, density in enumerate(self._native.densities):
            if density is not None:
                yield step, density


def _equal(present: FloatArray | None, wanted: FloatArray) -> bool:
    return present is not None and present.shape == wanted.shape and np.array_equal(present, wanted)
