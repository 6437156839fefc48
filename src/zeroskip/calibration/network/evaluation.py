"""Evaluating thresholds: outputs, densities and sparsity of the network with them, over a data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from ...analysis.inputs import Feed
from ...data import Dataset
from ...journal import Arrays, digest
from ...progress import Progress, Steps
from ...thresholds import Threshold
from ..judging.outputs import Outputs
from .network import Densities, Network, Thresholds
from .samples import Sampler, Values
from .work import Work

_CACHE_BYTES = 1 << 30


@dataclass(frozen=True)
class Evaluation:
    """What came of one set of thresholds.

    Args:
        outputs: Of the model, by name.
        densities: Of what steps with a mask read, by step, over all inputs.
        sparsity: Sparsity of what the skipping layers read, weighted by MACs.
    """

    outputs: Outputs
    densities: Densities
    sparsity: float


class Evaluator:
    """Runs one network with different thresholds over one data set.

    Args:
        network: The network; several evaluators may share it.
        data: What to feed. Up to 1 GiB of it is kept in memory, preprocessed.
        work: Knows what was computed before, and how much time is left.
    """

    def __init__(self, network: Network, data: Dataset, work: Work | None = None) -> None:
        self.network = network
        self.data = data
        self._work = work or Work()

    @cached_property
    def dense(self) -> Evaluation:
        """The model as it is."""
        return self.evaluate({})

    def evaluate(self, thresholds: Thresholds) -> Evaluation:
        """Run everything with these thresholds.

        Args:
            thresholds: Activation to T; those not named stay as the model has them.

        Raises:
            EngineError: If the engine fails.
        """
        self.network.set_thresholds(thresholds)
        found = self._work.recall(lambda: self._key("evaluate", dict(thresholds)), self._measure)
        mean = dict(zip(found["steps"].tolist(), found["densities"].tolist(), strict=True))
        return Evaluation(unpacked(found), mean, self.network.sparsity(mean))

    def _measure(self) -> Arrays:
        """Run everything; return outputs and mean densities."""
        outputs, densities, weights = [], [], []
        for feed, count in self.batches():
            run = self.network.program.start(feed)
            run.advance(counts=True)
            outputs.append(self.network.outputs_of(run, count))
            densities.append(run.densities())
            weights.append(count)
        known = set.intersection(*map(set, densities))
        mean = {step: float(np.average([item[step] for item in densities], weights=weights)) for step in sorted(known)}
        steps = np.array(list(mean), np.int64)
        return packed(Outputs.joined(outputs)) | {"steps": steps, "densities": np.array(list(mean.values()))}

    def _key(self, kind: str, *parts: object) -> bytes:
        return digest(kind, self.network.identity, self._fingerprint, *parts)

    @property
    def input_shapes(self) -> list[Any] | None:
        """Shape of every input; None where all are alike."""
        if self.data.is_uniform:
            return None
        return [tuple(array.shape for array in feed.values()) for feed, _ in self.batches()]

    @cached_property
    def _fingerprint(self) -> bytes:
        """What the inputs are: all values where they are kept in memory, else their names and the first of them."""
        if self._fits:
            return digest([feed for feed, _ in self._cached])
        return digest(self.data.description, self.data.names, next(iter(self._load()))[0])

    def outputs(self, thresholds: Thresholds) -> Outputs:
        """Return the outputs only, as :meth:`evaluate`."""
        self.network.set_thresholds(thresholds)
        return Outputs.joined([self._run(feed, count) for feed, count in self.batches()])

    def _run(self, feed: Feed, count: int) -> Outputs:
        run = self.network.program.start(feed)
        run.advance()
        return self.network.outputs_of(run, count)

    def sample(self, names: Sequence[str], seed: int, progress: Progress | None) -> dict[str, Values]:
        """Look at the values of activations of the model as it is.

        Args:
            names: Activations, in the order of the graph.
            seed: Of the sampling.
            progress: Told of each batch.
        """
        self.network.set_thresholds({})
        sampler, plan = Sampler(len(self.data), seed), self.network.plan
        steps = Steps(progress, "looking at activations", len(self.data))
        for feed, count in self.batches():
            run = self.network.program.start(feed)
            for name in names:
                place = self.network.place(name)
                run.advance(place + 1)
                sampler.add(name, run.tensor(plan.steps[place].outputs[0])[:count])
            steps.advance(count)
        return dict(sampler.result())

    def variants(
        self,
        base: Thresholds,
        variants: Mapping[str, Sequence[Threshold]],
        progress: Progress | None = None,
        what: str = "probing sensitivity of layers",
    ) -> dict[str, list[Outputs]]:
        """Return the outputs when one activation at a time gets other thresholds.

        Every run goes on from where its activation is computed; the part before is computed once per batch.

        Args:
            base: Thresholds of all other activations.
            variants: Activation to the thresholds to try, in the order of the graph.
            progress: Told of each activation.
            what: What to call it.
        """
        self.network.set_thresholds(base)
        found: dict[str, list[list[Outputs]]] = {name: [[] for _ in tried] for name, tried in variants.items()}
        steps = Steps(progress, what, len(variants) * -(-len(self.data) // self.network.batch_size))
        key = cache(lambda: self._key("variants", dict(base), {name: list(tried) for name, tried in variants.items()}))
        for number, (feed, count) in enumerate(self.batches()):
            outputs = self._work.recall(
                lambda number=number: digest(key(), number),  # type: ignore[misc]
                lambda feed=feed, count=count: self._batch_variants(feed, count, base, variants, steps),  # type: ignore[misc]
            )
            places = iter(range(len(outputs)))
            for results in found.values():
                for result in results:
                    result.append(unpacked(outputs, f"{next(places)}:"))
        return {name: [Outputs.joined(parts) for parts in results] for name, results in found.items()}

    def _batch_variants(
        self,
        feed: Feed,
        count: int,
        base: Thresholds,
        variants: Mapping[str, Sequence[Threshold]],
        steps: Steps,
    ) -> Arrays:
        """Return the outputs of one batch for all variants, in order, packed with their number in front."""
        program = self.network.program
        run, found = program.start(feed), []
        for name, tried in variants.items():
            run.advance(self.network.place(name))
            saved = run.save()
            for threshold in tried:
                program.set_thresholds({name: threshold})
                run.restore(saved)
                run.advance()
                found.append(self.network.outputs_of(run, count))
            self.network.set_thresholds(base)
            if name not in base:
                program.reset_thresholds([name])
            run.restore(saved)
            steps.advance()
        return {
            name: array for place, outputs in enumerate(found) for name, array in packed(outputs, f"{place}:").items()
        }

    def batches(self) -> Iterable[tuple[Feed, int]]:
        """Yield the inputs batch by batch, with how many of them are real."""
        return self._cached if self._fits else self._load()

    @cached_property
    def _fits(self) -> bool:
        feed, count = next(iter(self._load()))
        return len(self.data) * sum(array.nbytes for array in feed.values()) <= _CACHE_BYTES * max(1, count)

    @cached_property
    def _cached(self) -> list[tuple[Feed, int]]:
        return list(self._load())

    def _load(self) -> Iterator[tuple[Feed, int]]:
        return self.network.feeds(self.data)


_FIXED, _ROW, _HIDDEN = "out", "row", "hid"


def packed(outputs: Outputs, mark: str = "") -> Arrays:
    """Return outputs as arrays that a journal can keep; rows of different shapes one by one."""
    found: Arrays = {}
    for name, column in outputs.items():
        kind = _HIDDEN if name in outputs.hidden else _FIXED
        if isinstance(column, np.ndarray):
            found[f"{mark}{kind}:{name}"] = column
        else:
            found |= {f"{mark}{kind}{_ROW}{place}:{name}": row for place, row in enumerate(column)}
    return found


def unpacked(arrays: Arrays, mark: str = "") -> Outputs:
    """Return the outputs that :func:`packed` made these arrays of."""
    columns: dict[str, Any] = {}
    hidden = set()
    for key, array in arrays.items():
        kind, _, name = key.removeprefix(mark).partition(":")
        if not key.startswith(mark) or kind[:3] not in (_FIXED, _HIDDEN):
            continue
        if kind[:3] == _HIDDEN:
            hidden.add(name)
        if kind[3:].startswith(_ROW):
            columns.setdefault(name, []).append(array)
        else:
            columns[name] = array
    return Outputs(columns, hidden)
