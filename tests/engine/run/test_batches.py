"""Large batches: cut where no input has a part in the results of another, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import zeroskip as zs
from zeroskip.engine.run import batches, memory_check

from ..island_models import assert_same, by_onnxruntime, image, model

SEPARABLE = {
    "convolution": "y = Conv <pads = [1, 1, 1, 1]> (x, w)",
    "residual": "a = Conv <pads = [1, 1, 1, 1]> (x, w) b = Relu (a) y = Add (b, x)",
    "pooled": "a = Relu (x) b = GlobalAveragePool (a) c = Flatten (b) y = Softmax <axis = 1> (c)",
    "concatenation": "a = Relu (x) y = Concat <axis = 1> (a, x)",
    "reshape": "a = Relu (x) b = Reshape (a, rows) y = Softmax <axis = 1> (b)",
}
MIXING = {
    "softmax over the batch": "a = Relu (x) b = Flatten (a) y = Softmax <axis = 0> (b)",
    "mean over the batch": "a = Relu (x) b = ReduceMean (a, zero) y = Sub (a, b)",
    "batch moved": "a = Relu (x) b = Transpose <perm = [1, 0, 2, 3]> (a) y = Softmax <axis = 1> (b)",
    "batch reversed": "a = Relu (x) b = Conv (a, w) y = Slice (b, last, first, zero, last)",
    "batch doubled": "a = Relu (x) b = Conv (a, w) y = Concat <axis = 0> (b, b)",
    "regrouped": "a = Relu (x) b = Reshape (a, pairs) y = Softmax <axis = 1> (b)",
    "five rows, whatever the batch": "a = Relu (x) b = Reshape (a, five) y = Softmax <axis = 1> (b)",
}
CONSTANTS = {"zero": [0], "last": [-1], "first": [-99], "rows": [0, -1], "pairs": [-1, 4, 108], "five": [5, -1]}


def model_of(nodes: str, batch: str = "N") -> bytes:
    arrays = {name: np.array(value, np.int64) for name, value in CONSTANTS.items()}
    w = np.random.default_rng(1).standard_normal((3, 3, 3, 3), np.float32)
    return model(nodes, inputs=f"float[{batch}, 3, 9, 8] x", w=w, **arrays)


@pytest.fixture
def tiny_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of two images or so, and weights that cost nothing to read again."""
    monkeypatch.setattr(batches, "cache_bytes", lambda level: 2048)
    monkeypatch.setattr(batches, "_WORTH", 0.0)


def shapes_run(session: zs.InferenceSession) -> set[int]:
    way = session._way()
    return {shapes[0][0] for shapes in way.cached_shapes}  # type: ignore[union-attr]


@pytest.mark.usefixtures("tiny_cache")
@pytest.mark.parametrize("name", SEPARABLE)
def test_a_batch_in_parts_gives_what_the_whole_gives(name: str) -> None:
    data, x = model_of(SEPARABLE[name]), image(11)
    session = zs.InferenceSession(data, zs.SessionOptions(fallback="error"))
    assert_same(session.run(None, {"x": x}), by_onnxruntime(data, {"x": x}))
    assert max(shapes_run(session)) < 11


@pytest.mark.usefixtures("tiny_cache")
@pytest.mark.parametrize("name", MIXING)
def test_a_batch_whose_inputs_meet_is_not_cut(name: str) -> None:
    data, x = model_of(MIXING[name]), image(10)
    session = zs.InferenceSession(data)
    assert_same(session.run(None, {"x": x}), by_onnxruntime(data, {"x": x}))


@pytest.mark.usefixtures("tiny_cache")
def test_a_batch_that_the_model_fixes_is_not_cut() -> None:
    session = zs.InferenceSession(model_of(SEPARABLE["convolution"], batch="8"))
    session.run(None, {"x": image(8)})
    assert 8 in shapes_run(session)


def test_small_images_run_whole() -> None:
    session = zs.InferenceSession(model_of(SEPARABLE["convolution"]))
    session.run(None, {"x": image(32)})
    assert 32 in shapes_run(session)


def test_weights_that_would_be_read_again_count() -> None:
    light = batches.BatchCosts(fits=4, arena_bytes=6e6, moved_bytes=1e8, outside_bytes=0.0, weight_bytes=1e7)
    assert light.part_size(16) == 4
    assert replace(light, weight_bytes=1e9).part_size(16) == 16


@pytest.mark.usefixtures("tiny_cache")
def test_results_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    session = zs.InferenceSession(model_of(SEPARABLE["convolution"]))
    session.run(None, {"x": image(8)})
    monkeypatch.setattr(memory_check, "available_memory_bytes", lambda: 10**8)
    with pytest.raises(zs.OutOfMemoryError, match=r"\[1000000, 3, 9, 8\] needs .* GB of memory, available are 0.1 GB"):
        session.run(None, {"x": np.broadcast_to(image(1), (1_000_000, 3, 9, 8))})
