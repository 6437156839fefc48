"""Showing results to people: tables for the terminal and one self-contained HTML page.

Nothing here measures or decides; it puts the values of the other stages into words and pictures.
"""

from __future__ import annotations

from .curve import save_curve
from .html import render_report, write_report
from .terminal import render_calibration, render_layers, render_profile, render_sensitivities, render_summary
from .words import caution, headline, speed_caution

__all__ = [
    "caution",
    "headline",
    "render_calibration",
    "render_layers",
    "render_profile",
    "render_report",
    "render_sensitivities",
    "render_summary",
    "save_curve",
    "speed_caution",
    "write_report",
]
