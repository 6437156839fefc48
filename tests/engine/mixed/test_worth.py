"""Native parts have to save more than handing values over takes; a model without any is one island."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper

import zeroskip as zs
from zeroskip.engine.cost import CostModel
from zeroskip.engine.mixed.model import MixedModel
from zeroskip.engine.mixed.worth import Worth

from ..island_models import assert_same, by_onnxruntime, layout_of

LSTM_SIZE = 8


class Builder:
    """Makes a graph node by node; float32 input ``x``."""

    def __init__(self, shape: tuple[Any, ...]) -> None:
        self.shape, self.last, self.channels = shape, "x", int(shape[1])
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.random = np.random.default_rng(0)

    def weight(self, *shape: int) -> str:
        name = f"w{len(self.weights)}"
        scale = np.sqrt(2 / np.prod(shape[1:]))
        self.weights.append(
            numpy_helper.from_array((self.random.standard_normal(shape) * scale).astype(np.float32), name)
        )
        return name

    def add(self, op: str, *others: str, outputs: int = 1, **attributes: Any) -> Builder:
        names = [f"v{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(op, [self.last, *others], names, **attributes))
        self.last = names[-1]
        return self

    def convolutions(self, count: int, channels: int) -> Builder:
        for _ in range(count):
            self.add("Conv", self.weight(channels, self.channels, 3, 3), pads=[1] * 4).add("Relu")
            self.channels = channels
        return self

    def lstm(self) -> Builder:
        """The mean of each map as one step of a sequence."""
        self.add("GlobalAveragePool").add("Reshape", self.constant([1, 1, -1]))
        weights = (self.weight(1, 4 * LSTM_SIZE, self.channels), self.weight(1, 4 * LSTM_SIZE, LSTM_SIZE))
        return self.add("LSTM", *weights, outputs=2, hidden_size=LSTM_SIZE, clip=50.0)  # clipped: an island

    def constant(self, values: list[int]) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def build(self) -> bytes:
        inputs = [helper.make_tensor_value_info("x", 1, self.shape)]
        graph = helper.make_graph(
            self.nodes, "g", inputs, [helper.make_tensor_value_info(self.last, 1, None)], self.weights
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return bytes(made.SerializeToString())


def cut(data: bytes, threads: int = 1, fallback: Any = "islands", **options: Any) -> zs.InferenceSession:
    """Return a session that decides by what is gained, at AVX2's built-in prices whatever the machine."""
    costs = CostModel.for_isa("avx2")
    chosen = zs.SessionOptions(intra_op_num_threads=threads, fallback=fallback, cost_model=costs, **options)
    return zs.InferenceSession(data, chosen)


def run_like_onnxruntime(session: zs.InferenceSession, data: bytes, *shape: int) -> None:
    feed = {"x": np.random.default_rng(1).standard_normal(shape, np.float32)}
    assert_same(session.run(None, feed), by_onnxruntime(data, feed))


def kinds(session: zs.InferenceSession) -> list[bool]:
    return [is_native for is_native, _ in layout_of(session)]


def test_tiny_convolutions_before_an_lstm_are_one_island() -> None:
    data = Builder((1, 1, 1, 64)).convolutions(4, 16).lstm().build()
    session = cut(data)
    assert kinds(session) == [False]
    run_like_onnxruntime(session, data, 1, 1, 1, 64)
    (island,) = session.explain_islands()
    assert "nodes could run natively: skipping zeros would save" in island.note
    assert "handing values over takes 0.1 ms" in island.note
    assert island.note in " ".join(str(island).split())
    assert max(map(len, str(island).splitlines())) <= 80
    assert [reason.split(":")[0] for reason in island.reasons.values()] == ["LSTM"]
    assert kinds(cut(data, fallback="parts")) == [True, False]


@pytest.mark.parametrize("threads", [1, 2])
def test_large_convolutions_before_an_lstm_stay_native(threads: int) -> None:
    data = Builder((1, 3, 56, 56)).convolutions(4, 64).lstm().build()
    session = cut(data, threads)
    assert kinds(session) == [True, False]
    run_like_onnxruntime(session, data, 1, 3, 56, 56)
    assert session.explain_islands()[0].note == ""


def test_many_tiny_parts_are_one_island() -> None:
    builder = Builder((1, 3, 12, 12))
    for _ in range(6):
        builder.convolutions(2, 16).add("Atan")
    data = builder.build()
    session = cut(data)
    assert kinds(session) == [False]
    run_like_onnxruntime(session, data, 1, 3, 12, 12)
    assert kinds(cut(data, fallback="parts")) == [True, False] * 6


