"""Timing a network at several densities: what is kept of the profiles, never how long they took."""

from __future__ import annotations

import numpy as np
import pytest

import zeroskip as zs
from tiny_network import tiny_data, tiny_network
from zeroskip.engine.run import density_sweep
from zeroskip.engine.run.density_sweep import measured_steps, sweep_densities


def profile(conv: float, other: float = 1.0, density: float = 0.5, edge: float | None = None) -> list[dict]:
    return [
        {"min_ms": other, "density": None, "steady_density": None},
        {"min_ms": conv, "density": density, "steady_density": edge},
    ]


def test_a_slow_moment_of_the_machine_is_taken_out() -> None:
    rounds = [
        [profile(4.0, density=0.8), profile(2.0, density=0.4)],
        [profile(12.0, 3.0, density=0.8), profile(2.0, density=0.4)],
        [profile(4.0, density=0.8), profile(20.0, 10.0, density=0.4)],
    ]
    found = measured_steps(["first", "conv"], rounds)
    assert found["first"].points == ((1.0, 1.0),)
    assert found["conv"].points == (pytest.approx((0.8, 4.0)), pytest.approx((0.4, 2.0)))


def test_steps_that_take_next_to_nothing_are_no_clock() -> None:
    rounds = [[profile(conv, other)] for conv, other in ((4.0, 1e-3), (4.0, 1e-2), (4.0, 1e-3))]
    assert measured_steps(["first", "conv"], rounds)["conv"].points == ((0.5, 4.0),)


def test_what_rounds_leave_open_is_kept_with_the_times() -> None:
    """A third of the rounds at half the speed: what skips is uncertain where nothing tells how fast the machine was."""
    calm = [[profile(4.0)] for _ in range(9)]
    rough = [[profile(time, 1e-3)] for time in (4.0, 8.0, 4.0, 2.0, 4.0, 8.0, 2.0, 4.0, 8.0)]
    assert measured_steps(["first", "conv"], calm)["conv"].error == 0.0
    assert measured_steps(["first", "conv"], rough)["conv"].error > 0.1
    slow = [[profile(factor * 4.0, factor)] for factor in (1.0, 2.0, 1.0, 3.0, 1.0, 2.0)]
    assert measured_steps(["first", "conv"], slow)["conv"].error == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("times", "rounds"),
    [([1.0], 9), ([1.0, 2.0, 4.0], 27), ([4.0] * 6 + [1.0] * 100, 27)],
    ids=["calm", "noisy", "calm at last"],
)
def test_it_goes_on_while_times_are_noisy(times: list[float], rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two levels, times as given, on a clock that stands still: rounds alone end it."""
    session = zs.InferenceSession(tiny_network(), zs.SessionOptions(intra_op_num_threads=1))
    image = tiny_data(1).array()
    program = session.probe({"image": (1, *image.shape[1:])})
    count, calls = len(program.plan.steps), []

    def timed(program: object, level: object, feed: object) -> list[dict]:
        calls.append(times[len(calls) % len(times)])
        return [{"min_ms": calls[-1], "density": density, "steady_density": None} for density in [0.5] * count]

    monkeypatch.setattr(density_sweep, "_profile", timed)
    monkeypatch.setattr(density_sweep.time, "perf_counter", lambda: 0.0)
    curves = sweep_densities(program, [image], [{}, {}])
    assert len(calls) == 2 * rounds
    assert curves.is_noisy == (rounds == 27 and len(times) == 3)


def test_the_edge_is_the_cores() -> None:
    assert measured_steps(["first", "conv"], [[profile(1.0, edge=0.3)]])["conv"].steady_density == 0.3


def test_real_masks_are_thinned_and_thresholds_put_back() -> None:
    session = zs.InferenceSession(tiny_network(), zs.SessionOptions(intra_op_num_threads=1))
    image = tiny_data(2).array()
    program = session.probe({"image": (1, *image.shape[1:])})
    names = list(program.threshold_steps)
    levels = [dict.fromkeys(names, threshold) for threshold in (0.0, 0.2, 1e9)]
    before = program.start([image[:1]])
    before.advance()
    curves = sweep_densities(program, [image[:1], image[1:2]], levels, seconds=0.0)
    assert curves.batch_size == 1
    assert set(curves.steps) == {step.name for step in session.plan({"image": (1, *image.shape[1:])}).steps}
    densities = [density for density, _ in curves.steps["conv2"].points]
    assert densities == sorted(densities, reverse=True)
    assert densities[-1] == 0.0
    after = program.start([image[:1]])
    after.advance()
    assert np.array_equal(before.outputs()[0], after.outputs()[0])
