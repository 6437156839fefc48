"""The table in docs/results/operators.md: which operator of which version runs natively, and what the node tests say.

``PYTHONPATH=tests python -m conformance.operator_table`` writes it anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import onnx.defs

from zeroskip.onnx.opset import OLDEST_OPSET, is_read
from zeroskip.onnx.support import native_operators

from .node_suite import FAILED, ISLAND, NATIVE, REFERENCE_FAILS, Outcome, node_cases, outcome_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results" / "operators.md"

_HEAD = """\
# Operators

Made by `PYTHONPATH=tests python -m conformance.operator_table`; a test holds it current.

**Native** operators are run by the engine itself, under the conditions that the error message and
`explain()` name: float32, constant weights, one or two spatial dimensions, and so on. Some are
native only as parts of what the engine recognises: Cast in a threshold, Where in one. Whatever is
not native runs in ONNX Runtime, as part of an [island](../islands.md). *Versions* are those of the
operator's definition that are in force from opset {oldest} on.

The numbers count the node tests of onnx {onnx} that pass: natively (as they are, or with all inputs
but the first as constants), in an island; and those that ONNX Runtime {runtime} itself does not run,
or does not compute as the standard says.

| operator | versions read natively | native | island | not by ONNX Runtime |
|---|---|---|---|---|
"""


def page(outcomes: Iterable[Outcome]) -> str:
    """Return the text of the page."""
    import onnxruntime

    counts: dict[tuple[str, str], Counter[str]] = {}
    for outcome in outcomes:
        counts.setdefault((outcome.domain, outcome.operator), Counter())[outcome.kind] += 1
    native = sorted(native_operators())
    head = _HEAD.format(oldest=OLDEST_OPSET, onnx=onnx.__version__, runtime=onnxruntime.__version__)
    lines = [_row(name, _versions(name), counts.pop(("", name), Counter())) for name in native]
    several = counts.pop(("", ""), Counter())
    lines.append(_row("*graphs of several nodes*", "", several))
    for (domain, name), count in sorted(counts.items()):
        lines.append(_row(f"{domain}::{name}" if domain else name, "", count))
    return head + "\n".join(lines) + "\n"


def _row(name: str, versions: str, count: Counter[str]) -> str:
    cells = [str(count[kind]) if count[kind] else "" for kind in (NATIVE, ISLAND, REFERENCE_FAILS)]
    return f"| {name} | {versions} | {' | '.join(cells)} |"


def _versions(name: str) -> str:
    schemas = [item for item in onnx.defs.get_all_schemas_with_history() if item.name == name and item.domain == ""]
    versions = sorted(item.since_version for item in schemas)
    in_force = [v for v, following in zip(versions, [*versions[1:], 10**6], strict=True) if following > OLDEST_OPSET]
    return ", ".join(str(version) for version in in_force if is_read(name, version))


def main() -> None:
    outcomes = [outcome_of(case) for case in node_cases()]
    for outcome in outcomes:
        if outcome.kind == FAILED:
            print(outcome)
    PAGE.write_text(page(outcomes))


if __name__ == "__main__":
    main()
