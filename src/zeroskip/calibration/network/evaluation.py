"""Evaluating thresholds: outputs, densities and sparsity of the network with them, over a data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from ...analysis import ModelInput
from ...data import Dataset
from ...engine.plan.types import FloatArray
from ...journal import Arrays, digest
from ...progress import Progress, Steps
from ...thresholds import Threshold
from ..judging.metric import Outputs
from .network import Densities, Network, Thresholds
from .samples import Sampler, Values
from .work import Work

_CACHE_BYTES = 1 << 30


@dataclass(frozen=True)
class Evaluation:
    """What came of one set of thresholds.

    Args:
        outputs: float32 ``[N, ...]``, the model's first output.
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
        model_input: Its input.
        data: What to feed. Up to 1 GiB of it is kept in memory, preprocessed.
        work: Knows what was computed before, and how much time is left.
    """

    def __init__(
        self, network: Network, model_input: ModelInput, data: Dataset, work: Work | None = None
    ) -> None:
        self.network = network
        self.data = data
        self._model_input = model_input
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
        return Evaluation(found["outputs"], mean, self.network.sparsity(mean))

    def _measure(self) -> Arrays:
        """Run everything; return outputs and mean densities."""
        outputs, densities, weights = [], [], []
        for batch, count in self.batches():
            run = self.network.program.start([batch])
            run.advance(counts=True)
            outputs.append(run.outputs()[0][:count])
            densities.append(run.densities())
            weights.append(count)
        mean = {step: float(np.average([item[step] for item in densities], weights=weights)) for step in densities[0]}
        steps = np.array(list(mean), np.int64)
        return {"outputs": np.concatenate(outputs), "steps": steps, "densities": np.array(list(mean.values()))}

    def _key(self, kind: str, *parts: object) -> bytes:
        return digest(kind, self.network.identity, self._fingerprint, *parts)

    @cached_property
    def _fingerprint(self) -> bytes:
        """What the inputs are: all values where they are kept in memory, else their names and the first of them."""
        if self._fits:
            return digest([batch for batch, _ in self._cached])
        return digest(self.data.description, self.data.names, next(iter(self._load()))[0])

    def outputs(self, thresholds: Thresholds) -> Outputs:
        """Return the outputs only, as :meth:`evaluate`."""
        self.network.set_thresholds(thresholds)
        return np.concatenate([self._run(batch)[:count] for batch, count in self.batches()])

    def _run(self, batch: FloatArray) -> Outputs:
        run = self.network.program.start([batch])
        run.advance()
        return run.outputs()[0]

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
        for batch, count in self.batches():
            run = self.network.program.start([batch])
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
        for number, (batch, count) in enumerate(self.batches()):
            outputs = self._work.recall(
                lambda number=number: digest(key(), number),  # type: ignore[misc]
                lambda batch=batch, count=count: self._batch_variants(batch, count, base, variants, steps),  # type: ignore[misc]
            )
            places = iter(range(len(outputs)))
            for results in found.values():
                for result in results:
                    result.append(outputs[f"arr_{next(places)}"])
        return {name: [np.concatenate(parts) for parts in results] for name, results in found.items()}

    def _batch_variants(
        self,
        batch: FloatArray,
        count: int,
        base: Thresholds,
        variants: Mapping[str, Sequence[Threshold]],
        steps: Steps,
    ) -> Arrays:
        """Return the outputs of one batch for all variants, in order, called as ``numpy.savez`` would."""
        program = self.network.program
        run, found = program.start([batch]), []
        for name, tried in variants.items():
            run.advance(self.network.place(name))
            saved = run.save()
            for threshold in tried:
                program.set_thresholds({name: threshold})
                run.restore(saved)
                run.advance()
                found.append(run.outputs()[0][:count])
            self.network.set_thresholds(base)
            if name not in base:
                program.reset_thresholds([name])
            run.restore(saved)
            steps.advance()
        return {f"arr_{place}": outputs for place, outputs in enumerate(found)}

    def batches(self) -> Iterable[tuple[FloatArray, int]]:
        """Yield the inputs batch by batch, with how many of them are real."""
        return self._cached if self._fits else self._load()

    @cached_property
    def _fits(self) -> bool:
        return 4 * len(self.data) * int(np.prod(self.data.sample_shape)) <= _CACHE_BYTES

    @cached_property
    def _cached(self) -> list[tuple[FloatArray, int]]:
        return list(self._load())

    def _load(self) -> Iterator[tuple[FloatArray, int]]:
        size = self.network.batch_size
        for feed, count in self._model_input.feeds(self.data, size):
            batch = feed[self._model_input.name]
            if len(batch) < size:  # the program takes batches of one size
                batch = np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])
            yield batch, count
