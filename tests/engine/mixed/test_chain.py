"""Chains: a model of parts whose constants change, and runs that go on from any step, across islands too."""

from __future__ import annotations

import numpy as np
import pytest

import zeroskip as zs
from task_networks import detector_network, embedding_network, pictures, reader_network
from tiny_network import tiny_data, tiny_network
from zeroskip.engine.mixed.chain import ProbeChain

OPTIONS = zs.SessionOptions(intra_op_num_threads=1, fallback="parts")


def chain_of(model: bytes, feed: dict[str, np.ndarray]) -> ProbeChain:
    return zs.InferenceSession(model, OPTIONS).probe_chain(feed)


def run(chain: ProbeChain, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    running = chain.start(feed)
    running.advance()
    return running.outputs()


@pytest.mark.parametrize("model", [embedding_network(), detector_network(), reader_network(), tiny_network()])
def test_a_chain_computes_what_the_session_does(model: bytes) -> None:
    feed = {"image": pictures(2)}
    session = zs.InferenceSession(model, OPTIONS)
    chain = session.probe_chain(feed)
    assert list(chain.threshold_steps) == ["relu1", "relu2", "relu3"]
    for name, expected in zip([item.name for item in session.get_outputs()], session.run(None, feed), strict=True):
        np.testing.assert_array_equal(run(chain, feed)[name], expected)


def test_a_run_goes_on_from_where_it_was_saved_through_the_islands() -> None:
    feed = {"image": pictures(1)}
    chain = chain_of(reader_network(), feed)
    running = chain.start(feed)
    running.advance(chain.threshold_steps["relu2"])
    saved = running.save()
    found = []
    for threshold in (0.0, 0.3, 0.0):
        chain.set_thresholds({"relu2": threshold})
        running.restore(saved)
        running.advance()
        found.append(running.outputs()["scores"])
    np.testing.assert_array_equal(found[0], found[2])
    assert not np.array_equal(found[0], found[1])
    other = chain.start(feed)  # a run of its own goes on from there as well
    other.restore(saved)
    other.advance()
    np.testing.assert_array_equal(other.outputs()["scores"], found[0])


def test_changes_reach_all_sizes_and_go_back() -> None:
    small, large = {"image": pictures(1, 40)}, {"image": pictures(1, 64)}
    chain = chain_of(reader_network(), small)
    before = run(chain, large)["scores"]
    chain.set_thresholds({"relu1": 0.2})
    thinned = run(chain, large)["scores"]
    assert not np.array_equal(before, thinned)
    np.testing.assert_array_equal(run(chain, {"image": pictures(1, 64)})["scores"], thinned)
    chain.reset_thresholds(["relu1"])
    np.testing.assert_array_equal(run(chain, large)["scores"], before)


def test_only_so_many_sizes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from zeroskip.engine.mixed import links

    monkeypatch.setattr(links, "MAX_SHAPES", 2)
    chain = chain_of(tiny_network(), {"image": tiny_data(1).array()})
    chain.set_thresholds({"relu1": 0.1})
    first = run(chain, {"image": tiny_data(1).array()})["logits"]
    for size in (2, 3, 4):
        run(chain, {"image": tiny_data(size).array()})
    assert len(chain.parts[0]._programs) == 2
    np.testing.assert_array_equal(run(chain, {"image": tiny_data(1).array()})["logits"], first)


def test_densities_are_told_by_the_steps_of_the_example() -> None:
    chain = chain_of(detector_network(), {"image": pictures(1)})
    running = chain.start({"image": pictures(3)})
    running.advance(counts=True)
    found = running.densities()
    assert found
    assert all(0.0 <= density <= 1.0 for density in found.values())
    assert {chain.plan.steps[step].name for step in found} <= {step.name for step in chain.plan.steps}
    assert chain.heads == ("boxes", "scores")
