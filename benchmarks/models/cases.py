"""The cases a run goes through: a network, its model, its inputs, and what must be known of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zeroskip.bench import EngineSpec
from zeroskip.calibration import calibrate
from zeroskip.cli.demo_assets import prepare
from zeroskip.data import Dataset, Preprocess, arrays, image_folder
from zeroskip.engine import InferenceSession
from zeroskip.onnx import apply

from .networks import build
from .result import EXACT, THRESHOLDED, Accuracy, Kind
from .sparsify import with_sparsity
from .trained import TrainedModel

SPARSIFY_PHOTOS = 24
_TIMED_PHOTOS = 5
_CROPS = 6


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Args:
        kind: As in ``CaseResult``.
        network: Name.
        model: The ONNX model that peers run.
        data: Inputs.
        target_sparsity: The sparsity that was set.
        thresholded: The model with thresholds, if it has them.
        accuracy: What they cost.
    """

    kind: Kind
    network: str
    model: bytes
    data: Dataset
    target_sparsity: float | None = None
    thresholded: bytes | None = None
    accuracy: Accuracy | None = None

    def specs(self, engines: Sequence[str]) -> list[EngineSpec]:
        """Return the rows of the benchmark, our own row with thresholds in front of our exact one.

        Args:
            engines: As for ``zeroskip.bench``.
        """
        specs = [EngineSpec.parse(engine) for engine in engines]
        if self.thresholded is None:
            return specs
        ours = [EngineSpec("zeroskip", THRESHOLDED, model=self.thresholded), EngineSpec("zeroskip", EXACT)]
        return [*ours, *(spec for spec in specs if spec.engine != "zeroskip")]


def photographs(folder: Path | None, preprocess: Preprocess, crops: int = 1) -> Dataset:
    """Return real pictures: those of a folder, or the demo's, from installed packages.

    Args:
        folder: Pictures; None for the demo's.
        preprocess: How they become inputs.
        crops: Views of each.
    """
    return image_folder(prepare(Path("demo-data"))[1] if folder is None else folder, preprocess, crops=crops)


def random_cases(network: str, sparsities: Sequence[float | None], folder: Path | None) -> Iterator[Case]:
    """Yield a network with random weights at several sparsities.

    Sparsity is set on some photographs and met, when timed, on others. Random weights make some photographs
    much sparser than others; those whose sparsity is nearest to what is wanted are timed.

    Args:
        network: Key of ``NETWORKS``.
        sparsities: None for natural.
        folder: As for :func:`photographs`.
    """
    pictures = photographs(folder, Preprocess.preset("imagenet"), _CROPS if folder is None else 1)
    setting, timing = pictures.split(0.5)
    x = setting.subset(SPARSIFY_PHOTOS).array()
    model = build(network).model
    for sparsity in sparsities:
        changed = with_sparsity(model, x, sparsity).SerializeToString()
        yield Case("random", network, changed, _nearest(changed, timing, sparsity), sparsity)


def _nearest(model: bytes, pictures: Dataset, sparsity: float | None) -> Dataset:
    """Return the few pictures on which a network is nearest to a sparsity; if None, to its median one."""
    session = InferenceSession(model)
    name = session.get_inputs()[0].name
    views = pictures.array()
    met = np.array([session.profile({name: views[i : i + 1]}, iterations=1).sparsity for i in range(len(views))])
    distance = np.abs(met - (np.median(met) if sparsity is None else sparsity))
    return arrays(views[np.argsort(distance)[:_TIMED_PHOTOS]], description=pictures.description)


def trained_case(trained: TrainedModel, folder: Path | None, max_drop: float | None, threads: int) -> Case:
    """Return a trained network, with thresholds if a budget is given.

    Args:
        trained: The network.
        folder: As for :func:`photographs`.
        max_drop: Budget of the calibration; None for no thresholds.
        threads: For the calibration.
    """
    model = trained.read()
    if max_drop is None:
        return Case("trained", trained.name, model, photographs(folder, trained.preprocess))
    crops = _CROPS if folder is None else 1  # the demo's pictures are few
    pictures = photographs(folder, trained.preprocess, crops)
    calibration, holdout = pictures.split(0.5)
    result = calibrate(model, calibration, max_drop, holdout=holdout, threads=threads)
    accuracy = Accuracy(
        metric=result.metric,
        max_drop=max_drop,
        baseline=result.holdout.baseline,
        optimized=result.holdout.optimized,
        samples=result.holdout.samples,
    )
    thresholded = apply(model, result.thresholds).to_bytes()
    return Case("trained", trained.name, model, holdout, None, thresholded, accuracy)
