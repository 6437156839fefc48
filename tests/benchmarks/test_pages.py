"""The pages of figures come out of the committed results byte for byte."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the scripts are not part of the package

from benchmarks.calibration import report as calibration_report
from benchmarks.deployments import run as deployments
from benchmarks.finetuning import report as finetuning_report
from benchmarks.precision import run as precision
from benchmarks.scaling import report as scaling_report
from benchmarks.serving import report as serving_report

from benchmarks import report

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "results"


def test_performance_page_and_readme(tmp_path: Path) -> None:
    shutil.copy(ROOT / "README.md", tmp_path)
    (tmp_path / "images").mkdir()
    report.main(["--docs", str(tmp_path), "--readme", str(tmp_path / "README.md")])
    assert (tmp_path / "README.md").read_bytes() == (ROOT / "README.md").read_bytes()
    for name in ("performance.md", "images/speedup.svg"):
        assert (tmp_path / name).read_bytes() == (DOCS / name).read_bytes(), name


def test_finetuning_page(tmp_path: Path) -> None:
    page = Path(shutil.copy(DOCS / "finetuning.md", tmp_path))
    finetuning_report.main(["--page", str(page)])
    assert page.read_bytes() == (DOCS / "finetuning.md").read_bytes()


def test_calibration_page(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    page = Path(shutil.copy(DOCS / "calibration.md", tmp_path))
    calibration_report.main(["--page", str(page)])
    for name in ("calibration.md", "images/calibration.svg"):
        assert (tmp_path / name).read_bytes() == (DOCS / name).read_bytes(), name


def test_deployments_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(deployments, "PAGE", tmp_path / "deployments.md")
    assert deployments.main(["page"]) == 0
    assert deployments.PAGE.read_bytes() == (DOCS / "deployments.md").read_bytes()


def test_precision_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(precision, "PAGE", tmp_path / "precision.md")
    assert precision.main(["page"]) == 0
    assert precision.PAGE.read_bytes() == (DOCS / "precision.md").read_bytes()


def test_serving_page(tmp_path: Path) -> None:
    page = tmp_path / "serving.md"
    serving_report.main(["--page", str(page)])
    assert page.read_bytes() == (DOCS / "serving.md").read_bytes()


def test_scaling_page(tmp_path: Path) -> None:
    """Its tables stand in a page that is written by hand."""
    page = tmp_path / "scaling.md"
    text = (DOCS.parent / "scaling.md").read_text()
    page.write_text(re.sub(r"^\|.*\n", "", text, flags=re.MULTILINE))
    scaling_report.main(["--page", str(page)])
    assert page.read_text() == text
