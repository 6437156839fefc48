"""FATReLU on tensors: the pinned semantics, every type, and gradients."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from zeroskip.learning.functional import FORMS, fatrelu, non_negative, smooth_fatrelu  # noqa: E402

DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64]
SPECIAL = [float("nan"), float("-inf"), float("inf"), -0.0, 0.0, -1.0]
floats = st.floats(width=32, allow_nan=True, allow_infinity=True)
thresholds = st.floats(0.0, 2.0**100, width=32)


def expected(x: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    """Return FATReLU by comparing in double precision, where nothing is rounded."""
    return torch.where(x.double() > threshold.double(), x, torch.zeros_like(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_ties_nan_and_infinities(dtype: torch.dtype) -> None:
    x = torch.tensor([*SPECIAL, 0.5, 0.75], dtype=dtype)
    y = fatrelu(x, torch.tensor(0.5))
    assert y.tolist() == [0.0, 0.0, float("inf"), 0.0, 0.0, 0.0, 0.0, 0.75]
    assert y.dtype == dtype
    assert not torch.signbit(y).any()


@settings(deadline=None, max_examples=150)
@given(st.lists(floats, min_size=1, max_size=8), thresholds, st.sampled_from(DTYPES))
def test_compares_exactly_whatever_the_type(values: list[float], threshold: float, dtype: torch.dtype) -> None:
    t = torch.tensor(threshold)
    x = torch.cat([torch.tensor(values).to(dtype), t.to(dtype).view(1)])  # the rounded threshold is the hard case
    assert torch.equal(fatrelu(x, t), expected(x, t))


@settings(deadline=None, max_examples=50)
@given(st.lists(floats, min_size=1, max_size=8))
def test_threshold_zero_is_relu(values: list[float]) -> None:
    x = torch.tensor(values)
    assert torch.equal(fatrelu(x, torch.tensor(0.0)), torch.nan_to_num(x, 0.0, float("inf"), float("-inf")).relu())


def test_clip_comes_after_the_threshold() -> None:
    x = torch.tensor([5.0, 6.5, 7.0, 9.0])
    assert fatrelu(x, torch.tensor(7.0), 6.0).tolist() == [0.0, 0.0, 0.0, 6.0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradient_passes_above_the_threshold_and_below_the_clip(dtype: torch.dtype) -> None:
    x = torch.tensor([-1.0, 0.25, 0.5, 7.0, float("nan")], dtype=dtype, requires_grad=True)
    fatrelu(x, torch.tensor(0.25), 6.0).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 0.0, 1.0, 0.0, 0.0]


def test_gradient_of_a_strided_expanded_gradient() -> None:
    x = torch.randn(3, 4, 5, 6).to(memory_format=torch.channels_last).requires_grad_()
    fatrelu(x, torch.tensor(0.1)).mean(dim=(2, 3)).sum().backward()
    assert torch.equal(x.grad, (x > 0.1).float() / 30)


@pytest.mark.parametrize("form", FORMS)
def test_smooth_forms_become_fatrelu_with_a_steep_slope(form: str) -> None:
    x, t = torch.linspace(-2.0, 4.0, 301), torch.tensor(0.505)
    steep = smooth_fatrelu(x, t, torch.tensor(1e5), form)  # type: ignore[arg-type]
    assert torch.allclose(steep, fatrelu(x, t), atol=1e-4)
    assert torch.isfinite(smooth_fatrelu(torch.tensor([-1e30, 1e30]), t, torch.tensor(1e5), form)).all()


@pytest.mark.parametrize("form", FORMS)
def test_a_higher_threshold_lowers_the_output_and_the_gradient_says_so(form: str) -> None:
    x = torch.linspace(0.0, 2.0, 201)
    t = torch.tensor(0.5, requires_grad=True)
    smooth_fatrelu(x, t, torch.tensor(8.0), form).sum().backward()
    assert t.grad is not None
    assert t.grad < 0.0


@pytest.mark.parametrize("form", ["piecewise_linear", "sigmoid", "exponential"])
def test_gradients_of_the_smooth_forms_are_those_of_finite_differences(form: str) -> None:
    x = torch.tensor([-0.7, 0.1, 0.43, 0.61, 0.93, 2.0], dtype=torch.float64, requires_grad=True)
    t = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, t: smooth_fatrelu(x, t, torch.tensor(5.0), form), (x, t))


def test_straight_through_gradient_is_the_density_at_the_threshold() -> None:
    """The mean of x 1[x > t] over uniform x in [0, 1] falls with t at the rate t."""
    x = torch.linspace(0.0, 1.0, 20001)
    t = torch.tensor(0.6, requires_grad=True)
    smooth_fatrelu(x, t, torch.tensor(10.0), "hard").mean().backward()
    assert t.grad is not None
    assert float(t.grad) == pytest.approx(-0.6, rel=0.01)


def test_non_negative_lets_a_threshold_come_back() -> None:
    value = torch.tensor([-1.0, -1.0, 1.0], requires_grad=True)
    (non_negative(value) * torch.tensor([-2.0, 3.0, 3.0])).sum().backward()
    assert value.grad is not None
    assert value.grad.tolist() == [-2.0, 0.0, 3.0]
    assert np.array_equal(non_negative(value).detach().numpy(), [0.0, 0.0, 1.0])
