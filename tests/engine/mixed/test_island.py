"""How ONNX Runtime is set up for an island."""

from __future__ import annotations

import pytest

import zeroskip as zs
from zeroskip.engine.mixed.model import MixedModel
from zeroskip.engine.mixed.parts import IslandPart

from ..island_models import BACKBONE, HEAD, image, model


@pytest.mark.parametrize(
    ("body", "spins"),
    [
        pytest.param("a = Conv (x, w1) e = Erf (a) y = Conv (e, w3)", True, id="alone"),
        pytest.param(BACKBONE + "e = Erf (r2) r3 = Relu (e)" + HEAD, False, id="beside native parts"),
    ],
)
def test_threads_spin_where_the_island_is_alone(body: str, spins: bool) -> None:
    session = zs.InferenceSession(model(body), zs.SessionOptions(intra_op_num_threads=2))
    session.run(None, {"x": image()})
    assert isinstance(session._mixed, MixedModel)
    (part,) = [one for one in session._mixed.parts if isinstance(one, IslandPart)]
    (inner,) = part.island._sessions.values()
    options = inner.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == str(int(spins))
    assert options.intra_op_num_threads == 2
