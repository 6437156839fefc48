"""Comparing what the engines compute before anyone looks at how fast they do it.

Without thresholds two engines differ by rounding, and that is what is accepted. With them the network's function
jumps: a value within rounding of its threshold is kept by one engine and zeroed by the other, an error of neither.
What that can do is not guessed but measured: noise of the size of rounding is added to the inputs of the first
engine, and its own outputs tell how far they move.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..baselines import Precision
from .jumps import has_jumps
from .row import Row

TOLERANCES: Mapping[Precision, float] = MappingProxyType({"f32": 1e-3, "bf16": 1e-1, "int8": 1e-1})
"""Accepted differences relative to the largest output. Rounding gives 1e-6 in f32."""

Outputs = Sequence[Sequence[NDArray[Any]]]
"""For each batch the graph outputs."""

Batch = NDArray[Any] | Mapping[str, NDArray[Any]]
"""The only input of a model, or its inputs by name."""
Batches = Sequence[Any]
"""Batches, all of one kind."""

# Relative to the largest input: several times what direct sums and Winograd's differ by; the last bit of bfloat16.
_NOISE: Mapping[Precision, float] = MappingProxyType({"f32": 3e-6, "bf16": 4e-3, "int8": 3e-6})
_DRAWS = 4
_FACTOR = 3.0
"""How much more than the largest response seen to noise is accepted; a few inputs do not show the worst flip."""
_CEILING = 0.25
"""What moves further than this under noise cannot be told from a wrong result."""
_FLIPPED = 2e-2
"""What single flips were seen to do (6e-3 on SqueezeNet), with room; accepted on a minority of the inputs only."""


@dataclass(frozen=True)
class Comparison:
    """Outputs of an engine against those of another on the same model and inputs.

    Args:
        inputs: Inputs compared.
        difference: Largest difference over them, relative to the largest output.
        median: Median over the inputs of each one's largest difference.
        share_within: Fraction of the inputs that differ by rounding only.
        agreement: Fraction with the same prediction; None where no output has classes.
        accepted: What is accepted as ``difference``.
        accepted_median: What is accepted as ``median``.
    """

    inputs: int
    difference: float
    median: float
    share_within: float
    agreement: float | None
    accepted: float
    accepted_median: float

    @property
    def is_match(self) -> bool:
        """Whether both are within what is accepted."""
        return self.difference <= self.accepted and self.median <= self.accepted_median

    @property
    def has_flips(self) -> bool:
        """Whether the outputs match and some input differs by more than rounding."""
        return self.is_match and self.share_within < 1.0


def compare(
    reference: Outputs, other: Outputs, tolerance: float, response: Callable[[], NDArray[np.float64]] | None = None
) -> Comparison:
    """Compare outputs, strictly first, and where that fails by what flips at thresholds can do.

    Args:
        reference: Those of the first engine.
        other: Those of the engine in question. Axes of length one may be missing: some engines drop them.
        tolerance: What rounding may do, relative to the largest output.
        response: Returns how far each input's outputs move under noise of the size of rounding, relative to the
            largest output, see :func:`noise_response`; None for a model that does not jump.
    """
    differences = input_differences(reference, other)
    accepted = accepted_median = tolerance
    if response is not None and not differences.max() <= tolerance:
        moved = np.minimum(response(), _CEILING)
        accepted = max(tolerance, _FLIPPED, min(_CEILING, _FACTOR * float(moved.max())))
        accepted_median = max(tolerance, min(_CEILING, _FACTOR * float(np.median(moved))))
    return Comparison(
        inputs=len(differences),
        difference=float(differences.max()),
        median=float(np.median(differences)),
        share_within=float(np.mean(differences <= tolerance)),
        agreement=_agreement(reference, other),
        accepted=accepted,
        accepted_median=accepted_median,
    )


def input_differences(reference: Outputs, other: Outputs) -> NDArray[np.float64]:
    """Return for each input the largest difference over its outputs, relative to the largest output of all.

    Args:
        reference: See :func:`compare`.
        other: See :func:`compare`.

    Returns:
        float64 ``[inputs]``, or one value a batch where an output does not begin with the batch. Infinite where
        sizes differ or a value is not finite.
    """
    worst = np.zeros(sum(_rows(batch) for batch in reference))
    for index in range(max((len(batch) for batch in reference), default=0)):
        expected = [_as_rows(batch[index], _rows(batch)) for batch in reference]
        largest = max(float(np.abs(rows).max(initial=0.0)) for rows in expected)
        found = [_row_differences(rows, batch, index) for rows, batch in zip(expected, other, strict=True)]
        worst = np.maximum(worst, _relative(np.concatenate(found), largest))
    return worst


def noise_response(
    run: Callable[[Batches], Outputs], batches: Batches, reference: Outputs, precision: Precision
) -> NDArray[np.float64]:
    """Return how far each input's outputs move when the inputs move by noise of the size of rounding.

    Args:
        run: Returns the outputs of the engine.
        batches: Its inputs; noise is added to those of floating point.
        reference: Its outputs for them.
        precision: What it computes in.

    Returns:
        float64 as :func:`input_differences`: the largest of a few draws.
    """
    random = np.random.default_rng(0)
    named = [batch if isinstance(batch, Mapping) else {"": batch} for batch in batches]
    sizes = {name: _NOISE[precision] * max(_largest(batch[name]) for batch in named) for name in named[0]}

    def moved(name: str, array: NDArray[Any]) -> NDArray[Any]:
        if array.dtype.kind != "f":
            return array
        return np.asarray(array + random.uniform(-sizes[name], sizes[name], array.shape).astype(array.dtype))

    worst = np.zeros(1)
    for _ in range(_DRAWS):
        noisy: list[Batch] = [{name: moved(name, array) for name, array in batch.items()} for batch in named]
        if not isinstance(batches[0], Mapping):
            noisy = [batch[""] for batch in noisy]
        worst = np.maximum(worst, input_differences(reference, run(noisy)))
    return worst


def _largest(array: NDArray[Any]) -> float:
    return float(np.abs(array).max(initial=0.0)) if array.dtype.kind == "f" else 0.0


def mark_differences(rows: Sequence[Row], tolerance: float | None) -> None:
    """Set ``comparison`` of each row against the first that runs the same model.

    Rows with different models rightly give different outputs and are not compared. A mismatch is logged as a
    warning.

    Args:
        rows: Loaded rows.
        tolerance: Largest accepted difference, also for models with thresholds; by default :data:`TOLERANCES` of the
            lower precision of the two, and what flips can do where the model jumps.
    """
    first: dict[str, Row] = {}
    for row in rows:
        reference = first.setdefault(row.model_sha256, row)
        if reference is row:
            continue
        pair = (row.precision, reference.precision)
        precision: Precision = "int8" if "int8" in pair else "bf16" if "bf16" in pair else "f32"
        response = None
        if tolerance is None and has_jumps(row.model):
            response = _response_of(reference, precision)
        row.comparison = compare(reference.outputs, row.outputs, tolerance or TOLERANCES[precision], response)
        if not row.comparison.is_match:
            _warn(row, reference, row.comparison)


def _response_of(row: Row, precision: Precision) -> Callable[[], NDArray[np.float64]]:
    return lambda: noise_response(row.outputs_for, row.batches, row.outputs, precision)


def _warn(row: Row, reference: Row, found: Comparison) -> None:
    logging.getLogger(__name__).warning(
        "outputs of %s differ from those of %s by %.2g of the largest output (accepted: %.2g), by %.2g on half of "
        "the %d inputs (accepted: %.2g): its time says nothing until this is explained",
        row.label,
        reference.label,
        found.difference,
        found.accepted,
        found.median,
        found.inputs,
        found.accepted_median,
    )


def _rows(batch: Sequence[NDArray[Any]]) -> int:
    """Return how many inputs the outputs of a batch can be told apart by; 1 if they cannot."""
    firsts = {value.shape[0] if value.ndim else 1 for value in batch}
    return firsts.pop() if len(firsts) == 1 and 0 not in firsts else 1


def _as_rows(value: NDArray[Any], rows: int) -> NDArray[np.float64]:
    return np.asarray(value, np.float64).reshape(rows, -1)


def _row_differences(expected: NDArray[np.float64], batch: Sequence[NDArray[Any]], index: int) -> NDArray[np.float64]:
    if index >= len(batch) or batch[index].size != expected.size:
        return np.full(len(expected), np.inf)
    return np.asarray(np.abs(expected - _as_rows(batch[index], len(expected))).max(axis=1, initial=0.0))


def _relative(absolute: NDArray[np.float64], largest: float) -> NDArray[np.float64]:
    if not np.isfinite(largest):
        return np.full(len(absolute), np.inf)
    relative = absolute / largest if largest else np.where(absolute > 0.0, np.inf, absolute)
    return np.nan_to_num(relative, nan=np.inf, posinf=np.inf)


def _agreement(reference: Outputs, other: Outputs) -> float | None:
    """Return the fraction of inputs whose first output has its largest value at the same class."""
    same: list[bool] = []
    for expected, got in zip(reference, other, strict=True):
        shape = expected[0].shape
        if len(shape) < 2 or sum(side != 1 for side in shape[1:]) != 1 or got[0].size != expected[0].size:
            return None
        pair = [_as_rows(value, shape[0]).argmax(axis=1) for value in (expected[0], got[0])]
        same.extend(pair[0] == pair[1])
    return float(np.mean(same)) if same else None
