"""Traces: what Perfetto reads, with every step, what the threads did in it, and densities."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

import zeroskip as zs
from tiny_network import tiny_data, tiny_network
from zeroskip.engine import Profile


@pytest.fixture(scope="module")
def profile() -> Profile:
    session = zs.InferenceSession(tiny_network(), zs.SessionOptions(intra_op_num_threads=2))
    return session.profile({"image": tiny_data(8).array()}, iterations=3)


def complete(profile: Profile, row: int | None = None) -> list[dict]:
    events = [event for event in profile.to_trace()["traceEvents"] if event["ph"] == "X"]
    return events if row is None else [event for event in events if event["tid"] == row]


def test_steps_follow_each_other(profile: Profile) -> None:
    steps = complete(profile, row=0)
    assert [event["name"] for event in steps] == [step.name for step in profile.steps]
    for before, after in itertools.pairwise(steps):
        assert after["ts"] == pytest.approx(before["ts"] + before["dur"])
    assert steps[0]["ts"] == 0.0
    assert all(event["dur"] > 0.0 for event in steps)


def test_what_threads_did_lies_within_the_step(profile: Profile) -> None:
    work = [event for event in complete(profile) if event["tid"] > 0]
    assert work, "two threads share the convolutions of eight pictures"
    steps = {event["name"]: event for event in complete(profile, row=0)}
    for event in work:
        step = steps[event["name"]]
        assert event["tid"] in (1, 2)
        assert event["ts"] >= step["ts"] - 1e-6
        assert event["ts"] + event["dur"] <= step["ts"] + step["dur"] + 1e-6


def test_densities_are_those_of_the_profile(profile: Profile) -> None:
    counted = [event["args"]["density"] for event in profile.to_trace()["traceEvents"] if event["ph"] == "C"]
    assert counted == [step.input_density for step in profile.steps if step.input_density is not None]
    assert len(counted) >= 2
    facts = complete(profile, row=0)[1]["args"]
    assert facts["kernel"] == profile.steps[1].kernel
    assert facts["macs"] == profile.steps[1].macs


def test_it_is_json_that_a_viewer_takes(profile: Profile, tmp_path: Path) -> None:
    profile.save_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    rows = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert rows[0] == "steps"
    assert {event["tid"] for event in events if event["ph"] == "X"} <= set(rows)
    assert all(event["ph"] in "XMC" and event["pid"] == 1 for event in events)


def test_one_thread_has_steps_only() -> None:
    session = zs.InferenceSession(tiny_network(), zs.SessionOptions(intra_op_num_threads=1))
    profile = session.profile({"image": tiny_data(1).array()}, iterations=1)
    assert {event["tid"] for event in complete(profile)} <= {0, 1}
    assert "tasks" not in profile.to_dict()["steps"][0]


def test_islands_have_a_step_without_threads(profile: Profile) -> None:
    from dataclasses import replace

    island = replace(profile.steps[0], name="island", last_ms=None, tasks=())
    found = complete(Profile((island, *profile.steps[1:]), 1, 2, "generic"), row=0)
    assert found[0]["dur"] == pytest.approx(1e3 * island.latency_ms)
