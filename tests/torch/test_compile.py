"""Modules on the engine, by hand and through torch.compile."""

from __future__ import annotations

import logging
from importlib.metadata import entry_points

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from torch import nn  # noqa: E402
from torch_networks import Plain, Shared, pictures  # noqa: E402

import zeroskip as zs  # noqa: E402
import zeroskip.torch  # noqa: E402
from zeroskip.torch import replace_relu, zeroskip_backend  # noqa: E402


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return replace_relu(Plain(), 0.1).eval()


def test_a_compiled_module_computes_the_same_for_any_batch(model: nn.Module) -> None:
    fast = zeroskip.torch.compile(model, pictures(1), options=zs.SessionOptions(intra_op_num_threads=1))
    for count in (1, 3):
        assert torch.allclose(fast(pictures(count)), model(pictures(count)), rtol=1e-4, atol=1e-5)
    assert "conv" in str(fast.session.explain()).lower()


def test_a_compiled_module_refuses_what_it_cannot_do(model: nn.Module) -> None:
    fast = zeroskip.torch.compile(model, pictures(1))
    with pytest.raises(zs.EngineError, match="only infers"):
        fast(pictures(1).requires_grad_())
    with pytest.raises(zs.ShapeError, match="got 2 inputs, the model has 1"):
        fast(pictures(1), pictures(1))


def test_the_backend_runs_on_the_engine_and_follows_the_weights(model: nn.Module, monkeypatch) -> None:
    from zeroskip.torch.compile import CompiledModule

    runs = []
    run = CompiledModule.run
    monkeypatch.setattr(CompiledModule, "run", lambda self, inputs: runs.append(1) or run(self, inputs))
    compiled = torch.compile(model, backend=zeroskip_backend)
    with torch.inference_mode():
        assert torch.allclose(compiled(pictures()), model(pictures()), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        model.head.bias.add_(1.0)
        assert torch.allclose(compiled(pictures()), model(pictures()), rtol=1e-4, atol=1e-5)
    assert len(runs) == 2


def test_the_backend_leaves_training_to_torch(caplog) -> None:
    model = Shared()
    with caplog.at_level(logging.WARNING, "zeroskip.torch"):
        y = torch.compile(model, backend=zeroskip_backend)(pictures())
    assert torch.allclose(y, model(pictures()))
    assert y.requires_grad
    assert "only infers" in caplog.text


def test_the_backend_leaves_what_the_engine_cannot_run_to_torch(caplog) -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.fft(x).real

    with caplog.at_level(logging.WARNING, "zeroskip.torch"), torch.no_grad():
        y = torch.compile(Odd(), backend=zeroskip_backend)(pictures())
    assert torch.allclose(y, torch.fft.fft(pictures()).real)
    assert "left to PyTorch" in caplog.text


def test_the_backend_has_an_entry_point() -> None:
    found = [item for item in entry_points(group="torch_dynamo_backends") if item.name == "zeroskip"]
    if not found:
        pytest.skip("zeroskip runs from its source tree, without package metadata")
    assert found[0].load() is zeroskip_backend
