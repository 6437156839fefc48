"""SparsityMonitor counts exactly what FATReLUs put out."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch_networks import Plain, pictures  # noqa: E402

from zeroskip import RecipeError, metrics  # noqa: E402
from zeroskip.torch import FATReLU, SparsityMonitor, replace_relu  # noqa: E402


def test_counts_over_several_batches_until_it_is_read() -> None:
    model = nn.Sequential(FATReLU(0.5))
    batches = [torch.rand(3, 4), torch.rand(5, 4)]
    with SparsityMonitor(model) as monitor:
        outputs = torch.cat([model(batch) for batch in batches])
        assert monitor.read() == {"0": pytest.approx(metrics.sparsity(outputs.numpy()))}
        assert monitor.read() == {}
        monitor.is_active = False
        model(batches[0])
        assert monitor.read() == {}
    model(batches[0])
    assert monitor.read() == {}


def test_layers_can_be_chosen() -> None:
    model = replace_relu(Plain())
    monitor = SparsityMonitor(model, ["features.4"])
    model(pictures())
    assert list(monitor.read()) == ["features.4"]


def test_nothing_to_watch() -> None:
    with pytest.raises(RecipeError, match="no FATReLU to watch"):
        SparsityMonitor(Plain())
    with pytest.raises(RecipeError, match=r"unknown layers \['head'\]"):
        SparsityMonitor(replace_relu(Plain()), ["head"])
