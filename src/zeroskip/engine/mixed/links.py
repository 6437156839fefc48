"""The two kinds of links of a chain: a native part whose constants can be changed, and what ONNX Runtime runs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...errors import LimitError, ModelError, ShapeError
from ..plan.types import FloatArray
from ..run.probe import ProbeProgram, ProbeRun
from ..run.region import PlannedRegion, Region
from ..signature import InputShapes
from .parts import IslandPart, NativePart

MAX_SHAPES = 16
"""Programs kept of one part; the least recently used goes."""


@dataclass(frozen=True, eq=False)
class _Program:
    """A native part at one shape of its inputs."""

    program: ProbeProgram
    planned: PlannedRegion
    steps: Mapping[str, int]

    @property
    def names(self) -> list[str]:
        """Names of the inputs it takes, in order."""
        plan = self.program.plan
        return [plan.tensors[index].name for index in plan.inputs]


@dataclass
class LinkRun:
    """One run of a native part.

    Args:
        run: The run of its program.
        owner: The program.
    """

    run: ProbeRun
    owner: _Program


class Island:
    """A part that ONNX Runtime runs.

    Args:
        part: The part.
    """

    def __init__(self, part: IslandPart) -> None:
        self._part = part
        self.outputs = tuple(part.part.outputs)

    def run(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the outputs."""
        return self._part.run(values)


class NativeLink:
    """A native part, or a whole model.

    Args:
        region: What is run.
        outputs: Names of its outputs.
        part: The part of a mixed model, which may be run another way at odd shapes; None for a whole model.
    """

    def __init__(self, region: Region, outputs: tuple[str, ...], part: NativePart | None = None) -> None:
        self.outputs = outputs
        self._region = region
        self._part = part
        self._programs: OrderedDict[InputShapes, _Program] = OrderedDict()
        self._first: _Program | None = None
        self._changes: dict[str, dict[str, FloatArray]] = {}

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of what it takes."""
        return self._region.input_names

    @property
    def is_compiled(self) -> bool:
        """Whether there is a program for any shape yet."""
        return self._first is not None

    @property
    def first(self) -> ProbeProgram:
        """The program for the shapes of the example."""
        assert self._first is not None
        return self._first.program

    @property
    def steps(self) -> Mapping[str, int]:
        """Steps of the first program by name."""
        assert self._first is not None
        return self._first.steps

    def run(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the outputs."""
        if not self.takes(values):
            assert self._part is not None
            return self._part.run(values)
        run = self.start(values)
        run.run.advance()
        return self.results(run, values)

    def takes(self, values: Mapping[str, Any]) -> bool:
        """Whether the part runs natively for these inputs; an odd shape may be one it cannot be compiled for."""
        try:
            self._program(values)
        except LimitError:
            raise
        except (ModelError, ShapeError):
            if self._part is None:
                raise
            return False
        return True

    def start(self, values: Mapping[str, Any]) -> LinkRun:
        """Begin a run with these inputs among the values."""
        found = self._program(values)
        return LinkRun(found.program.start(self.arrays(values)), found)

    def arrays(self, values: Mapping[str, Any]) -> list[FloatArray]:
        """Return the inputs among the values as the program for their shapes takes them."""
        return [np.ascontiguousarray(values[name], np.float32) for name in self._program(values).names]

    def results(self, run: LinkRun, values: Mapping[str, Any]) -> list[Any]:
        """Return the outputs of a run that has come to its end."""
        computed = run.run.outputs()
        return [source.of(computed, values) for source in run.owner.planned.sources]

    def names_of(self, run: LinkRun) -> list[str]:
        """Return the names of the steps of a run."""
        return list(run.owner.steps)

    def number_in(self, run: LinkRun, step: int) -> int:
        """Return the number in a run of a step of the first program."""
        if run.owner is self._first:
            return step
        return int(run.owner.steps[self.first.plan.steps[step].name])

    def set_threshold(self, activation: str, value: ArrayLike) -> None:
        """Change the threshold of an activation in all programs."""
        step = self.first.threshold_steps[activation]
        values = np.broadcast_to(np.asarray(value, np.float32), (self.first.channels(activation),))
        self.set_constants(self.first.plan.steps[step].name, {"thresholds": np.ascontiguousarray(values)})

    def reset_threshold(self, activation: str) -> None:
        """Give an activation the threshold that the model came with."""
        plan, step = self.first.plan, self.first.threshold_steps[activation]
        original = plan.constants[plan.steps[step].constants["thresholds"]]
        self.set_constants(plan.steps[step].name, {"thresholds": original})

    def set_constants(self, name: str, arrays: Mapping[str, FloatArray]) -> None:
        """Change constants of a step, by its name, in all programs."""
        self._changes[name] = self._changes.get(name, {}) | dict(arrays)
        for found in self._programs.values():
            if name in found.steps:
                found.program.set_constants(found.steps[name], arrays)

    def _program(self, values: Mapping[str, Any]) -> _Program:
        shapes = tuple(np.shape(values[name]) for name in self._region.input_names)
        if shapes in self._programs:
            self._programs.move_to_end(shapes)
            return self._programs[shapes]
        if any(0 in shape for shape in shapes):
            raise ShapeError("an input is empty")
        planned = self._region.planned(shapes)
        program = self._region.probe_of(planned)
        found = _Program(program, planned, {step.name: number for number, step in enumerate(program.plan.steps)})
        for name, arrays in self._changes.items():
            if name in found.steps:
                program.set_constants(found.steps[name], arrays)
        self._programs[shapes] = found
        self._first = self._first or found
        while len(self._programs) > MAX_SHAPES:
            oldest = next(key for key, kept in self._programs.items() if kept is not self._first)
            del self._programs[oldest]
        return found
