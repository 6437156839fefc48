"""FATReLU: the activation module, with one threshold or one per channel, fixed or learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import RecipeError
from .functional import FORMS, Form, along_channels, fatrelu, non_negative, smooth_fatrelu

ThresholdLike = float | Sequence[float] | NDArray[np.float32] | Tensor


class FATReLU(nn.Module):
    """``y = x if x > threshold else 0``, then clipped to ``max_value``. Threshold 0 is ReLU.

    The tie is strict and NaN becomes 0, as in the engine and in ONNX ``ThresholdedRelu``. In evaluation mode the
    function is always exact; ``form`` and ``slope`` matter in training only.

    Args:
        threshold: One number >= 0, or one per channel ``[C]``.
        max_value: Upper clip (6 for ReLU6), None for none.
        learnable: Whether the threshold is a parameter that the optimizer moves, or a buffer.
        form: What is computed in training: ``"hard"``, or a smooth form with a useful gradient for the threshold
            (``"piecewise_linear"``, ``"sigmoid"``, ``"exponential"``), see :func:`smooth_fatrelu`.
        slope: Steepness of the smooth forms, > 1; to be raised during training (:meth:`set_slope`).
        channel_dim: Dimension of the channels, for thresholds per channel.

    Raises:
        RecipeError: If an argument is out of range.

    Attributes:
        threshold: float32, 0-dimensional or ``[C]``. A learnt one counts as 0 where it is negative.
        slope: float32, 0-dimensional buffer.

    Example:
        >>> FATReLU(0.5)(torch.tensor([-1.0, 0.5, 0.75]))
        tensor([0.0000, 0.0000, 0.7500])
    """

    threshold: Tensor
    slope: Tensor

    def __init__(
        self,
        threshold: ThresholdLike = 0.0,
        max_value: float | None = None,
        *,
        learnable: bool = False,
        form: Form = "hard",
        slope: float = 10.0,
        channel_dim: int = 1,
    ) -> None:
        super().__init__()
        if form not in FORMS:
            raise RecipeError(f"form of FATReLU is {form!r}, expected one of {list(FORMS)}")
        if max_value is not None and not max_value > 0.0:
            raise RecipeError(f"max_value of FATReLU is {max_value}, expected a number > 0 or None")
        self.max_value = max_value
        self.form: Form = form
        self.channel_dim = channel_dim
        value = checked_threshold(threshold)
        if learnable:
            self.threshold = nn.Parameter(value)
        else:
            self.register_buffer("threshold", value)
        self.register_buffer("slope", torch.tensor(0.0))
        self.set_slope(slope)

    @property
    def is_learnable(self) -> bool:
        """Whether the threshold is a parameter."""
        return isinstance(self.threshold, nn.Parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation.

        Args:
            x: Floating point, any shape; with thresholds per channel their number of channels at ``channel_dim``.
        """
        threshold = self.threshold
        if self.training and (self.is_learnable or self.form != "hard"):
            threshold = along_channels(non_negative(threshold), x.ndim, self.channel_dim)
            return smooth_fatrelu(x, threshold, self.slope, self.form, self.max_value)
        threshold = along_channels(threshold.clamp(min=0.0), x.ndim, self.channel_dim)
        return fatrelu(x, threshold, self.max_value)

    @torch.no_grad()
    def set_threshold(self, threshold: ThresholdLike) -> None:
        """Give the threshold new values in place; a scalar fills all channels, a fixed one becomes one per channel.

        Raises:
            RecipeError: If a value is negative or not finite, or the number of channels differs.
        """
        value = checked_threshold(threshold)
        if value.ndim and self.threshold.ndim == 0 and not self.is_learnable:
            self.threshold = self.threshold.expand(value.shape).clone()
        if value.ndim and value.shape != self.threshold.shape:
            raise RecipeError(
                f"threshold has shape {tuple(value.shape)}, this FATReLU has {tuple(self.threshold.shape)}"
            )
        self.threshold.copy_(value)

    @torch.no_grad()
    def set_slope(self, slope: float) -> None:
        """Give the smooth forms another steepness, > 1.

        Raises:
            RecipeError: If it is not.
        """
        if not 1.0 < slope < float("inf"):
            raise RecipeError(f"slope of FATReLU is {slope}, expected a finite number > 1")
        self.slope.fill_(slope)

    def threshold_value(self) -> float | NDArray[np.float32]:
        """Return the threshold as a :class:`zeroskip.ThresholdSet` takes it: a float, or a float32 array ``[C]``."""
        value = self.threshold.detach().clamp(min=0.0).float().cpu()
        return float(value) if value.ndim == 0 else value.numpy().copy()

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: Any, strict: bool, *lists: Any
    ) -> None:
        """Load as every module does; of the dense network's state dict, which knows no FATReLU, nothing is missed.

        Where one threshold was and the state dict has one per channel, there is one per channel afterwards.
        """
        is_known = not {f"{prefix}threshold", f"{prefix}slope"}.isdisjoint(state_dict)
        stored = state_dict.get(f"{prefix}threshold")
        if isinstance(stored, Tensor) and stored.ndim == 1 and self.threshold.ndim == 0 and not self.is_learnable:
            self.threshold = self.threshold.expand(stored.shape).clone()
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict and is_known, *lists)

    def extra_repr(self) -> str:
        """Return the arguments for ``print(model)``."""
        size = self.threshold.numel()
        words = [f"threshold={float(self.threshold.detach()):.4g}" if size == 1 else f"thresholds=[{size}]"]
        words += [f"max_value={self.max_value:g}"] if self.max_value is not None else []
        words += ["learnable"] if self.is_learnable else []
        return ", ".join(words + ([f"form={self.form}"] if self.form != "hard" else []))


def checked_threshold(threshold: ThresholdLike) -> Tensor:
    """Return a threshold as a new float32 tensor, 0-dimensional or ``[C]``.

    Raises:
        RecipeError: If a value is negative or not finite, or there are more dimensions.
    """
    # Copied: arrays of threshold sets are read-only, and torch warns of those.
    value = threshold.detach().clone() if isinstance(threshold, Tensor) else torch.from_numpy(np.array(threshold))
    value = value.to(torch.float32)
    if value.ndim > 1 or value.numel() == 0:
        raise RecipeError(f"threshold has shape {tuple(value.shape)}, expected a number or one per channel")
    if not bool(torch.isfinite(value).all()) or bool((value < 0.0).any()):
        raise RecipeError(f"threshold is {value.tolist()}, expected finite values >= 0")
    return value


def fatrelus(model: nn.Module) -> dict[str, FATReLU]:
    """Return the FATReLUs of a model by module path, in the order of ``named_modules``; shared ones once."""
    return {name: module for name, module in model.named_modules() if isinstance(module, FATReLU)}
