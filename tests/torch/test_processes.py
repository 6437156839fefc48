"""Two real processes: they train as one does, share its checkpoints, and neither waits for one that is gone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from interruption import Interrupt  # noqa: E402
from torch import nn  # noqa: E402
from torch_networks import pictures  # noqa: E402
from two_processes import EVERY, RECIPE, leave, network, own_batches, whole_batches  # noqa: E402

from zeroskip.torch import finetune  # noqa: E402
from zeroskip.torch.batches import _part_of_targets  # noqa: E402
from zeroskip.torch.processes import Processes  # noqa: E402
from zeroskip.torch.run_state import Standing  # noqa: E402


def train(folder: Path, name: str, loaders: Any, step: int | None = None) -> None:
    """Train in this process, to the end or to a step, with a checkpoint; leave what came of it."""
    model = network()
    options: dict[str, Any] = {"checkpoint": folder / f"{name}.checkpoint", "checkpoint_every": EVERY}
    if step is not None:
        with pytest.raises(KeyboardInterrupt):
            finetune(model, loaders, RECIPE, callbacks=[Interrupt(step)], **options)
    else:
        leave(folder / f"{name}.pt", model, finetune(model, loaders, RECIPE, **options))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left that were started as ``torchrun`` starts them."""
    folder = tmp_path_factory.mktemp("processes")
    train(folder, "of_one", whole_batches(), 11)
    train(folder, "of_one_shared", own_batches(0, 1), 10)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {**os.environ, "OMP_NUM_THREADS": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    script = Path(__file__).with_name("two_processes.py")
    running = [
        subprocess.Popen(
            [sys.executable, str(script), str(folder)],
            env={**shared, "RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=600)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], errors
    return folder


def same(first: dict[str, Any], second: dict[str, Any], tolerance: float) -> None:
    """Require the same weights and reports."""
    for name, value in first["weights"].items():
        torch.testing.assert_close(second["weights"][name], value, rtol=10 * tolerance, atol=tolerance)
    assert second["metric"] == pytest.approx(first["metric"], abs=0.03)
    for one, two in zip(first["epochs"], second["epochs"], strict=True):
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-3)
        assert two["sparsity"] == pytest.approx(one["sparsity"], abs=1e-3)


def test_two_processes_train_as_one_does(folder: Path, tmp_path: Path) -> None:
    """Weights, losses and sparsity, through a last batch with fewer inputs than processes."""
    train(tmp_path, "one", whole_batches())
    one = torch.load(tmp_path / "one.pt", weights_only=True)
    first, second = (torch.load(folder / f"run.{rank}.pt", weights_only=True) for rank in range(2))
    assert all(torch.equal(value, second["weights"][name]) for name, value in first["weights"].items())
    same(one, first, 1e-4)


def test_one_process_goes_on_where_two_were(folder: Path) -> None:
    train(folder, "of_two", whole_batches())
    two = torch.load(folder / "run.0.pt", weights_only=True)
    same(two, torch.load(folder / "of_two.pt", weights_only=True), 1e-4)


def test_two_processes_go_on_where_one_was(folder: Path) -> None:
    two = torch.load(folder / "run.0.pt", weights_only=True)
    same(two, torch.load(folder / "of_one.1.pt", weights_only=True), 1e-4)


def test_shared_data_go_on_at_the_same_share_of_the_epoch(folder: Path) -> None:
    """Three of six steps in one process are one and a half of three in two: it goes on after the first."""
    first, second = (torch.load(folder / f"of_one_shared.{rank}.pt", weights_only=True) for rank in range(2))
    assert all(torch.equal(value, second["weights"][name]) for name, value in first["weights"].items())
    assert len(first["epochs"]) == RECIPE.epochs
    assert first["epochs"][-1]["loss"] < first["epochs"][0]["loss"]


def test_running_statistics_are_of_the_inputs_of_both(folder: Path) -> None:
    first, second = (torch.load(folder / f"statistics.{rank}.pt", weights_only=True) for rank in range(2))
    x = pictures(16)
    whole = nn.BatchNorm2d(3)
    whole(x)
    halves = torch.stack([x[rank::2].var(dim=(0, 2, 3)) for rank in range(2)]).mean(0)
    for found in (first, second):
        torch.testing.assert_close(found["running_mean"], whole.running_mean)
        torch.testing.assert_close(found["running_var"], 0.9 + 0.1 * halves)
        assert found["num_batches_tracked"] == 1


def test_gradients_are_means_and_unused_weights_have_none(folder: Path) -> None:
    for rank in range(2):
        found = torch.load(folder / f"gradients.{rank}.pt", weights_only=True)
        assert [grad if grad is None else grad.tolist() for grad in found] == [[1.5, 1.5], [0.5, 0.5], None]


def test_a_process_that_fails_ends_the_other_with_our_error(folder: Path) -> None:
    assert "DataError: the loss failed" in (folder / "error.1").read_text()
    assert "a broken disk" in (folder / "error.1").read_text()
    assert (folder / "error.0").read_text().startswith("ProcessError: another process of this run failed")


def test_every_input_of_a_batch_has_one_process() -> None:
    for count in range(1, 8):
        for world in range(1, 5):
            parts = [Processes(rank, world).part_of(count) for rank in range(world)]
            own = [list(range(count))[part] for part, weight in parts if weight]
            assert sorted(place for places in own for place in places) == list(range(count))
            assert sum(weight for _, weight in parts) == pytest.approx(world)
            assert all(list(range(count))[part] for part, _ in parts)


def test_targets_of_any_form_are_shared() -> None:
    part, y = slice(1, None, 2), torch.arange(4)
    assert _part_of_targets({"class": y, "box": (y, 2 * y)}, part, 4)["box"][1].tolist() == [2, 6]
    assert _part_of_targets([{"n": 0}, {"n": 1}, {"n": 2}, {"n": 3}], part, 4) == [{"n": 1}, {"n": 3}]
    assert [item.tolist() for item in _part_of_targets([y, y, y, y], part, 4)] == [[1, 3]] * 4
    assert _part_of_targets((torch.tensor(0.5), None), part, 4) == (torch.tensor(0.5), None)


@pytest.mark.parametrize(
    ("done", "saved", "steps", "accumulation", "wanted"),
    [
        (4, 8, 4, 1, 2),
        (3, 6, 3, 1, 1),
        (1, 4, 8, 1, 2),
        (5, 8, 4, 2, 2),
        (8, 8, 5, 2, 5),
        (0, 8, 4, 1, 0),
        (3, 8, 8, 2, 3),
    ],
)
def test_steps_of_another_size(done: int, saved: int, steps: int, accumulation: int, wanted: int) -> None:
    standing = Standing(done_in_epoch=done, loss=2.0 * done, penalty=float(done))
    standing.rescale(saved, steps, accumulation)
    assert standing.done_in_epoch == wanted
    assert (standing.loss, standing.penalty) == pytest.approx((2.0 * wanted, wanted))


def test_more_steps_than_an_epoch_has_are_no_checkpoint_of_ours() -> None:
    with pytest.raises(ValueError, match="9 steps of 8 are done"):
        Standing(done_in_epoch=9).rescale(8, 4, 1)
