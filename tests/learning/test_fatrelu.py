"""The module: arguments, modes, state, and living with compile, autocast and gradient-free forwards."""

from __future__ import annotations

import copy
import pickle

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from zeroskip import RecipeError  # noqa: E402
from zeroskip.torch import FATReLU, fatrelus  # noqa: E402


def test_one_threshold_per_channel() -> None:
    x = torch.ones(2, 3, 4, 4)
    y = FATReLU([0.5, 1.0, 1.5])(x)
    assert y.sum(dim=(0, 2, 3)).tolist() == [32.0, 0.0, 0.0]
    assert FATReLU([0.5, 1.0], channel_dim=-1)(torch.ones(3, 2)).sum(dim=0).tolist() == [3.0, 0.0]


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("threshold", [0.25, [0.0, 0.5, 1.0]])
def test_state_dict_round_trip(learnable: bool, threshold: object) -> None:
    module = FATReLU(threshold, learnable=learnable, form="sigmoid", slope=7.0)  # type: ignore[arg-type]
    size = 1 if isinstance(threshold, float) else 3
    other = FATReLU(0.0 if size == 1 else [0.0] * size, learnable=learnable, form="sigmoid")
    other.load_state_dict(module.state_dict())
    x = torch.randn(2, 3, 5)
    for training in (True, False):
        assert torch.equal(module.train(training)(x), other.train(training)(x))
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(twin(x), module(x))


def test_a_state_dict_with_thresholds_per_channel_fits_a_network_with_single_ones() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 1), FATReLU())
    state = nn.Sequential(nn.Conv2d(3, 2, 1), FATReLU([0.25, 0.5])).state_dict()
    model.load_state_dict(state)
    assert model[1].threshold.tolist() == [0.25, 0.5]
    with pytest.raises(RuntimeError, match="size mismatch"):
        nn.Sequential(nn.Conv2d(3, 2, 1), FATReLU(0.0, learnable=True)).load_state_dict(state)


def test_weights_of_the_dense_network_load_but_half_a_state_does_not() -> None:
    dense, sparse = nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.Sequential(nn.Linear(2, 2), FATReLU(0.5))
    sparse.load_state_dict(dense.state_dict())
    assert torch.equal(sparse[0].weight, dense[0].weight)
    assert float(sparse[1].threshold) == 0.5
    state = sparse.state_dict()
    del state["1.slope"]
    with pytest.raises(RuntimeError, match=r"1\.slope"):
        sparse.load_state_dict(state)
    with pytest.raises(RuntimeError, match=r"1\.threshold"):
        dense.load_state_dict(sparse.state_dict())


@pytest.mark.parametrize("form", ["hard", "piecewise_linear", "sigmoid", "exponential"])
def test_evaluation_is_exact_whatever_the_form(form: str) -> None:
    x = torch.randn(100)
    module = FATReLU(0.3, form=form, learnable=True).eval()  # type: ignore[arg-type]
    assert torch.equal(module(x), torch.where(x > 0.3, x, 0.0))


def test_a_learnt_threshold_moves_towards_what_pays() -> None:
    """Values in (0.2, 0.4) do harm: gradient descent raises the threshold above them."""
    x = torch.linspace(0.0, 1.0, 501)
    wanted = torch.where(x > 0.4, x, 0.0)
    module = FATReLU(0.2, learnable=True, slope=8.0)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    for _ in range(60):
        optimizer.zero_grad()
        (module(x) - wanted).square().mean().backward()
        optimizer.step()
    assert float(module.threshold.detach()) == pytest.approx(0.4, abs=0.08)


def test_autocast_compares_as_the_engine_does() -> None:
    """0.3 lies between two bfloat16 numbers: the upper one is above the threshold and must stay."""
    layer = nn.Sequential(nn.Linear(1, 1, bias=False), FATReLU(0.3))
    with torch.no_grad():
        layer[0].weight.fill_(1.0)
    x = torch.tensor([[0.30078125], [0.298828125]])
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    assert y.flatten().tolist() == [0.30078125, 0.0]


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own, in dynamo
def test_compiles_without_graph_breaks_and_keeps_gradients() -> None:
    from torch._dynamo.testing import CompileCounter

    module = nn.Sequential(nn.Linear(4, 4), FATReLU(0.2, 6.0), nn.Linear(4, 2), FATReLU([0.1, 0.2], learnable=True))
    counter = CompileCounter()
    compiled = torch.compile(module, backend=counter, fullgraph=True)
    x = torch.randn(5, 4)
    for threshold in (0.2, 0.4, 0.6):  # a ramp must not compile anew
        module[1].set_threshold(threshold)
        assert torch.equal(compiled(x), module(x))
    assert counter.frame_count == 1
    module.zero_grad()
    compiled(x).sum().backward()
    gradients = [parameter.grad.clone() for parameter in module.parameters()]
    module.zero_grad()
    module(x).sum().backward()
    assert all(torch.allclose(a, b.grad) for a, b in zip(gradients, module.parameters(), strict=True))


def test_forward_makes_no_host_synchronisation() -> None:
    """On the meta device there are no values to wait for: reading one would raise."""
    for module in (FATReLU(0.2, 6.0), FATReLU([0.1] * 3, learnable=True), FATReLU(0.1, form="exponential")):
        for training in (True, False):
            assert module.to("meta").train(training)(torch.zeros(2, 3, 4, device="meta")).shape == (2, 3, 4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"threshold": -0.5}, "expected finite values >= 0"),
        ({"threshold": float("nan")}, "expected finite values >= 0"),
        ({"threshold": [[0.1]]}, "expected a number or one per channel"),
        ({"max_value": 0.0}, "max_value"),
        ({"form": "cubic"}, "'cubic', expected one of"),
        ({"slope": 1.0}, "slope"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        FATReLU(**arguments)  # type: ignore[arg-type]


def test_set_threshold_refuses_another_number_of_channels() -> None:
    with pytest.raises(RecipeError, match=r"shape \(2,\), this FATReLU has \(3,\)"):
        FATReLU([0.0, 0.0, 0.0]).set_threshold([1.0, 2.0])
    with pytest.raises(RecipeError, match="shape"):
        FATReLU(0.5, learnable=True).set_threshold([1.0, 2.0])


def test_set_threshold_makes_a_fixed_one_one_per_channel() -> None:
    module = FATReLU(0.5)
    module.set_threshold([1.0, 2.0])
    assert module(torch.tensor([[1.5, 1.5]])).tolist() == [[1.5, 0.0]]


def test_values_and_words() -> None:
    module = FATReLU(0.25, 6.0, learnable=True, form="sigmoid")
    assert module.threshold_value() == 0.25
    assert repr(module) == "FATReLU(threshold=0.25, max_value=6, learnable, form=sigmoid)"
    assert repr(FATReLU([0.0, 1.0])) == "FATReLU(thresholds=[2])"
    assert list(fatrelus(nn.Sequential(module, nn.ReLU(), module))) == ["0"]
