"""The table of the fine-tuning page is made of the measurements, and of nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the scripts are not part of the package

from benchmarks.finetuning.networks import FILES, WEIGHTS, network, onnx_network
from benchmarks.finetuning.report import main, section
from benchmarks.finetuning.result import RunRecord, RunResult, Timing, Variant, load_record, record_file
from benchmarks.finetuning.runs import UNREAD, planned

from zeroskip.system import SystemInfo
from zeroskip.torch import EpochReport, FinetuneResult, Recipe, fatrelus, replace_relu


def result(method: str, seed: int, accuracy: float, is_timed: bool = True, epochs: int = 2) -> RunResult:
    timings = (Timing(threads=2, latency_ms=2.0, dense_latency_ms=3.0),) if is_timed else ()
    variant = Variant(max_drop=None, accuracy=accuracy, sparsity=0.5, mac_sparsity=0.6, timings=timings)
    return RunResult(
        network="resnet20",
        method=method,
        seed=seed,
        epochs=epochs,
        pictures=100,
        variants=(variant, variant.model_copy(update={"max_drop": 0.005})),
        test_pictures=10,
        system=SystemInfo.collect(),
        date="2026-01-01",
    )


def test_rows_are_means_over_seeds_against_the_plain_run() -> None:
    text = section([result("plain", 0, 0.88), result("recipe", 0, 0.87), result("recipe", 1, 0.88)], {})
    assert "| plain fine-tuning | 2 | no | 1 | 88.0 % | +0.0 | 50.0 % | 60.0 % | 1.50 |" in text
    assert "| full recipe before the finish | 2 | no | 2 | 87.5 % (87.0-88.0) | -0.5 |" in text
    assert "| full recipe before the finish | 2 | within 0.5 points | 2 |" in text


def test_the_common_start_is_the_baseline_until_the_plain_run_is_there() -> None:
    results = [result("start", 0, 0.87), result("recipe", 0, 0.86)]
    assert "| full recipe before the finish | 2 | no | 1 | 86.0 % | -1.0 |" in section(results, {})
    assert "| common start | 0 | no | 1 | 87.0 % | -1.0 |" in section([*results, result("plain", 0, 0.88)], {})


def test_rows_are_compared_with_plain_training_of_the_same_length() -> None:
    plain = [result("plain", 0, 0.88, epochs=4), result("short_plain", 0, 0.86)]
    text = section([*plain, result("recipe", 0, 0.87, epochs=4), result("l1", 0, 0.85)], {})
    assert "| full recipe before the finish | 4 | no | 1 | 87.0 % | -1.0 |" in text
    assert "| L1 | 2 | no | 1 | 85.0 % | -1.0 |" in text


def test_runs_that_were_not_timed_say_so() -> None:
    text = section([result("plain", 0, 0.88), result("recipe", 0, 0.87, is_timed=False)], {})
    assert "times ONNX Runtime, 2 thread(s) |" in text
    assert "| full recipe before the finish | 2 | no | 1 | 87.0 % | -1.0 | 50.0 % | 60.0 % | not timed |" in text
    assert "times" not in section([result("plain", 0, 0.88, is_timed=False)], {}).splitlines()[2]


def test_only_the_measured_part_of_the_page_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n")
    RunRecord(measured=result("plain", 0, 0.9)).save(record_file("a", tmp_path))
    log = FinetuneResult(
        recipe=Recipe(epochs=1, strength=0.25),
        baseline=0.9,
        epochs=(
            EpochReport(
                epoch=0,
                loss=1.0,
                penalty=0.1,
                metric=0.8,
                sparsity={"relu": 0.7},
                mean_sparsity=0.7,
                seconds=1.0,
                is_best=True,
            ),
        ),
        best_epoch=0,
        stop_reason="all done",
        is_complete=True,
    )
    name = "resnet20-recipe-3"
    load_record(name, tmp_path).with_phase(name, log).save(record_file(name, tmp_path))
    assert load_record(name, tmp_path).training[name].epochs[0].sparsity == {}
    assert main(["--results", str(tmp_path), "--page", str(page)]) == 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| plain fine-tuning | 2 | no | 1 | 90.0 % |" in text
    assert "| resnet20-recipe-3 | 1 | hoyer_square 0.25 | 0 | 0 | 90.0 % | 80.0 % | 70.0 % |" in text


def test_methods_are_compared_after_equally_many_epochs() -> None:
    runs = planned()
    plain = {(run.network, run.epochs) for run in runs if run.method in ("plain", "short_plain")}
    assert {(run.network, run.epochs) for run in runs if run.method != "start" and not run.epochs_before} == plain
    longer = [run for run in runs if run.epochs_before]
    assert all(run.epochs == run.epochs_before + run.recipe.epochs for run in longer)
    assert any(run.recovery is not None and run.recovery.epochs for run in runs)


@pytest.mark.parametrize("name", sorted(set(UNREAD) - set(FILES)))
def test_the_recipe_spares_the_last_activation(name: str) -> None:
    assert list(fatrelus(replace_relu(network(name))))[-1] == UNREAD[name]


def test_a_network_of_an_onnx_file_spares_its_last_activation_too(tmp_path: Path) -> None:
    """The file is written from weights as the study has them; here they are random."""
    folder = tmp_path / "cifar_resnets"
    folder.mkdir()
    state = network("resnet20").state_dict()
    np.savez(folder / WEIGHTS["resnet20"], **{name: value.numpy() for name, value in state.items()})
    (tmp_path / "cifar10").mkdir()
    x, y = np.random.default_rng(0).integers(0, 255, (1100, 32, 32, 3), np.uint8), np.zeros(1100, np.uint8)
    for part in ("train20k", "test"):
        np.savez(tmp_path / "cifar10" / f"{part}.npz", x=x, y=y)
    made = onnx_network("resnet20_onnx", tmp_path)
    assert list(fatrelus(made))[-1] == UNREAD["resnet20_onnx"]
    assert len(made.norms) == 19
