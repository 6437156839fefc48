"""Stream: one batch on its way through a network, which goes on from where it was left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...engine.plan.types import FloatArray
from ..judging.outputs import Outputs
from .network import Network

if TYPE_CHECKING:
    from ...analysis.inputs import Feed
    from ...engine.mixed.chain import ChainRun, ProbeChain, SavedChain

MAX_STATE_BYTES = 1280 << 20
"""Memory for the intermediate states of all streams together; enough for some 270 photographs in most networks."""


@dataclass
class Stream:
    """One batch in one program.

    Args:
        network: The network; its thresholds and weights may change behind the place reached.
        feed: Its inputs.
        count: How many of the batch are real.
        saved: The state at the place reached; None at the start.
    """

    network: Network
    feed: Feed
    count: int
    saved: SavedChain | None = None

    def advance(self, step: int) -> ChainRun:
        """Run up to a step, remember the state there, and return the run."""
        run = self._resume()
        run.advance(step)
        self.saved = run.save()
        return run

    def operands(self, step: int) -> list[FloatArray]:
        """Run up to a step and return what it is about to read, ``[count, ...]`` each."""
        run = self.advance(step)
        return [run.tensor(tensor)[: self.count] for tensor in self.network.plan.steps[step].inputs]

    def outputs(self) -> Outputs:
        """Run to the end from where the stream is, and return the outputs, ``[count, ...]`` each."""
        run = self._resume()
        run.advance()
        return self.network.outputs_of(run, self.count)

    def _resume(self) -> ChainRun:
        run = self.network.program.start(self.feed)
        if self.saved is not None:
            run.restore(self.saved)
        return run


def affordable_streams(program: ProbeChain) -> int:
    """Return how many streams of a program keep within :data:`MAX_STATE_BYTES`."""
    return MAX_STATE_BYTES // max(1, program.state_bytes)
