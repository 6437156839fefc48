"""Makes ``docs/results/performance.md`` and the README's numbers out of the JSON files in ``benchmarks/results``.

python -m benchmarks.report
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from zeroskip.files import atomic_write_text

from .kernels.result import KernelTable, load_kernels
from .layers.result import LayerTable, load_tables
from .models.result import RESULTS, CaseResult, load_cases
from .page import kernels, layers, networks, plot, readme, shapes, trained
from .page.words import HOW_TO_READ, NOTHING_YET, TITLE
from .page.wrap import wrap
from .shapes.result import ShapeTable, load_shapes

_ROOT = Path(__file__).resolve().parents[1]
_PLOT = "images/speedup.svg"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report", description="Make docs/results/performance.md and the README's numbers."
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--docs", type=Path, default=_ROOT / "docs" / "results")
    parser.add_argument("--readme", type=Path, default=_ROOT / "README.md")
    options = parser.parse_args(arguments)
    cases = load_cases(options.results / "models")
    tables = load_tables(options.results / "layers")
    has_plot = plot.draw(cases, options.docs / _PLOT)
    options.docs.mkdir(parents=True, exist_ok=True)
    atomic_write_text(
        options.docs / "performance.md",
        wrap(
            page(
                cases,
                tables,
                load_kernels(options.results / "kernels"),
                _PLOT if has_plot else None,
                load_shapes(options.results / "shapes"),
            )
        ),
    )
    if options.readme.exists():
        text = options.readme.read_text(encoding="utf-8")
        atomic_write_text(options.readme, wrap(readme.filled(text, cases)))
    return 0


def page(
    cases: list[CaseResult],
    tables: list[LayerTable],
    measured_kernels: KernelTable | None,
    plot_file: str | None,
    measured_shapes: ShapeTable | None = None,
) -> str:
    """Return the page in Markdown.

    Args:
        cases: Measured networks.
        tables: Measured layers.
        measured_kernels: Measured kernels, if there are any.
        plot_file: The plot, relative to the page, if there is one.
        measured_shapes: What new input shapes cost, if it was measured.
    """
    parts = [TITLE, HOW_TO_READ]
    if not (cases or tables):
        parts.append(NOTHING_YET)
    parts += trained.section(cases)
    parts += networks.section(cases, plot_file)
    parts += layers.section(tables)
    parts += shapes.section(measured_shapes)
    parts += kernels.section(measured_kernels)
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
