"""Real networks at further batch and image sizes: planned as at first, from a kept canonical graph."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import find_shared_data
from engine.run.test_region import assert_equal, planned
from zeroskip.engine.options import SessionOptions
from zeroskip.engine.run.region import Region
from zeroskip.engine.signature import InputShapes
from zeroskip.onnx import load_model

from .models import NETWORKS, Network

pytestmark = pytest.mark.slow

_OPEN_SHAPES = ((1, 64, 96), (7, 64, 96), (1, 224, 224), (2, 100, 76), (7, 161, 225), (1, 100, 76), (2, 64, 96))


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exports")


def further_shapes(region: Region) -> list[InputShapes]:
    """Return several batches of the size that the model has, and of several where it is open."""
    (value,) = region.prepared.graph.inputs
    assert value.shape is not None
    _, *rest = (size if isinstance(size, int) else None for size in value.shape)
    if None not in rest:
        return [((batch, *rest),) for batch in (1, 2, 7)]
    return [((batch, 3, height, width),) for batch, height, width in _OPEN_SHAPES]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_further_shapes_are_planned_as_at_first(network: Network, exports: Path) -> None:
    shared = find_shared_data()
    if network.needs_shared_data and shared is None:
        pytest.skip("no shared data: set ZEROSKIP_SHARED_DATA to a folder that has them")
    model = load_model(network.file(exports, shared))
    known = Region(model, SessionOptions())
    was_quick = []
    for shapes in further_shapes(known):
        was_quick.append(known.templates.specialize(shapes) is not None)
        other = Region(known.prepared, SessionOptions())
        assert_equal(planned(known, shapes), planned(other, shapes))
    assert sum(was_quick) >= len(was_quick) - 4