def test_only_the_part_that_gains_stays() -> None:
    builder = Builder((1, 3, 8, 8)).convolutions(2, 8).add("Atan")
    builder.add("Resize", "", "", builder.constant([1, 8, 56, 56])).add("Identity")
    builder.convolutions(4, 64).add("Atan").add("MaxPool", kernel_shape=[8, 8], strides=[8, 8])
    data = builder.convolutions(2, 8).add("Atan").build()
    session = cut(data)
    assert kinds(session) == [False, True, False]
    assert [bool(island.note) for island in session.explain_islands()] == [True, True]
    run_like_onnxruntime(session, data, 1, 3, 8, 8)


def test_a_whole_island_pays_no_crossing_and_needs_no_other_option() -> None:
    data = Builder((1, 3, 8, 8)).convolutions(2, 8).add("Atan").build()
    session = cut(data)
    assert isinstance(session._mixed, MixedModel)
    assert session._mixed._whole is not None


def open_model() -> bytes:
    return Builder(("N", 3, "H", "W")).convolutions(4, 32).add("Atan").build()


def test_larger_inputs_than_assumed_are_judged_once_more() -> None:
    data = Builder(("N", 3, 16, 16)).convolutions(4, 32).add("Atan").build()  # assumed: a batch of 1
    session = cut(data)
    assert kinds(session) == [False]
    run_like_onnxruntime(session, data, 16, 3, 16, 16)
    assert kinds(session) == [True, False]
    run_like_onnxruntime(session, data, 1, 3, 16, 16)  # settled by the first run
    assert kinds(session) == [True, False]


def test_smaller_inputs_than_assumed_are_judged_once_more() -> None:
    session = cut(open_model())  # assumed: 224 x 224
    assert kinds(session) == [True, False]
    run_like_onnxruntime(session, open_model(), 1, 3, 9, 9)
    assert kinds(session) == [False]
    run_like_onnxruntime(session, open_model(), 1, 3, 24, 24)
    assert kinds(session) == [False]


def test_parts_of_unknown_shapes_are_judged_by_their_weights() -> None:
    """What If returns has no shape before the run."""

    def headed(channels: int) -> bytes:
        builder = Builder((1, 8, 8, 8)).add("ReduceMean", keepdims=0)
        zero = numpy_helper.from_array(np.zeros((), np.float32), "zero")
        builder.weights.append(zero)
        builder.add("Greater", "zero")
        bodies = {
            f"{name}_branch": helper.make_graph(
                [helper.make_node(op, ["x"], [f"{name}_y"])],
                name,
                [],
                [helper.make_tensor_value_info(f"{name}_y", 1, None)],
            )
            for name, op in (("then", "Atan"), ("else", "Neg"))
        }
        builder.add("If", **bodies)
        return builder.convolutions(3, channels).build()

    small, large = headed(8), headed(128)
    assert kinds(cut(small)) == [False]
    assert kinds(cut(large)) == [False, True]
    run_like_onnxruntime(cut(large), large, 1, 8, 8, 8)


def test_the_words_of_a_worth() -> None:
    assert str(Worth(0.0116, 0.5)) == (
        "skipping zeros would save 11.6 µs a run (estimated), handing values over takes 0.5 ms"
    )
    assert "would save nothing" in str(Worth(-0.1, 0.1))
    assert not Worth(0.1, 0.1).is_enough


def test_the_environment_says_what_a_session_does_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZEROSKIP_FALLBACK")
    assert zs.SessionOptions().fallback == "islands"
    monkeypatch.setenv("ZEROSKIP_FALLBACK", "error")
    assert zs.SessionOptions().fallback == "error"
    monkeypatch.setenv("ZEROSKIP_FALLBACK", "no")
    with pytest.raises(zs.EngineError, match="fallback is 'no'; expected one of islands, parts, error"):
        zs.SessionOptions()


def test_the_methods_say_that_nothing_is_gained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROSKIP_FALLBACK", "islands")
    data = Builder((1, 1, 1, 64)).convolutions(4, 16).lstm().build()
    inputs = list(np.random.default_rng(2).standard_normal((12, 1, 1, 64), np.float32))
    why = "nodes could run natively: skipping zeros would save"
    profile = zs.analyze(data, inputs, samples=2, threads=1)
    assert profile.verdict.startswith("No: the model is left to ONNX Runtime")
    assert why in profile.verdict
    result = zs.calibrate(data, inputs, 0.01, measure_seconds=0.0, threads=1)
    assert result.is_zero
    assert why in result.message
