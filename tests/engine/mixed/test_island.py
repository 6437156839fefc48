"""How ONNX Runtime is set up for an island."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import zeroskip as zs
from zeroskip.engine.mixed import island
from zeroskip.engine.mixed.model import MixedModel
from zeroskip.engine.mixed.ort_session import new_session
from zeroskip.engine.mixed.parts import IslandPart

from ..island_models import BACKBONE, HEAD, assert_same, by_onnxruntime, image, model

WHOLE = "a = Conv (x, w1) e = Atan (a) y = Conv (e, w3)"


@pytest.mark.parametrize(
    ("body", "spins"),
    [
        pytest.param(WHOLE, True, id="alone"),
        pytest.param(BACKBONE + "e = Atan (r2) r3 = Relu (e)" + HEAD, False, id="beside native parts"),
    ],
)
def test_threads_spin_where_the_island_is_alone(body: str, spins: bool) -> None:
    session = zs.InferenceSession(model(body), zs.SessionOptions(intra_op_num_threads=2))
    session.run(None, {"x": image()})
    assert isinstance(session._mixed, MixedModel)
    (part,) = [one for one in session._mixed.parts if isinstance(one, IslandPart)]
    ((inner, _),) = part.island._sessions.values()
    options = inner.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == str(int(spins))
    assert options.intra_op_num_threads == 2


@pytest.mark.parametrize("kind", ["strided", "reversed", "other byte order", "subclass"])
def test_arrays_of_any_layout_reach_the_island(kind: str) -> None:
    data, array = model(WHOLE), image(2, 9, 8)
    feed = {
        "strided": array.transpose(0, 1, 3, 2).copy().transpose(0, 1, 3, 2),
        "reversed": array[..., ::-1].copy()[..., ::-1],
        "other byte order": array.astype(">f4"),
        "subclass": array.view(np.recarray),
    }[kind]
    session = zs.InferenceSession(data)
    for given in (array, feed, feed, array):
        assert_same(session.run(None, {"x": given}), by_onnxruntime(data, {"x": array}))


def test_what_is_fed_again_and_again_goes_a_shorter_way_to_the_same() -> None:
    data, array = model(WHOLE), image(2, 9, 8)
    session = zs.InferenceSession(data)
    session.run(None, {"x": array})
    assert session._whole is not None
    for seed in range(3):
        feed = {"x": image(2, 9, 8, seed)}
        assert_same(session.run(None, feed), by_onnxruntime(data, feed))
    for other in (image(1, 9, 8), image(2, 5, 6), np.asfortranarray(array), array.astype(">f4")):
        assert_same(session.run(None, {"x": other}), by_onnxruntime(data, {"x": np.asarray(other, "f", order="C")}))
        assert_same(session.run(None, {"x": array}), by_onnxruntime(data, {"x": array}))
    assert session.explain().input_shapes == {"x": (2, 3, 9, 8)}
    with pytest.raises(zs.ShapeError):
        session.run(None, {"x": array.astype(np.float64)})
    with pytest.raises(zs.ShapeError):
        session.run(None, {"x": array, "z": array})
    results = [session.run(None, {"x": array})[0] for _ in range(2)]
    results[0][...] = 7
    assert_same(results[1:], by_onnxruntime(data, {"x": array}))


def test_a_result_that_no_part_computes_is_the_callers_alone() -> None:
    """An input, or a constant, among the outputs: writing into it changes neither the feed nor the next run."""
    data = model("e = Atan (x) k = Constant <value = float[2] {1.0, 2.0}> ()", outputs="float e, float x, float k")
    session, feed = zs.InferenceSession(data), {"x": image()}
    for _ in range(2):
        results = session.run(None, feed)
        assert_same(results, by_onnxruntime(data, {"x": image()}))
        for result in results:
            result[...] = 7


def test_what_onnxruntimes_own_optimisation_breaks_runs_without(caplog: pytest.LogCaptureFixture) -> None:
    """ONNX Runtime 1.32 moves the Transpose through the Pad and takes the negative axes as they are."""
    body = (
        "t = Transpose <perm = [0, 2, 3, 1]> (x) p = Pad (t, pads, , axes)"
        "u = Transpose <perm = [0, 3, 1, 2]> (p) y = Atan (u)"
    )
    data = model(body, pads=np.array([0, 1, 1, 0]), axes=np.array([-3, -2]))
    session, array = zs.InferenceSession(data), image()
    expected = np.pad(array, ((0, 0), (0, 0), (0, 1), (1, 0)))
    for _ in range(2):
        (result,) = session.run(None, {"x": array})
        assert result.shape == expected.shape
        assert_same([result != 0], [expected != 0])
    observed = session.observe(["u"], {"x": array})
    assert_same([observed["u"]], [expected])
    assert len([record for record in caplog.records if "without optimising" in record.message]) <= 1


def test_a_model_that_loads_only_without_optimisation(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def load(*arguments: Any, is_optimised: bool, **options: Any) -> Any:
        if is_optimised:
            raise zs.ModelError("a rewriting failed")
        return new_session(*arguments, is_optimised=is_optimised, **options)

    monkeypatch.setattr(island, "new_session", load)
    session = zs.InferenceSession(model(WHOLE))
    assert_same(session.run(None, {"x": image()}), by_onnxruntime(model(WHOLE), {"x": image()}))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "3 nodes (Atan, Conv) only without optimising its graph: a rewriting failed" in record.message


def test_a_failure_for_other_reasons_is_told_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    """And the next run is an optimised one."""
    data = model("e = Atan (x) y = Gather <axis = 0> (e, n)", inputs="float[N, 3, H, W] x, int64[M] n")
    session = zs.InferenceSession(data)
    for index in (7, -9):
        with pytest.raises(zs.EngineError, match=r"ONNX Runtime failed: .*indices element out of data bounds"):
            session.run(None, {"x": image(), "n": np.array([index])})
    feed = {"x": image(), "n": np.array([1, 0, 1])}
    assert_same(session.run(None, feed), by_onnxruntime(data, feed))
    assert not caplog.records


def test_want_of_memory_is_an_error_of_its_own_and_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fail(*_: Any) -> Any:
        calls.append(1)
        raise RuntimeError("bfc_arena.cc: Failed to allocate memory for requested buffer of size 4000000000000")

    monkeypatch.setattr(island.lifetime, "run_of", lambda session: fail)
    session = zs.InferenceSession(model(WHOLE))
    for count in (1, 2):  # the second goes the shorter way
        with pytest.raises(zs.OutOfMemoryError, match="requested buffer"):
            session.run(None, {"x": image()})
        assert len(calls) == count
