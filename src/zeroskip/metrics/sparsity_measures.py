"""How sparse an activation is. An array is treated as one vector of ``n`` values.

References:
    [HR09] N. Hurley, S. Rickard, "Comparing Measures of Sparsity", IEEE Trans. Information Theory 55(10),
        2009.
    [Ho04] P. O. Hoyer, "Non-negative Matrix Factorization with Sparseness Constraints", JMLR 5, 2004,
        section 3.1.
    [Ku20] M. Kurtz et al., "Inducing and Exploiting Activation Sparsity for Fast Inference on Deep Neural
        Networks", ICML 2020, section 3.
    [Di23] E. Diao et al., "Pruning Deep Neural Networks from a Sparsity Perspective", ICLR 2023, definition
        1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ShapeError


def sparsity(x: ArrayLike) -> float:
    """Return the fraction of exact zeros, ``(n - nnz) / n``; negative zero counts as zero, NaN does not.

    Args:
        x: Any shape, any numeric dtype, at least one element.

    Returns:
        A fraction in [0, 1].

    Raises:
        ShapeError: If ``x`` is empty.

    Example:
        >>> sparsity([[0.0, 1.0], [0.0, 2.0]])
        0.5
    """
    return 1.0 - density(x)


def density(x: ArrayLike) -> float:
    """Return the fraction of values that are not zero, ``1 - sparsity(x)``.

    Args:
        x: Any shape, any numeric dtype, at least one element.

    Returns:
        A fraction in [0, 1].

    Raises:
        ShapeError: If ``x`` is empty.

    Example:
        >>> density([0.0, 0.0, 0.0, 3.0])
        0.25
    """
    values = _vector(x)
    return int(np.count_nonzero(values)) / values.size


def hoyer_square(x: ArrayLike) -> float:
    """Return ``(sum |x|)^2 / sum x^2``: 1 for a single nonzero, ``n`` for equal magnitudes [Ku20].

    The measure is the regulariser of the fine-tuning stage: scale-free, and about the number of values that
    matter. An array of zeros gives 0, the value that makes the penalty of a silent layer vanish.

    Args:
        x: Any shape, finite, at least one element.

    Returns:
        A value in [1, n], or 0 for all zeros.

    Raises:
        ShapeError: If ``x`` is empty.

    Example:
        >>> hoyer_square([3.0, 0.0, 0.0])
        1.0
        >>> hoyer_square([2.0, 2.0, -2.0, 2.0])
        4.0
    """
    values = _unit_scaled(x)
    energy = float(np.square(values).sum())
    return float(np.abs(values).sum()) ** 2 / energy if energy else 0.0


def hoyer_sparsity(x: ArrayLike) -> float:
    """Return Hoyer's normalised measure ``(sqrt(n) - L1 / L2) / (sqrt(n) - 1)`` [Ho04].

    0 where all magnitudes are equal, 1 where a single value is nonzero. The measure is undefined for all
    zeros, which this function calls 1: nothing is left to multiply. One element alone gives 1 as well.

    Args:
        x: Any shape, finite, at least one element.

    Returns:
        A value in [0, 1].

    Raises:
        ShapeError: If ``x`` is empty.

    Example:
        >>> hoyer_sparsity([0.0, 5.0, 0.0, 0.0])
        1.0
        >>> hoyer_sparsity([1.0, 1.0, 1.0, 1.0])
        0.0
    """
    size = np.asarray(x).size
    ratio = float(np.sqrt(hoyer_square(x)))  # L1 / L2
    if size == 1 or ratio == 0.0:
        return 1.0
    root = float(np.sqrt(size))
    return min(1.0, max(0.0, (root - ratio) / (root - 1.0)))


def pq_index(x: ArrayLike, p: float = 0.5, q: float = 1.0) -> float:
    """Return the PQ index ``1 - n^(1/q - 1/p) * ||x||_p / ||x||_q`` for ``0 < p < q`` [Di23].

    0 where all magnitudes are equal, ``1 - n^(1/q - 1/p)`` where a single value is nonzero; scale-free, and
    unchanged when an array is concatenated with a copy of itself. All zeros give 1, as for
    :func:`hoyer_sparsity`.

    Args:
        x: Any shape, finite, at least one element.
        p: The smaller exponent.
        q: The larger exponent.

    Returns:
        A value in [0, 1].

    Raises:
        ShapeError: If ``x`` is empty.
        ValueError: Unless ``0 < p < q``.

    Example:
        >>> pq_index([1.0, 0.0, 0.0, 0.0])
        0.75
    """
    if not 0.0 < p < q:
        raise ValueError(f"pq_index needs 0 < p < q, got p={p} and q={q}")
    magnitudes = np.abs(_unit_scaled(x))
    if not magnitudes.any():
        return 1.0
    # Means instead of sums carry the factor n^(1/q - 1/p) without overflow for small p and large n.
    ratio = np.mean(magnitudes**p) ** (1.0 / p) / np.mean(magnitudes**q) ** (1.0 / q)
    return min(1.0, max(0.0, 1.0 - float(ratio)))


def _vector(x: ArrayLike) -> NDArray[Any]:
    values = np.asarray(x)
    if values.size == 0:
        raise ShapeError(f"a sparsity measure needs at least one element, got shape {values.shape}")
    return values.ravel()


def _unit_scaled(x: ArrayLike) -> NDArray[np.float64]:
    """Return the values in float64 divided by the largest magnitude, so that squares stay in range."""
    values = _vector(x).astype(np.float64)
    largest = float(np.abs(values).max())
    return values / largest if largest else values
