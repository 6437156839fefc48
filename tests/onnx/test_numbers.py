"""Ranges of whole numbers: what is known of them decides what may be held as float32."""

from __future__ import annotations

import itertools

import onnx.parser
import onnx_ir as ir
import pytest

from zeroskip.onnx.canonical.pipeline import canonicalize
from zeroskip.onnx.numbers import number_range


def range_of(text: str) -> tuple[float, float] | None:
    body = f"<int64 three = {{3}}, int64[3] places = {{0, 4, -1}}> {{ i = ArgMax <axis=1> (x) {text} }}"
    graph = onnx.parser.parse_graph(f"g (float[5,10] x) => (int64[a,b] y) {body}")
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    return number_range(canonicalize(ir.from_proto(model)).graph.outputs[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y = Add(i, three)", (3, 12)),
        ("y = Sub(three, i)", (-6, 3)),
        ("n = Sub(three, i) y = Mul(n, i)", (-54, 27)),
        ("n = Sub(three, i) y = Div(n, three)", (-2, 1)),
        ("y = Mod(i, three)", (0, 2)),
        ("n = Sub(three, i) y = Mod(n, three)", None),
        ("n = Sub(i, three) y = Div(three, n)", None),
        ("y = Min(i, three)", (0, 3)),
        ("y = Max(i, three)", (3, 9)),
        ("y = Concat <axis=0> (i, i)", (0, 9)),
        ("y = Gather <axis=0> (i, places)", (0, 9)),
        ("b = Less(i, three) n = Sub(three, i) y = Where(b, i, n)", (-6, 9)),
        ("b = Less(i, three) y = Cast <to=7> (b)", (0, 1)),
        ("y = Cast <to=7> (x)", None),
    ],
)
def test_ranges(text: str, expected: tuple[float, float] | None) -> None:
    assert range_of(text) == expected


def test_a_long_chain_of_sums_is_followed_once() -> None:
    names = ["i", *(f"v{place}" for place in range(20))]
    steps = "".join(f"{after} = Add({name}, {name}) " for name, after in itertools.pairwise(names))
    assert range_of(f"{steps} y = Add(v19, three)") == (3, 9 * 2**20 + 3)
    assert range_of(f"{steps} w = Add(v19, v19) y = Sub(w, w)") is None  # 9 * 2^21 is beyond 2^24
