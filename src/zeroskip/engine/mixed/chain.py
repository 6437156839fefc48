"""Chain: a session's model for probing, whatever it is made of: native programs, islands between them, many shapes.

What :class:`..run.probe.ProbeProgram` is for one network at one input shape, a chain is for a model of parts: native
ones, whose constants can be changed, and islands. A part is compiled for the shapes it meets, and every change reaches
all of its programs. Steps, tensors and constants are numbered through all native parts, at the shapes of the example
the chain was made with. Not part of the public interface.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import ArrayLike

from ..plan.types import FloatArray, Plan
from ..plan.wiring import Link, Wiring
from ..run.probe import SavedRun
from ..run.region import Region
from .links import Island, LinkRun, NativeLink
from .model import MixedModel
from .parts import IslandPart

_PART = "part {}/"


@dataclass(frozen=True)
class SavedChain:
    """All that a run needs to go on from a step.

    Args:
        part: The part reached.
        run: Its run; None before it began.
        state: Of that run.
        values: What earlier parts computed.
    """

    part: int
    run: LinkRun | None
    state: SavedRun | None
    values: Mapping[str, Any]


class ProbeChain:
    """One model whose thresholds and constants may be changed between runs. Not for several threads at once.

    Args:
        parts: In the order in which they run.
        outputs: Names of the model's outputs.
        constants: Outputs that need no computing.
        example: Inputs of one run; its shapes are those the chain speaks of.

    Raises:
        ModelError: If a part cannot be run.
        EngineError: If one fails on the example.
    """

    def __init__(
        self,
        parts: Sequence[NativeLink | Island],
        outputs: Sequence[str],
        constants: Mapping[str, Any],
        example: Mapping[str, Any],
    ) -> None:
        self.parts = tuple(parts)
        self.output_names = tuple(outputs)
        self.constants = dict(constants)
        self._first: list[NativeLink] = []
        self.bases: dict[int, tuple[int, int]] = {}
        self._compile(example)
        self.plan = self._joined()
        self.wiring = ChainWiring(self)
        self.threshold_steps = {
            name: self.bases[number][0] + step
            for number, link in self._native()
            for name, step in link.first.threshold_steps.items()
        }

    def __repr__(self) -> str:
        return f"ProbeChain({len(self.parts)} parts, {len(self.plan.steps)} steps)"

    @property
    def is_native(self) -> bool:
        """Whether the model runs natively as a whole."""
        return len(self.parts) == len(self._first) == 1

    @property
    def isa(self) -> str:
        """The instruction set in use; empty where nothing is native."""
        return self._first[0].first.isa if self._first else ""

    @property
    def num_threads(self) -> int:
        """Threads of native steps."""
        return self._first[0].first.num_threads if self._first else 1

    @property
    def state_bytes(self) -> int:
        """Size of the largest state that is saved, apart from values between parts."""
        return max((link.first.state_bytes for link in self._first), default=0)

    def constant(self, step: int, role: str) -> FloatArray | None:
        """Return a constant of a step as it is now, None where the step has none of that role."""
        link, local = self._located(step)
        return link.first.constant(local, role)

    def original(self, step: int, role: str) -> FloatArray | None:
        """Return a constant of a step as the model came with it."""
        link, local = self._located(step)
        name = link.first.plan.steps[local].constants.get(role)
        return None if name is None else link.first.plan.constants[name]

    def channels(self, activation: str) -> int:
        """Return how many thresholds an activation takes."""
        return self._owner(activation).first.channels(activation)

    def set_thresholds(self, thresholds: Mapping[str, ArrayLike]) -> None:
        """Change thresholds; the other activations keep theirs.

        Raises:
            EngineError: If the core refuses a value.
        """
        for name, value in thresholds.items():
            self._owner(name).set_threshold(name, value)

    def reset_thresholds(self, names: Sequence[str]) -> None:
        """Give activations the thresholds that the model came with."""
        for name in names:
            self._owner(name).reset_threshold(name)

    def set_constants(self, step: int, arrays: Mapping[str, FloatArray]) -> None:
        """Change constants of one step; its others stay as they are now; raises EngineError if the core refuses."""
        link, local = self._located(step)
        link.set_constants(link.first.plan.steps[local].name, arrays)

    def start(self, feed: Mapping[str, Any]) -> ChainRun:
        """Begin a run.

        Args:
            feed: Inputs by name, of any shapes the model takes.
        """
        return ChainRun(self, feed)

    def step_of(self, part: int, name: str) -> int | None:
        """Return the number of a step by its name within its part."""
        local = self._link(part).steps.get(name)
        return None if local is None else self.bases[part][0] + local

    @property
    def heads(self) -> tuple[str, ...]:
        """What native parts hand over to islands alone: the last values that thresholds have moved natively."""
        taken = {name for link in self._first for name in link.input_names}
        return tuple(
            name for link in self._first for name in link.outputs if name not in taken and name not in self.output_names
        )

    def _compile(self, example: Mapping[str, Any]) -> None:
        """Run the example through, so that every part is compiled."""
        values = {**self.constants, **example}
        for part in self.parts:
            values.update(zip(part.outputs, part.run(values), strict=True))
            if isinstance(part, NativeLink) and part.is_compiled:
                self._first.append(part)

    def _native(self) -> list[tuple[int, NativeLink]]:
        return [(number, part) for number, part in enumerate(self.parts) if part in self._first]

    def _joined(self) -> Plan:
        """Return the plans of all native parts as one, for looking at; its arena is that of the largest."""
        native = self._native()
        if len(native) == 1:
            self.bases[native[0][0]] = (0, 0)
            return native[0][1].first.plan
        tensors: list[Any] = []
        steps: list[Any] = []
        constants: dict[str, FloatArray] = {}
        for number, link in native:
            plan, mark, base = link.first.plan, _PART.format(number), len(tensors)
            self.bases[number] = (len(steps), base)
            tensors += plan.tensors
            constants |= {mark + name: array for name, array in plan.constants.items()}
            steps += [
                replace(
                    step,
                    inputs=tuple(base + index for index in step.inputs),
                    outputs=tuple(base + index for index in step.outputs),
                    constants={role: mark + name for role, name in step.constants.items()},
                )
                for step in plan.steps
            ]
        arena = max((link.first.plan.arena_bytes for _, link in native), default=0)
        return Plan(tuple(tensors), tuple(steps), constants, (), (), arena)

    def _link(self, part: int) -> NativeLink:
        link = self.parts[part]
        assert isinstance(link, NativeLink)
        return link

    def place(self, step: int) -> tuple[int, int]:
        """Return part and number within it of a step."""
        part = max((number for number, (first, _) in self.bases.items() if first <= step), default=0)
        return part, step - self.bases[part][0]

    def _located(self, step: int) -> tuple[NativeLink, int]:
        part, local = self.place(step)
        return self._link(part), local

    def _owner(self, activation: str) -> NativeLink:
        for link in self._first:
            if activation in link.first.threshold_steps:
                return link
        raise KeyError(activation)


class ChainWiring:
    """Who reads what, within native parts; nothing is skipped across an island.

    Args:
        chain: The chain.
    """

    def __init__(self, chain: ProbeChain) -> None:
        self._chain = chain

    def weighted_consumers(self, step: int) -> tuple[Link, ...]:
        """Return the layers that read the result of a step; see :meth:`Wiring.weighted_consumers`."""
        wiring, base, local = self._place(step)
        return tuple(Link(base + found.step, found.channel) for found in wiring.weighted_consumers(local))

    def zero_readers(self, step: int) -> dict[int, float]:
        """Return the layers in whose operand zeros of a step's result are; see :meth:`Wiring.zero_readers`."""
        wiring, base, local = self._place(step)
        return {base + reader: share for reader, share in wiring.zero_readers(local).items()}

    def _place(self, step: int) -> tuple[Wiring, int, int]:
        """Return the wiring of the part that a step is in, the number of its first step, and the step's in it."""
        part, local = self._chain.place(step)
        link, base = self._chain.parts[part], self._chain.bases[part][0]
        assert isinstance(link, NativeLink)
        return link.first.wiring, base, local


