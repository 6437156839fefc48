"""Measuring engines against each other on real inputs: interleaved, precision pinned, outputs compared first.

:func:`bench` measures, :class:`BenchResult` is what it returns and can be saved as JSON,
:func:`render_table` shows it. Absolute times drift on shared machines; the ratios of one interleaved run
are what may be claimed.
"""

from __future__ import annotations

from .measure import bench
from .result import BenchResult, EngineResult
from .specs import EngineSpec
from .table import render_table

__all__ = ["BenchResult", "EngineResult", "EngineSpec", "bench", "render_table"]
