"""Draws the figures of docs/concepts.md: python tools/draw_concepts.py. Text stays text, colours fit light and dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "figures"
INK, BLUE, YELLOW = "#808080", "#3b82c4", "#e0a419"


def _squares(axes: Axes, values: np.ndarray, title: str) -> None:
    """Draw a matrix as squares: zeros empty, the others filled, with their numbers."""
    rows, columns = values.shape
    for row, column in np.ndindex(rows, columns):
        value = values[row, column]
        face = BLUE if value > 0 else YELLOW if value < 0 else "none"
        axes.add_patch(plt.Rectangle((column, -row), 0.9, 0.9, facecolor=face, edgecolor=INK, linewidth=0.6))
        colour = "white" if value else INK
        axes.text(column + 0.45, 0.45 - row, f"{value:g}", ha="center", va="center", fontsize=8, color=colour)
    axes.set(xlim=(-0.1, columns), ylim=(-rows + 0.9, 1.0), aspect="equal", title=title)
    axes.axis("off")


def why_zeros() -> None:
    """A ReLU between two convolutions: what the second one reads is half zeros."""
    _, (before, after) = plt.subplots(1, 2, figsize=(6.4, 2.0))
    values = np.round(np.random.default_rng(4).normal(0, 1, (4, 8)), 1) + 0.0
    _squares(before, values, "what a convolution computes")
    _squares(after, np.maximum(values, 0), "behind the ReLU: what the next one reads")


def fatrelu() -> None:
    """ReLU and FATReLU, with the distribution of what comes in."""
    _, panels = plt.subplots(1, 2, figsize=(6.4, 2.0), sharey=True)
    x = np.linspace(-2, 2, 81)
    for axes, threshold, name in zip(panels, (0.0, 0.5), ("ReLU", "FATReLU, T = 0.5"), strict=True):
        axes.fill_between(x, 1.2 * np.exp(-(x**2)), where=x <= threshold, color=YELLOW, alpha=0.35, linewidth=0)
        axes.fill_between(x, 1.2 * np.exp(-(x**2)), where=x > threshold, color=BLUE, alpha=0.35, linewidth=0)
        axes.plot(x[x <= threshold], 0 * x[x <= threshold], color=INK, linewidth=2)
        axes.plot(x[x > threshold], x[x > threshold], color=INK, linewidth=2)
        share = np.mean(np.random.default_rng(0).normal(0, 0.5**0.5, 10000) <= threshold)
        axes.set_title(f"{name}: {share:.0%} become zero")
        axes.set(xlabel="input", ylim=(-0.1, 2))


def hoyer() -> None:
    """Two activations of equal L1, one even and one sparse, and the square of Hoyer's measure of each."""
    _, panels = plt.subplots(1, 3, figsize=(6.4, 2.0), sharey=True)
    even, sparse = np.full(8, 1.0), np.array([0, 3, 0, 0, 4, 0, 1, 0])
    for axes, values in zip(panels, (even, sparse, 0.5 * sparse), strict=True):
        axes.bar(range(8), values, color=BLUE)
        measure = values.sum() ** 2 / np.sum(values**2)
        axes.set_title(f"L1 = {values.sum():g}\nL1² / L2² = {measure:.1f}")
        axes.set_xticks([])


def masks() -> None:
    """Channels of two neighbouring pixels, their masks, and what a pair of them walks."""
    _, axes = plt.subplots(figsize=(6.4, 1.9))
    first = np.array([0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0])
    second = np.array([0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0])
    rows = {"pixel 1": first, "pixel 2": second, "walked": first | second}
    for row, (name, bits) in enumerate(rows.items()):
        axes.text(-0.4, 0.45 - 1.2 * row, name, ha="right", va="center", fontsize=9, color=INK)
        for column, bit in enumerate(bits):
            face = (BLUE if row < 2 else YELLOW) if bit else "none"
            axes.add_patch(plt.Rectangle((column, -1.2 * row), 0.9, 0.9, facecolor=face, edgecolor=INK, linewidth=0.6))
    words = f"{sum(first | second)} rows of weights are loaded, each for two pixels, instead of 2 x {len(first)}"
    axes.text(0, -3.2, words, fontsize=9, color=INK)
    axes.set(xlim=(-3, 16), ylim=(-3.5, 1), aspect="equal")
    axes.axis("off")


def likely_drops() -> None:
    """How drops as counted scatter from one half of the data to another, and how likely drops do."""
    _, axes = plt.subplots(figsize=(6.4, 2.0))
    random = np.random.default_rng(0)
    counted = random.binomial(40, 0.25, 4000) - random.binomial(40, 0.15, 4000)
    likely = 4 + random.normal(0, 1.1, 4000)
    bins = np.arange(-12.5, 20.5) / 2.5
    axes.hist(counted / 2.5, bins, color=YELLOW, alpha=0.6, label="as counted")
    axes.hist(likely / 2.5, bins, color=BLUE, alpha=0.6, label="likely drop")
    axes.axvline(1.6, color=INK, linewidth=1)
    axes.text(1.7, axes.get_ylim()[1] * 0.92, "the real one", color=INK, fontsize=8)
    axes.set(xlabel="drop in points, on one draw of 250 inputs after another (a sketch)", yticks=[])
    axes.legend(frameon=False, labelcolor=INK)


FIGURES: dict[str, Callable[[], None]] = {
    "why-zeros": why_zeros, "fatrelu": fatrelu, "hoyer": hoyer, "masks": masks, "likely-drops": likely_drops,
}  # fmt: skip


def main() -> None:
    """Draw them all."""
    settings = {
        "svg.fonttype": "none", "svg.hashsalt": "zeroskip", "font.size": 8, "axes.titlesize": 9,
        "axes.spines.top": False, "axes.spines.right": False, "text.color": INK, "axes.labelcolor": INK,
        "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.titlecolor": INK,
    }  # fmt: skip
    with mpl.rc_context(settings):
        for name, draw in FIGURES.items():
            draw()
            path = FOLDER / f"{name}.svg"
            plt.savefig(path, transparent=True, bbox_inches="tight", metadata={"Date": None})
            plt.close()
            path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")


if __name__ == "__main__":
    main()
