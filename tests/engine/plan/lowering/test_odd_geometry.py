"""Slices, pools and pads of odd geometries run natively, and give what ONNX Runtime gives."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import zeroskip as zs
from zeroskip.engine.plan.lowering import pool

from ...island_models import BACKBONE, assert_same, by_onnxruntime, image, model, session_like_onnxruntime


def native(body: str, *, height: int = 9, width: int = 8, **constants: object) -> None:
    data = model(BACKBONE + body, **{name: np.asarray(value, np.int64) for name, value in constants.items()})
    session_like_onnxruntime(data, {"x": image(2, height, width)}, fallback="error")


FIRST, LAST = -(2**62), 2**62


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ([0], [16], [1], [2]),
        ([1], [LAST], [1], [3]),
        ([15], [FIRST], [1], [-1]),
        ([-1], [FIRST], [-3], [-5]),
        ([12], [3], [1], [-4]),
        ([-1, -1], [FIRST, FIRST], [2, 3], [-1, -1]),
        ([2, 7], [LAST, 0], [1, 3], [5, -3]),
        ([0], [16], [1], [100]),
        ([-1], [FIRST], [0], [-1]),
    ],
)
@pytest.mark.parametrize("tail", ["y = Relu (s)", "t = Relu (s) y = GlobalMaxPool (t)"])
def test_slices_by_any_step(starts: list[int], ends: list[int], axes: list[int], steps: list[int], tail: str) -> None:
    native(f"s = Slice (r2, starts, ends, axes, steps) {tail}", starts=starts, ends=ends, axes=axes, steps=steps)


def test_a_slice_of_nothing() -> None:
    constants = {"starts": [3], "ends": [4], "axes": [1], "steps": [-1]}
    arrays = {name: np.asarray(value) for name, value in constants.items()}
    session_like_onnxruntime(model(BACKBONE + "y = Slice (r2, starts, ends, axes, steps)", **arrays), {"x": image()})


def test_slices_backwards_without_axes() -> None:
    native("s = Slice (r2, starts, ends, , steps) y = Relu (s)", starts=[0, -1], ends=[2, FIRST], steps=[1, -1])


def test_a_strided_slice_of_channels_is_convolved() -> None:
    """Its zeros are still skipped: the mask is written anew."""
    body = "s = Slice (r2, zero, all, one, two) p = Pad (s, pads) y = Conv (p, w3)"  # back to 16 channels
    native(body, zero=[0], all=[16], one=[1], two=[2], pads=[0, 4, 0, 0, 0, 4, 0, 0])


@pytest.mark.parametrize("indices", [[0, 2, 4, 6], [2, 1, 0], [15, 10, 5, 0], [-1, -2], [9]])
def test_gathers_of_evenly_spaced_channels(indices: list[int]) -> None:
    native("s = Gather <axis = 1> (r2, indices) y = Relu (s)", indices=indices)


POOLS = [
    "ceil_mode = 1, kernel_shape = [3, 3], strides = [2, 2]",
    "ceil_mode = 1, kernel_shape = [5, 4], strides = [4, 3]",
    "ceil_mode = 1, kernel_shape = [3, 2], strides = [2, 5], pads = [1, 0, 0, 1]",
    "ceil_mode = 1, kernel_shape = [2, 2], strides = [5, 7]",
    "ceil_mode = 0, kernel_shape = [2, 1], strides = [5, 3]",
    "ceil_mode = 1, kernel_shape = [3, 3], strides = [3, 3], pads = [1, 1, 1, 1]",
]


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool", "AveragePool-counting"])
@pytest.mark.parametrize("attributes", POOLS)
@pytest.mark.parametrize("size", [(2, 9), (2, 2), (4, 3), (9, 5)])
def test_pools_of_small_maps(kind: str, attributes: str, size: tuple[int, int]) -> None:
    operator, _, counts = kind.partition("-")
    extra = ", count_include_pad = 1" if counts else ""
    data = model(BACKBONE + f"s = {operator} <{attributes}{extra}> (r2) y = Relu (s)")
    feed = {"x": image(2, *size)}
    try:
        by_onnxruntime(data, feed)
    except Exception:  # windows that only lie in the padding, ...
        pytest.skip("ONNX Runtime refuses it")
    fits = "ceil_mode = 1" in attributes and "[5, 4]" not in attributes  # the others may need an island
    session_like_onnxruntime(data, feed, fallback="error" if fits else "islands")


def test_a_window_beyond_the_input_runs_natively() -> None:
    for kind in ("MaxPool", "AveragePool", "AveragePool <count_include_pad = 1"):
        start = kind + (", " if "<" in kind else " <")
        body = f"s = {start}ceil_mode = 1, kernel_shape = [3, 3], strides = [2, 2]> (r2) y = Relu (s)"
        native(body, height=2, width=2)


def test_a_dilated_max_pool_beyond_the_input() -> None:
    native(
        "s = MaxPool <ceil_mode = 1, kernel_shape = [2, 2], strides = [3, 3], dilations = [3, 2]> (r2) y = Relu (s)",
        height=3,
        width=7,
    )


@pytest.mark.parametrize("mode", ["reflect", "edge", "constant"])
@pytest.mark.parametrize("amounts", [(1, 2, 3, 0), (0, 0, 0, 7), (4, 4, 4, 4)])
def test_pads_of_every_mode(mode: str, amounts: tuple[int, ...]) -> None:
    pads = [0, 0, *amounts[:2], 0, 0, *amounts[2:]]
    native(f'p = Pad <mode = "{mode}"> (r2, pads) y = Conv (p, w3)', pads=pads)


def test_a_reflection_of_more_than_there_is_goes_where_it_can() -> None:
    data = model(BACKBONE + 'p = Pad <mode = "reflect"> (r2, pads) y = Conv (p, w3)', pads=np.array([0, 0, 1, 0] * 2))
    with pytest.raises(zs.UnsupportedOperatorError, match="smaller than the extent"):
        zs.InferenceSession(data, zs.SessionOptions(fallback="error")).run(None, {"x": image(1, 1, 8)})


def test_what_the_core_refuses_runs_in_an_island(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The conditions are stated in two places; where they disagree no model is lost."""
    wrong = {"kernel": (2, 2), "strides": (0, 2), "pads": (0, 0, 0, 0), "dilations": (1, 1)}
    monkeypatch.setattr(pool, "window_attributes", lambda _: dict(wrong))
    body = "p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r2) y = Conv (p, w3)"
    data, feed = model(BACKBONE + body), {"x": image()}
    with pytest.raises(zs.UnsupportedOperatorError, match=r"'p'.*'strides' must be in") as caught:
        zs.InferenceSession(data, zs.SessionOptions(fallback="error")).run(None, feed)
    assert [node.node_name for node in caught.value.nodes] == ["p"]
    with caplog.at_level(logging.WARNING, "zeroskip"):
        session = zs.InferenceSession(data)
        assert_same(session.run(None, feed), by_onnxruntime(data, feed))
    assert "disagree about 'p'" in caplog.text
    (island,) = session.explain_islands()
    assert "p" in island.reasons
