"""Real networks on real inputs: within 1e-4 of onnxruntime, at batch 1 and 7, on every instruction set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

import zeroskip as zs
from conftest import find_shared_data
from zeroskip.engine.native import core
from zeroskip.engine.options import ISAS

from .models import BATCH, NETWORKS, Network

TOLERANCE = 1e-4

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exports")


class Reference:
    """A model file, a batch of inputs, and what onnxruntime makes of them; one lives at a time."""

    def __init__(self, network: Network, file: Path, x: np.ndarray) -> None:
        self.network, self.file, self.x = network, file, x
        options = ort.SessionOptions()
        options.intra_op_num_threads = 2
        session = ort.InferenceSession(file, options)
        self.input_name = session.get_inputs()[0].name
        self.outputs = session.run(None, {self.input_name: x})


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda network: network.name)
def reference(request: pytest.FixtureRequest, exports: Path, photos: list[Path]) -> Reference:
    network: Network = request.param
    shared = find_shared_data()
    if network.needs_shared_data and shared is None:
        pytest.skip("no shared data: set ZEROSKIP_SHARED_DATA to a folder that has them")
    return Reference(network, network.file(exports, shared), network.inputs(photos))


@pytest.fixture(scope="module", params=ISAS)
def session(request: pytest.FixtureRequest, reference: Reference) -> zs.InferenceSession:
    if request.param not in core().isas_supported():
        pytest.skip(f"this CPU or build has no {request.param}")
    return zs.InferenceSession(reference.file, zs.SessionOptions(isa=request.param))


@pytest.mark.parametrize("batch", [1, BATCH])
def test_network_computes_what_onnxruntime_computes(
    session: zs.InferenceSession,
    reference: Reference,
    batch: int,
) -> None:
    results = session.run(None, {reference.input_name: reference.x[:batch]})
    for result, whole in zip(results, reference.outputs, strict=True):
        expected = whole[:batch]
        assert result.shape == expected.shape
        difference = np.abs(result - expected).max() / np.abs(expected).max()
        assert difference < TOLERANCE


def test_network_has_zeros_to_skip(reference: Reference) -> None:
    """The inputs are real: about half of what convolutions read is zero, in every network."""
    profile = zs.InferenceSession(reference.file).profile({reference.input_name: reference.x[:1]}, iterations=1)
    assert 0.2 < profile.sparsity < 0.95


def test_the_trainable_copy_computes_what_onnxruntime_computes(reference: Reference) -> None:
    """The torch module is made from the canonical graph that the engine carries out too."""
    torch = pytest.importorskip("torch")
    from zeroskip.learning import GraphModule

    module = GraphModule(reference.file).eval()
    with torch.inference_mode():
        results = module(torch.from_numpy(reference.x[:1].copy()))
    for result, whole in zip(results, reference.outputs, strict=True):
        difference = np.abs(result.numpy() - whole[:1]).max() / np.abs(whole[:1]).max()
        assert difference < TOLERANCE
    assert module.layer_names
    assert module.activation_names == tuple(item.name for item in zs.InferenceSession(reference.file).activations())
