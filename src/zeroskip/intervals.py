"""How sure a counted share is: exact intervals, one method everywhere.

References:
    [CP34] C. Clopper, E. Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the Case of the
        Binomial", Biometrika 26, 1934.
"""

from __future__ import annotations

import numpy as np

_BISECTIONS = 60


def clopper_pearson(count: int, samples: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share of which ``count`` in ``samples`` were seen [CP34].

    It holds for every count: where none was seen, the share may still be up to about 3.7 / n (3 / n is the upper
    limit alone at 95 %, the "rule of three").

    Args:
        count: In 0..samples.
        samples: >= 1.
        confidence: In (0, 1); what is left is divided between both ends.

    Returns:
        Lower and upper end, in [0, 1], with ``count / samples`` between them.

    Raises:
        ValueError: If the numbers are outside their ranges.

    Example:
        >>> [round(end, 4) for end in clopper_pearson(0, 100)], [round(end, 4) for end in clopper_pearson(5, 100)]
        ([0.0, 0.0362], [0.0164, 0.1128])
    """
    if not 0 <= count <= samples or samples < 1 or not 0.0 < confidence < 1.0:
        raise ValueError(f"no interval for {count} of {samples} at a confidence of {confidence}")
    tail = (1.0 - confidence) / 2.0
    # What is seen at most has probability ``tail`` at the upper end; the lower one is that of the other inputs.
    return 1.0 - _upper_limit(samples - count, samples, tail), _upper_limit(count, samples, tail)


def _upper_limit(count: int, samples: int, tail: float) -> float:
    """Return the share at which ``count`` or fewer of ``samples`` are seen with probability ``tail``."""
    if count == samples:
        return 1.0
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, samples + 1)))])
    seen = np.arange(count + 1)
    ways = factorials[samples] - factorials[seen] - factorials[samples - seen]
    low, high = count / samples, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        terms = ways + seen * np.log(middle) + (samples - seen) * np.log1p(-middle)
        largest = terms.max()
        is_likely = largest + np.log(np.exp(terms - largest).sum()) > np.log(tail)
        low, high = (middle, high) if is_likely else (low, middle)
        if high - low <= 1e-12:
            break
    return high