class ChainRun:
    """One run of a :class:`ProbeChain`.

    Args:
        chain: What is run.
        feed: Its inputs.
    """

    def __init__(self, chain: ProbeChain, feed: Mapping[str, Any]) -> None:
        self._chain = chain
        self._values: dict[str, Any] = {**chain.constants, **feed}
        self._part = 0
        self._run: LinkRun | None = None
        self._runs: dict[int, LinkRun] = {}

    def advance(self, step: int | None = None, *, counts: bool = False) -> None:
        """Run up to a step, which is not run itself; to the end by default.

        Args:
            step: Not before the present one.
            counts: Whether to measure densities on the way.
        """
        last, local = (len(self._chain.parts), 0) if step is None else self._chain.place(step)
        while self._part < last:
            self._finish_part(counts)
        if step is not None:
            self._begin()
            assert self._run is not None
            self._run.run.advance(self._local(local), counts=counts)

    def save(self) -> SavedChain:
        """Remember what is needed to go on from here."""
        state = None if self._run is None else self._run.run.save()
        return SavedChain(self._part, self._run, state, dict(self._values))

    def restore(self, saved: SavedChain) -> None:
        """Go back to where a run with the same inputs was saved."""
        self._part, self._values = saved.part, dict(saved.values)
        self._run = saved.run
        if saved.run is None or saved.state is None:
            return
        if saved.part not in self._runs:  # of another run; this one has an arena of its own
            self._run = None
            self._begin()
        elif self._runs[saved.part] is not saved.run:
            self._run = self._runs[saved.part]
        assert self._run is not None
        self._run.run.restore(saved.state)

    def outputs(self) -> dict[str, Any]:
        """Return the outputs of a run that has come to its end, by name."""
        return {name: self._values[name] for name in self._chain.output_names}

    def value(self, name: str) -> Any:
        """Return what a part that has run handed on under a name, or an input."""
        return self._values[name]

    def densities(self) -> dict[int, float]:
        """Return, by step, the density of its masked input as it was last counted."""
        found = {}
        for part, run in self._runs.items():
            link = self._chain.parts[part]
            assert isinstance(link, NativeLink)
            names = link.names_of(run)
            for local, density in run.run.densities().items():
                step = self._chain.step_of(part, names[local])
                if step is not None:
                    found[step] = density
        return found

    def tensor(self, index: int) -> FloatArray:
        """Return a copy of a tensor of the part that is under way, as it is now; see :meth:`ProbeRun.tensor`."""
        assert self._run is not None
        return self._run.run.tensor(index - self._chain.bases[self._part][1])

    def _begin(self) -> None:
        if self._run is None:
            link = self._chain.parts[self._part]
            assert isinstance(link, NativeLink)
            self._run = self._runs[self._part] = link.start(self._values)

    def _local(self, step: int) -> int:
        """Return the number in the present run of a step of the example."""
        link = self._chain.parts[self._part]
        assert isinstance(link, NativeLink)
        assert self._run is not None
        return link.number_in(self._run, step)

    def _finish_part(self, counts: bool) -> None:
        link = self._chain.parts[self._part]
        if isinstance(link, NativeLink) and link.takes(self._values):
            self._begin()
            assert self._run is not None
            self._run.run.advance(counts=counts)
            results = link.results(self._run, self._values)
        else:
            results = link.run(self._values)
        self._values.update(zip(link.outputs, results, strict=True))
        self._part += 1
        self._run = None


def chain_of(way: Region | MixedModel, outputs: Sequence[str], example: Mapping[str, Any]) -> ProbeChain:
    """Return a chain of what a session runs.

    Args:
        way: A whole model, or one of parts.
        outputs: Names of the model's outputs.
        example: See :class:`ProbeChain`.
    """
    if isinstance(way, Region):
        return ProbeChain([NativeLink(way, tuple(outputs))], outputs, {}, example)
    parts = [
        Island(one) if isinstance(one, IslandPart) else NativeLink(one.region, tuple(one.part.outputs), one)
        for one in way.parts
    ]
    return ProbeChain(parts, outputs, way.constants, example)
