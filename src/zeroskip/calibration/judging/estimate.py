"""The best estimate of how far a metric really falls: both halves of the data, and what choosing by them adds.

**One place.** What was counted varies by single inputs. What the dense model's probabilities let expect varies far
less, but is wrong by a factor that depends on the network: what the other model sees counts for nothing in it, and the
probabilities may be wrong where answers change. The factor is measured at places where much is lost, so that counting
is certain, and drawn toward 1; then counted and expected drop are weighed as in :mod:`.likely`, each by its error.

**The choice.** Of many places the last one that seemed to keep within the budget was chosen, so it seems better than
it is. By how much is found by choosing again: inputs are drawn anew, with repetition, within either half, the same rule
chooses among the places tried, and what it chooses is compared with what the whole data say of it (the optimism of
B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 17). The mean of that is added to the
estimate, and its spread is in the interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...isotonic import monotone
from ..records import DropEstimate
from .likely import EXPECTATION_ERROR
from .losses import Floats, LossPath
from .statistics import Z, losses_interval

RESAMPLES = 400
FACTOR_ERROR = 0.5
"""Of the expected drop as a share of it, before anything is counted: four networks had factors of 0.4 to 1.3."""
FACTOR_DRIFT = 0.25
"""How far the factor at one place may be from that at another, as a share of the expected drop."""
ANCHOR_DROPS = (0.02, 0.10)
"""Expected drops between which the factor is measured."""
_ROUNDING = 1e-9
_MOST_WEIGHTS = 4_000_000  # of all drawings that are made at once: 32 MB


@dataclass(frozen=True)
class _Means:
    """Means over inputs for each of R drawings, ``[R, places]`` each; expected is None where nothing is expected."""

    counted: Floats
    changed: Floats
    expected: Floats | None
    samples: int

    @classmethod
    def of(cls, path: LossPath, weights: Floats, part: slice = slice(None)) -> _Means:
        some = weights[:, part]
        scale = (some @ path.scale[part])[:, None]
        counts = some.sum(axis=1, keepdims=True)
        expected = None if path.expected is None else some @ path.expected[part] / counts
        return cls(
            some @ path.counted[part] / np.maximum(scale, np.finfo(np.float64).tiny),
            some @ path.changed[part] / counts,
            expected,
            some.shape[1],
        )


@dataclass(frozen=True)
class _Estimates:
    """Best estimates for each of R drawings and what is uncertain in them, ``[R, places]`` each."""

    drops: Floats
    variances: Floats
    factor: float
    price: float
    """Root mean square of what a changed prediction costs."""


class Estimator:
    """Estimates drops along one path.

    Args:
        path: Losses of all inputs at the places tried on both halves.
        max_drop: Budget that the choice was made by; None where it was made by something else than losses.
    """

    def __init__(self, path: LossPath, max_drop: float | None) -> None:
        self._path = path
        self._max_drop = max_drop
        self._whole = np.ones((1, path.samples))
        self._now = self._estimates(_Means.of(path, self._whole))

    def drop(self, place: float) -> float:
        """Return the estimate for one place, nothing added for the choice."""
        return float(self._now.drops[0, self._path.places.index(place)])

    def estimate(self, place: float, seed: int = 0) -> DropEstimate:
        """Return the estimate for the place that was chosen.

        Args:
            place: Its strength.
            seed: Of the drawings.
        """
        path, index = self._path, self._path.places.index(place)
        errors = self._errors(index, np.random.default_rng(seed))
        is_chosen = self._max_drop is not None and len(errors) > 0
        optimism = max(0.0, float(errors.mean())) if is_chosen else 0.0
        spread = float(errors.std()) if len(errors) else 0.0
        most = np.inf if path.kind == "amounts" else 1.0
        drop = float(np.clip(self.drop(place) + optimism, -most, most))
        counted, changed = path.counted[:, index], path.changed[:, index]
        if path.kind == "changes":  # exact, and what the choice hides is above it
            low, high = losses_interval(path.kind, counted)
            low, high = min(low, drop), max(drop, min(1.0, high + optimism))
        else:
            # Changes that were not seen: z^2 more of them, after Agresti and Coull.
            unseen = Z * Z * (self._now.price / path.samples) ** 2
            width = Z * float(np.sqrt(spread**2 + self._now.variances[0, index] + unseen))
            low, high = max(-most, drop - width), min(most, drop + width)
        return DropEstimate(
            drop=drop,
            interval=(low, high),
            samples=path.samples,
            changed=int(changed.sum()),
            counted=float(counted.sum() / path.scale.sum()),
            counted_interval=None if path.kind == "amounts" else losses_interval(path.kind, counted),
            optimism=optimism,
            factor=None if path.expected is None else self._now.factor,
        )

    def _errors(self, index: int, random: np.random.Generator) -> Floats:
        """Return by how much drawings underestimate what the same rule chooses in them."""
        path = self._path
        sizes = [size for size in (path.first, path.samples - path.first) if size]
        at_once = max(1, _MOST_WEIGHTS // path.samples)
        errors: list[Floats] = []
        for start in range(0, RESAMPLES, at_once):
            count = min(at_once, RESAMPLES - start)
            parts = [random.multinomial(size, np.full(size, 1.0 / size), count) for size in sizes]
            weights: Floats = np.concatenate(parts, axis=1).astype(np.float64)
            drawn = self._estimates(_Means.of(path, weights))
            places = np.full(count, index) if self._max_drop is None else self._choices(weights, drawn)
            rows = np.flatnonzero(places >= 0)
            errors.append(self._now.drops[0, places[rows]] - drawn.drops[rows, places[rows]])
        return np.concatenate(errors)

    def _choices(self, weights: Floats, drawn: _Estimates) -> NDArray[np.int64]:
        """Return the place that the rule chooses in each drawing, -1 for none."""
        path = self._path
        search = _likely(_Means.of(path, weights, slice(0, path.first))) if path.first else drawn.drops
        check = _Means.of(path, weights, slice(path.first, None)).counted
        return np.array([self._choice(*rows) for rows in zip(search, check, drawn.drops, strict=True)], dtype=np.int64)

    def _choice(self, search: Floats, check: Floats, both: Floats) -> int:
        assert self._max_drop is not None
        limit = self._max_drop + _ROUNDING
        cap = _last(search, np.ones(len(search), bool), limit)
        allowed = (check <= limit) & (np.arange(len(both)) <= cap)
        return _last(both, allowed, limit)

    def _estimates(self, means: _Means) -> _Estimates:
        if means.expected is None:
            price = 1.0 if self._path.kind == "answers" else 0.0
            return _Estimates(means.counted, np.zeros_like(means.counted), 1.0, price)
        factor, share = self._factor(means)
        error, variance = share * means.expected, _variance(means)
        drops = _composite(means.counted, factor * means.expected, error, variance)
        bias = np.square(error)
        return _Estimates(drops, bias * variance / (bias + variance), float(factor[0, 0]), self._price())

    def _factor(self, means: _Means) -> tuple[Floats, Floats]:
        """Return by what expected drops are to be multiplied, and its error, ``[R, 1]`` each."""
        assert means.expected is not None
        anchors = self._anchors()
        if not anchors:
            one: Floats = np.ones((len(means.counted), 1))
            return one, float(np.hypot(FACTOR_ERROR, FACTOR_DRIFT)) * one
        counted, changed, expected = (
            part[:, anchors].mean(axis=1, keepdims=True) for part in (means.counted, means.changed, means.expected)
        )
        expected = np.maximum(expected, _ROUNDING)
        variance = changed / self._path.samples / np.square(expected)
        prior = FACTOR_ERROR**2
        factor = np.asarray((prior * counted / expected + variance) / (prior + variance))
        error = np.sqrt(prior * variance / (prior + variance) + FACTOR_DRIFT**2)
        return np.maximum(factor, EXPECTATION_ERROR), error

    def _anchors(self) -> list[int]:
        assert self._path.expected is not None
        low, high = ANCHOR_DROPS
        expected = self._path.expected.mean(axis=0)
        return [place for place, drop in enumerate(expected) if low <= drop <= high]

    def _price(self) -> float:
        assert self._path.expected is not None
        changed = self._path.changed.sum()
        return float(np.sqrt(np.square(self._path.expected).sum() / changed)) if changed else 1.0


def _likely(means: _Means) -> Floats:
    """Return likely drops as the search sees them: by what one half alone says."""
    if means.expected is None:
        return means.counted
    return _composite(means.counted, means.expected, EXPECTATION_ERROR * means.expected, _variance(means))


def _variance(means: _Means) -> Floats:
    """Return the variance of counted drops; where nothing has changed one input might have."""
    return np.asarray(np.maximum(means.changed, 1.0 / means.samples) / means.samples)


def _composite(counted: Floats, expected: Floats, error: Floats, variance: Floats) -> Floats:
    """Return counted and expected drop, each weighed by the other's squared error."""
    bias = np.square(error)
    return np.asarray((bias * counted + variance * expected) / (bias + variance))


def _last(drops: Floats, allowed: NDArray[np.bool_], limit: float) -> int:
    """Return the last allowed place that keeps within a limit by itself and by an ascending fit, -1 for none."""
    passed = np.flatnonzero((monotone(list(drops)) <= limit) & (drops <= limit) & allowed)
    return int(passed[-1]) if len(passed) else -1
