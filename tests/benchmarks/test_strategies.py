"""The table of strategies: rows are made once, and say what the calibration truly cost."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the scripts are not part of the package

from benchmarks.calibration import estimates, strategies
from benchmarks.calibration.strategies import STRATEGIES, Row, load_rows, tables

from tiny_network import tiny_data, tiny_network
from zeroskip import InferenceSession


def row(strategy: str = "sensitivity", seed: int = 0, **changes: object) -> Row:
    values = {
        "network": "net",
        "strategy": strategy,
        "samples": 250,
        "seed": seed,
        "budget": 0.01,
        "taken": "sensitivity",
        "natural": 0.4,
        "sparsity": 0.5,
        "estimate": 0.008,
        "unseen": 1000,
        "lost": 30,
        "won": 20,
        "cpu_seconds": 12.0,
        "predicted_speedup": 1.1,
        "cpu": "a processor",
        "isa": "avx2",
    }
    return Row.model_validate({**values, **changes})


def test_the_table_has_means_over_seeds_in_the_order_of_the_strategies() -> None:
    text = tables([row("block-wise", taken="blockwise"), row("block-wise", seed=1, lost=60), row("greedy")])
    lines = [line for line in text.splitlines() if line.startswith("| net, 40")]
    assert "| greedy | 1 | +10.0 | 0.80 | 1.00 | 12 s |" in lines[0]
    assert "| block-wise (kept in 1 of 2) | 2 | +10.0 | 0.80 | 2.50 | 12 s |" in lines[1]
    assert "3 calibrations (a processor, avx2, 1 thread)" in text


@pytest.mark.parametrize("strategy", ["energy", "sensitivity by model"])
def test_a_row_is_made_once(strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Case:
        metric = "top1"

        @staticmethod
        def read(folder: Path) -> bytes:
            return tiny_network()

        @staticmethod
        def data(folder: Path, count: int) -> object:
            return tiny_data(count)

    (logits,) = InferenceSession(tiny_network()).run(None, {"image": tiny_data(64).array()})
    data = tiny_data(64, logits.argmax(axis=1).tolist())
    monkeypatch.setattr(strategies, "CASES", {"tiny": Case})
    monkeypatch.setattr(strategies, "pictures", lambda folder, plan, seed: data.split(0.5, seed=seed))
    monkeypatch.setattr(strategies, "_ACCEPTS", True)
    monkeypatch.setattr("benchmarks.calibration.estimates.CASES", {"tiny": Case})
    output, models = tmp_path / "rows.jsonl", tmp_path / "models"
    command = ["--data", str(tmp_path), "--network", "tiny", "--strategy", strategy, "--samples", "32", "--budget",
               "0.2", "--seeds", "1", "--output", str(output), "--models", str(models)]  # fmt: skip
    assert strategies.main(command) == 0
    (found,) = load_rows(output)
    assert found.sparsity >= found.natural
    assert found.unseen == 32
    assert strategies.main(command) == 0
    assert load_rows(output) == [found]
    monkeypatch.setattr(strategies, "_AGREEMENT", -1.0)
    assert strategies.main([*command, "--speeds", "--time", "0"]) == 0
    assert load_rows(output) == [found], "two measurements that do not agree are none"
    monkeypatch.setattr(strategies, "_AGREEMENT", 1e9)
    monkeypatch.setattr(strategies, "_as_integers", lambda model, *arguments: model)
    assert strategies.main([*command, "--speeds", "--time", "0", "--int8"]) == 0
    (timed,) = load_rows(output)
    assert timed.speed is not None
    assert timed.int8_speed is not None
    assert timed.model_copy(update={"speed": None, "int8_speed": None}) == found
    assert "x |" in tables([timed])


def test_every_strategy_is_one_of_the_librarys() -> None:
    from zeroskip.calibration import CalibrationOptions

    for choice in STRATEGIES.values():
        CalibrationOptions(max_drop=0.01, **choice)


def test_without_labels_the_truth_is_what_the_network_says_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels of photographs are no classes of a network that judges something else."""

    class Case:
        metric = "agreement"

        @staticmethod
        def read(folder: Path) -> bytes:
            return tiny_network()

    class Changed:
        @staticmethod
        def apply(model: bytes) -> Any:
            return SimpleNamespace(to_bytes=lambda: tiny_network(gain=-1.0))

    monkeypatch.setattr(estimates, "CASES", {"tiny": Case})
    monkeypatch.setattr(estimates, "_DENSE", {})
    data = tiny_data(32)
    assert estimates.right_answers(tmp_path, "tiny", None, data).all()
    found = estimates.right_answers(tmp_path, "tiny", Changed(), data)  # type: ignore[arg-type]
    dense, other = (
        InferenceSession(model).run(None, {"image": data.array()})[0].argmax(axis=1)
        for model in (tiny_network(), tiny_network(gain=-1.0))
    )
    assert found.tolist() == (dense == other).tolist()
    part = data.subset(16)
    assert len(estimates.right_answers(tmp_path, "tiny", None, part)) == len(part)
