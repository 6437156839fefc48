"""Scoring of large data sets on a Ray cluster: :func:`score`; needs ``zeroskip[ray]``.

Ray Data cuts the work, starts the workers and starts them again; here are only what a worker does with its share, and
the folder of results that can be gone on with.
"""

from __future__ import annotations

from .score import BadInput, ScoreResult, score

__all__ = ["BadInput", "ScoreResult", "score"]
