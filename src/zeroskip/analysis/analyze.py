"""`analyze`: from a model and real inputs to a :class:`SparsityProfile`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import Dataset
from ..errors import DataError
from ..progress import Progress
from ..system import cpu_model
from ..thresholds import ThresholdSet
from .curves import ROUNDS, StepMeasurement, fixed_times, measure_steps, timing_error
from .inputs import Feed, ModelInput, warn_of_other_preprocessing
from .observation import ActivationValues, observe
from .precisions import lacking_precisions, other_precisions, own_precision, precision_times, predicted_int8
from .reasons import reason_against_skipping
from .records import ActivationSparsity, LayerSparsity
from .sparsity_profile import SparsityProfile

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..engine import ExplainedStep, InferenceSession, SessionOptions
    from ..onnx import Activation, Labels
    from ..onnx.load import ModelSource

GAINS = (0.1, 0.2, 0.3)
"""Increases of sparsity that times are predicted for."""
_THINNED_FRACTIONS = (0.3, 0.6, 0.85)
_MAX_SAMPLES = 64
# The planner marks a second copy of a value in another layout so.
_LAYOUT_SUFFIX = re.compile(r":(nhwc|row)$")


def analyze(
    model: ModelSource,
    data: Any,
    *,
    batch_size: int = 1,
    threads: int | None = None,
    isa: str | None = None,
    samples: int = _MAX_SAMPLES,
    predict: bool = True,
    random_input: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> SparsityProfile:
    """Measure how sparse a model's activations are on real data, where time goes, and what skipping brings.

    Args:
        model: ONNX file, its content, or a loaded model (``zeroskip.onnx.LoadedModel`` keeps its name and hash).
        data: Real inputs, evenly spread ones of which are used: a data set, or what
            :func:`zeroskip.data.from_iterable` reads. Noise has to be asked for by ``random_input``.
        batch_size: Inputs per timed run.
        threads: Threads to use; None for all cores.
        isa: Instruction set to use; None for the best.
        samples: Inputs to look at, at most.
        predict: Whether to predict times at higher sparsity; this takes most of the time.
        random_input: Whether noise is accepted as data.
        seed: Seed of the sampling of values.
        progress: Told of each step.

    Returns:
        The profile; ``print`` shows a table and an answer in one sentence.

    Raises:
        ModelError: If the model cannot be read or run.
        DataError: If the data are noise and ``random_input`` is False, or lack an input of the model.
        ShapeError: If the data do not fit the model.
        EngineError: If the engine fails.

    Example:
        >>> profile = analyze("model.onnx", image_folder("photos/", "imagenet"))  # doctest: +SKIP
        >>> print(profile.verdict)  # doctest: +SKIP
        Yes: 57% of the multiplications that can be skipped are by zero on this data, and zeroskip needs ...
    """
    from ..engine import InferenceSession, SessionOptions, fitted_cost_model
    from ..onnx import LoadedModel, labels_of

    loaded = LoadedModel.of(model)
    model_input = ModelInput.of_model(loaded)
    data = model_input.data(data)
    refuse_noise(data, random_input)
    warn_of_other_preprocessing(loaded, data)
    costs = fitted_cost_model(isa, threads or 0, progress=progress)
    options = SessionOptions(intra_op_num_threads=threads or 0, isa=isa, cost_model=costs)
    session = InferenceSession(loaded, options)
    model_input.check(data)
    data = data.subset(samples)
    data.check(progress)
    batch_size = model_input.batch_size(batch_size) if data.is_uniform else 1
    observed = observe(session, [item.name for item in session.activations()], data, seed=seed, progress=progress)
    activations = session.activations()  # after a run: its shapes settle how the model is cut
    variants = _thinned_variants(loaded.model, activations, observed, options) if predict else []
    feeds = [feed for feed, _ in islice(_full_batches(model_input, data, batch_size), ROUNDS)]
    densities = _densities(session, (feed for feed, _ in _full_batches(model_input, data, batch_size)))
    measured = [
        replace(item, density=densities.get(item.step.name, item.density))
        for item in measure_steps([session, *variants], feeds, progress)
    ]
    precisions = [
        precision_times(
            name,
            [InferenceSession(loaded, other), *_thinned_variants(loaded.model, activations, observed, other)],
            feeds,
            GAINS,
            progress,
        )
        for name, other in (other_precisions(options) if variants else {}).items()
    ]
    gains = GAINS if variants else ()
    int8 = predicted_int8(session, feeds[0], measured, gains) if predict else None
    precisions += [] if int8 is None else [int8]
    own = own_precision(session, feeds[0])
    machine = session.profile(feeds[0], iterations=1)
    labels = labels_of(loaded.model)
    shapes = {name: np.shape(array) for name, array in feeds[0].items()}
    explained = {step.name: step for step in session.explain(shapes).steps}
    return SparsityProfile(
        model=loaded.name,
        model_sha256=loaded.sha256,
        data=data.description,
        is_random_input=data.is_random,
        samples=len(data),
        batch_size=batch_size,
        threads=machine.num_threads,
        isa=machine.isa,
        cpu=cpu_model(),
        precision=own,
        precisions=tuple(precisions),
        lacking=lacking_precisions(session, machine.isa, own, precisions) if predict else {},
        **_times(measured, batch_size, gains, labels, explained),
        given_up="; ".join(island.note for island in session.explain_islands() if island.note),
        reason="" if any(item.density is not None for item in measured) else reason_against_skipping(session),
        activations=tuple(_activation(item, observed[item.name], labels) for item in activations),
    )


def refuse_noise(data: Dataset, random_input: bool) -> None:
    """Make sure that nobody measures sparsity on noise by accident.

    Raises:
        DataError: If the data are noise and ``random_input`` is False.
    """
    if data.is_random and not random_input:
        raise DataError(
            "the inputs are noise, on which sparsity means nothing (early layers look too sparse): "
            "give real data, or ask for it with random_input=True (--random-input)"
        )


def _thinned_variants(
    model: ir.Model,
    activations: Sequence[Activation],
    observed: Mapping[str, ActivationValues],
    options: SessionOptions,
) -> list[InferenceSession]:
    """Return sessions of the model with ever larger thresholds; none if nothing can be skipped."""
    from ..engine import InferenceSession
    from ..onnx import apply_thresholds

    names = [item.name for item in activations if item.consumers]
    if not names:
        return []
    sets = (
        ThresholdSet({name: observed[name].quantile(fraction) for name in names}) for fraction in _THINNED_FRACTIONS
    )
    return [InferenceSession(apply_thresholds(model, thresholds), options) for thresholds in sets]


def _full_batches(model_input: ModelInput, data: Dataset, batch_size: int) -> Iterator[tuple[Feed, int]]:
    """Yield the batches of full size; if there is none, the data repeated to fill one."""
    if len(data) >= batch_size:
        yield from (pair for pair in model_input.feeds(data, batch_size) if pair[1] == batch_size)
    else:
        feed, _ = next(model_input.feeds(data, len(data)))
        yield {name: np.resize(array, (batch_size, *array.shape[1:])) for name, array in feed.items()}, batch_size


def _densities(session: InferenceSession, feeds: Iterable[Feed]) -> dict[str, float]:
    """Return the density of what each step reads that can skip, mean over all inputs."""
    found: dict[str, list[float]] = {}
    for feed in feeds:
        for step in session.profile(feed, iterations=1).steps:
            if step.can_skip and step.input_density is not None:
                found.setdefault(step.name, []).append(step.input_density)
    return {name: float(np.mean(values)) for name, values in found.items()}


def _times(
    measured: Sequence[StepMeasurement],
    batch_size: int,
    gains: tuple[float, ...],
    labels: Labels,
    explained: Mapping[str, ExplainedStep],
) -> dict[str, Any]:
    total = sum(item.latency_ms for item in measured)
    return {
        "latency_ms": total,
        "dense_latency_ms": sum(item.dense_ms for item in measured) if gains else None,
        "gains": gains,
        "predicted_latency_ms": tuple(sum(item.predicted_ms(gain) for item in measured) for gain in gains),
        "fixed": fixed_times((item.step.obstacle, item.latency_ms) for item in measured),
        "timing_error": timing_error(measured) if gains else 0.0,
        "layers": tuple(
            _layer(item, total, batch_size, gains, labels, explained.get(item.step.name))
            for item in measured
            if item.step.macs
        ),
    }


def _layer(
    item: StepMeasurement,
    total_ms: float,
    batch_size: int,
    gains: tuple[float, ...],
    labels: Labels,
    explained: ExplainedStep | None,
) -> LayerSparsity:
    return LayerSparsity(
        name=item.step.name,
        op=item.step.op,
        kernel=item.step.kernel,
        input=_LAYOUT_SUFFIX.sub("", item.step.input_name),
        macs=item.step.macs // batch_size,
        can_skip=item.density is not None,
        input_sparsity=None if item.density is None else 1.0 - item.density,
        latency_ms=item.latency_ms,
        latency_share=item.latency_ms / total_ms if total_ms else 0.0,
        predicted_ms=tuple(item.predicted_ms(gain) for gain in gains),
        label=labels.layer(item.step.name),
        obstacle=item.step.obstacle,
        steady_density=item.step.steady_density,
        dense_ms=item.dense_ms if gains and item.density is not None else None,
        choice="" if explained is None else explained.choice,
        note="" if explained is None else explained.note,
    )


def _activation(item: Activation, values: ActivationValues, labels: Labels) -> ActivationSparsity:
    return ActivationSparsity(
        name=item.name,
        elements=values.elements,
        sparsity=values.sparsity,
        consumers=tuple(item.consumers),
        label=labels.activation(item.name),
        histogram=values.histogram(),
    )
