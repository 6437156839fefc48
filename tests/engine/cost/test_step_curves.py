"""Measured times of a network's steps: what they say, and that they are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from zeroskip.engine.cost import StepCurves, kept_curves, step_curves
from zeroskip.engine.cost.step_curves import MeasuredStep


def made_up(batch_size: int = 1, error: float = 0.0) -> StepCurves:
    steps = {
        "conv": MeasuredStep(points=((0.2, 1.0), (0.8, 4.0)), error=error),
        "edge": MeasuredStep(points=((0.1, 1.0), (0.5, 2.0), (0.9, 2.0)), steady_density=0.4),
        "first": MeasuredStep(points=((1.0, 5.0),)),
    }
    return StepCurves(isa="avx2", threads=1, batch_size=batch_size, steps=steps)


def test_times_are_per_input() -> None:
    one, four = made_up(), made_up(batch_size=4)
    assert one.step_ms("conv", 0.5) == pytest.approx(2.5)
    assert four.step_ms("conv", 0.5) == pytest.approx(2.5 / 4)
    assert one.step_ms("conv", None) == 4.0
    assert one.step_ms("edge", 0.45) == 2.0
    assert one.step_ms("first", 0.3) == one.step_ms("first", None) == 5.0
    assert one.step_ms("another", 0.5) is None


def test_they_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_curves, "user_cache_folder", lambda: tmp_path)
    calls: list[int] = []

    def measure() -> StepCurves:
        calls.append(1)
        return made_up()

    for _ in range(3):
        assert kept_curves(b"model", "generic", 1, measure) == made_up()
    assert len(calls) == 1
    kept_curves(b"another", "generic", 1, measure)
    kept_curves(b"model", "generic", 2, measure)
    assert len(calls) == 3
    (kept, *_) = (tmp_path / "step-curves").glob("*.json")
    for file in (tmp_path / "step-curves").glob("*.json"):
        file.write_text("{")
    kept_curves(b"model", "generic", 1, measure)
    assert len(calls) == 4, "a damaged file counts as missing"
    assert kept.exists()


def test_without_a_folder_they_live_as_long_as_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr(step_curves, "_in_memory", {})
    for folder in (None, blocked):
        monkeypatch.setattr(step_curves, "user_cache_folder", lambda folder=folder: folder)
        calls: list[int] = []
        name = str(folder).encode()
        for _ in range(2):
            kept_curves(name, "generic", 1, lambda calls=calls: calls.append(1) or made_up())
        assert len(calls) == 1


def test_old_files_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_curves, "user_cache_folder", lambda: tmp_path)
    monkeypatch.setattr(step_curves, "_MOST_FILES", 3)
    for number in range(6):
        kept_curves(bytes([number]), "generic", 1, made_up)
    assert len(list((tmp_path / "step-curves").glob("*.json"))) == 3


def test_noise_is_that_of_the_steps_that_can_skip_by_their_time() -> None:
    """4 ms uncertain by 12 %, 2 ms by nothing; the 5 ms that never skip decide nothing."""
    curves = made_up(error=0.12)
    assert curves.error == pytest.approx(0.08)
    assert curves.is_noisy
    assert not made_up(error=0.08).is_noisy
    fixed = curves.model_copy(update={"steps": {"first": MeasuredStep(points=((1.0, 5.0),), error=1.0)}})
    assert (fixed.error, fixed.is_noisy) == (0.0, False)


@pytest.mark.parametrize("has_folder", [True, False])
def test_noisy_times_are_measured_again_by_the_next_and_the_least_noisy_kept(
    has_folder: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_curves, "_in_memory", {})
    monkeypatch.setattr(step_curves, "user_cache_folder", lambda: tmp_path if has_folder else None)
    errors = [0.3, 0.5, 0.2, 0.01, 0.0]
    calls = iter(errors)
    found = [kept_curves(b"model", "generic", 1, lambda: made_up(error=next(calls))) for _ in range(6)]
    assert [item.steps["conv"].error for item in found] == [0.3, 0.3, 0.2, 0.01, 0.01, 0.01]
    assert next(calls) == 0.0, "times that are certain are not measured again"


def test_files_that_do_not_say_how_noisy_they_are_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_curves, "user_cache_folder", lambda: tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(step_curves, "_FORM", 1)
        kept_curves(b"model", "generic", 1, made_up)
    calls: list[int] = []
    kept_curves(b"model", "generic", 1, lambda: calls.append(1) or made_up())
    assert calls == [1]
