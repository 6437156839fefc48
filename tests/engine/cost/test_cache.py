"""The cost model is measured once, kept, and measured again only when it no longer holds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zeroskip import EngineError, InferenceSession, SessionOptions, _core
from zeroskip.engine import CostModel
from zeroskip.engine.cost import Fit, cache, choose_cost_model, fitted_cost_model

ISA = _core.active_isa()


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, int]]:
    """The measurements made; they return at once."""
    made: list[tuple[str, int]] = []

    def measure(isa: str, threads: int, progress: object) -> CostModel:
        made.append((isa, threads))
        fit = Fit(date=f"fit {len(made)}", seconds=1.0, samples=1, error=0.0, spread=0.0)
        return CostModel.for_isa(isa).model_copy(update={"fit": fit, "threads": threads})

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("ZEROSKIP_COST_MODEL", raising=False)
    monkeypatch.setattr(cache, "_measure", measure)
    monkeypatch.setattr(cache, "_in_memory", {})
    return made


def test_a_session_never_measures_by_itself(fits: list[tuple[str, int]], small_network: bytes) -> None:
    session = InferenceSession(small_network, SessionOptions(intra_op_num_threads=2))
    assert session.cost_model == CostModel.for_isa(ISA)
    assert fits == []


def test_the_model_is_measured_once_for_every_isa_and_number_of_threads(fits: list[tuple[str, int]]) -> None:
    first = fitted_cost_model(threads=2)
    assert fitted_cost_model(threads=2) == first == choose_cost_model("cached", None, 2)
    fitted_cost_model("generic", 1)
    assert fits == [(ISA, 2), ("generic", 1)]
    assert fitted_cost_model(threads=2, refit=True) != first


def test_sessions_read_what_was_measured(fits: list[tuple[str, int]], small_network: bytes) -> None:
    model = fitted_cost_model(threads=2)
    session = InferenceSession(small_network, SessionOptions(intra_op_num_threads=2))
    assert session.cost_model == model
    (skipping,) = [step for step in session.plan().steps if step.attributes.get("algorithm") == "auto"]
    assert 0.0 <= skipping.attributes["crossover_density"] <= 1.0
    unmeasured = InferenceSession(small_network, SessionOptions(intra_op_num_threads=1))
    assert unmeasured.cost_model.fit is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"key": {}}', b"\xff\x00"])
def test_a_damaged_file_counts_as_missing(fits: list[tuple[str, int]], content: bytes) -> None:
    fitted_cost_model(threads=2)
    cache.cache_path(ISA, 2).write_bytes(content)
    assert choose_cost_model("cached", None, 2).fit is None
    assert fitted_cost_model(threads=2).fit is not None
    assert len(fits) == 2


def _without_a_family(model: dict[str, Any]) -> None:
    del model["types"]["float32"]["rows"]


def _with_too_few_prices(model: dict[str, Any]) -> None:
    model["types"]["float32"]["point"]["sparse"]["prices"].pop()


def _with_a_negative_price(model: dict[str, Any]) -> None:
    model["types"]["float32"]["move"]["dense"]["prices"][0] = -1.0


def _with_no_width(model: dict[str, Any]) -> None:
    model["types"]["float32"]["point"]["sparse"]["width"] = 0


def _with_an_infinite_peak(model: dict[str, Any]) -> None:
    model["peak_macs_per_ms"] = float("inf")


@pytest.mark.parametrize(
    "damage",
    [_without_a_family, _with_too_few_prices, _with_a_negative_price, _with_no_width, _with_an_infinite_peak],
)
def test_a_model_that_cannot_predict_counts_as_missing(
    fits: list[tuple[str, int]], small_network: bytes, damage: Callable[[dict[str, Any]], None]
) -> None:
    fitted_cost_model(threads=2)
    path = cache.cache_path(ISA, 2)
    entry = json.loads(path.read_text())
    damage(entry["model"])
    path.write_text(json.dumps(entry))
    session = InferenceSession(small_network, SessionOptions(intra_op_num_threads=2))
    assert session.cost_model.fit is None
    assert session.explain().steps


def test_a_pipe_in_place_of_the_file_is_never_opened(fits: list[tuple[str, int]], tmp_path: Path) -> None:
    path = cache.cache_path(ISA, 2)
    path.parent.mkdir()
    os.mkfifo(path)
    assert choose_cost_model("cached", None, 2).fit is None


@pytest.mark.parametrize("field", sorted(cache.machine_key(ISA, 2)))
def test_a_file_of_another_version_or_machine_counts_as_missing(fits: list[tuple[str, int]], field: str) -> None:
    fitted_cost_model(threads=2)
    path = cache.cache_path(ISA, 2)
    entry = json.loads(path.read_text())
    entry["key"][field] = "other"
    path.write_text(json.dumps(entry))
    fitted_cost_model(threads=2)
    assert len(fits) == 2


def test_without_a_folder_to_write_to_the_model_is_kept_in_memory(
    fits: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert fitted_cost_model(threads=2) == fitted_cost_model(threads=2) == choose_cost_model("cached", None, 2)
    assert len(fits) == 1


def test_the_environment_decides_where_the_options_do_not(
    fits: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEROSKIP_COST_MODEL", "default")
    assert fitted_cost_model(threads=2).fit is None
    monkeypatch.setenv("ZEROSKIP_COST_MODEL", "fit")
    assert choose_cost_model(None, None, 2) == choose_cost_model(None, None, 2)
    assert len(fits) == 1
    monkeypatch.setenv("ZEROSKIP_COST_MODEL", "refit")
    choose_cost_model(None, None, 2)
    assert len(fits) == 2
    assert choose_cost_model("default", None, 2).fit is None
    monkeypatch.setenv("ZEROSKIP_COST_MODEL", "often")
    with pytest.raises(EngineError, match="ZEROSKIP_COST_MODEL is 'often'; expected one of cached, default"):
        choose_cost_model(None, None, 2)


def test_a_session_takes_a_model_of_the_caller(small_network: bytes) -> None:
    model = CostModel.for_isa("generic")
    assert InferenceSession(small_network, SessionOptions(cost_model=model)).cost_model is model


def test_a_noisy_measurement_is_told(
    fits: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fit = Fit(date="now", seconds=1.0, samples=1, error=0.0, spread=9.0)
    noisy = CostModel.for_isa(ISA).model_copy(update={"fit": fit})
    monkeypatch.setattr(cache, "_measure", lambda isa, threads, progress: noisy)
    assert "busy" in fitted_cost_model(threads=2).summary()
    assert "repeat it with 'zeroskip info --refit'" in caplog.text
