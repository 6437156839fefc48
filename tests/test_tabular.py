"""Results in notebooks: a table with every row, markup as text, the same as a data frame."""

from __future__ import annotations

import builtins

import pytest

import zeroskip as zs
from report.values import HOSTILE, bench, calibration, profile
from tiny_network import tiny_network
from zeroskip.calibration import LayerSensitivity
from zeroskip.errors import DataError
from zeroskip.tabular import Tabular


def results() -> list[Tabular]:
    seen = LayerSensitivity(
        activation=HOSTILE, gain_ms=1.0, levels=(), damages=(), is_per_channel=False, fraction=0.3, damage_per_ms=None
    )
    explanation = zs.InferenceSession(tiny_network()).explain()
    return [profile(), bench(), calibration(sensitivities=(seen,)), explanation]


def test_a_notebook_shows_every_row_and_runs_nothing() -> None:
    for result in results():
        page = result._repr_html_()
        assert page.count("<tr>") == 1 + len(result._records())
        assert "<script" not in page
        assert "<img" not in page
        assert "\x1b" not in page


def test_a_result_says_what_came_out() -> None:
    assert calibration().message in calibration()._repr_html_()
    assert "<table" not in calibration()._repr_html_()


def test_pandas_takes_the_rows() -> None:
    pytest.importorskip("pandas")
    frame = profile().to_pandas()
    assert list(frame["macs"]) == [layer.macs for layer in profile().layers]
    assert frame["input_sparsity"].isna().tolist() == [True] + 5 * [False]
    assert bench().to_pandas().set_index("engine").loc["zeroskip", "p50_ms"] == 10.0


def test_without_pandas_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def missing(name: str, *arguments: object) -> object:
        if name == "pandas":
            raise ImportError(name)
        return found(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(DataError, match="zeroskip\\[notebook\\]"):
        profile().to_pandas()
