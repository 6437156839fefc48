"""Random networks: whatever the rules meet in whatever order, the result stays what ONNX Runtime computes."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onnx_graphs import build, random_array, run
from random_edges import EDGE_STEPS
from random_networks import STEPS, network
from zeroskip.onnx import canonicalize, load_model, to_bytes, to_standard


# Not random from run to run: rounding in front of a threshold may flip an element from 0 to the threshold, rarely.
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_random_networks(data: st.DataObject) -> None:
    opset = data.draw(st.sampled_from((18, 9, 11, 13, 17, 20)))
    steps = (*STEPS, *EDGE_STEPS)
    body, output, constants = network(lambda items: data.draw(st.sampled_from(items)), steps, opset=opset)
    model = build(body, inputs=("N", 3, "H", "W"), outputs=output, constants=constants, opset=opset)
    x = random_array(2, 3, 8, 7)
    lowered = to_bytes(to_standard(canonicalize(load_model(model), {"x": x.shape})))
    (want,), (got,) = run(model, {"x": x}), run(lowered, {"x": x})
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * max(float(np.abs(want).max(initial=0.0)), 1e-6))
