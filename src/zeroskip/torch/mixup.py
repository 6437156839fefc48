"""Mixup: training inputs that are weighted means of two, so that few pictures go further."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..errors import RecipeError
from .batches import Batch, Mixture


def mix_up(batch: Batch, alpha: float) -> Batch:
    """Return a batch of weighted means of its samples with one another.

    One share s is drawn for the whole batch from Beta(alpha, alpha), and each sample becomes ``s x + (1 - s) x'`` with
    another sample x'. A teacher that sees the mixed input says what is wanted there; labels count by their shares.

    Args:
        batch: Inputs ``[n, ...]`` of a floating type.
        alpha: > 0; 1 draws the share evenly from 0 to 1, less keeps closer to one of the two.

    Raises:
        RecipeError: If the inputs are not numbers that can be averaged.

    References:
        H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018; with a teacher:
        L. Beyer et al., "Knowledge distillation: A good teacher is patient and consistent", CVPR 2022.
    """
    if not batch.x.is_floating_point():
        raise RecipeError(f"mixup averages inputs, and these are {batch.x.dtype}: use mixup=0")
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    order = torch.randperm(len(batch.x)).to(batch.x.device)
    x = torch.lerp(batch.x[order], batch.x, share)
    others = batch.y[order] if isinstance(batch.y, Tensor) else None
    if batch.y is not None and others is None:
        raise RecipeError(f"mixup needs targets in one tensor, not {type(batch.y).__name__}: use mixup=0")
    return replace(batch, x=x, mixture=Mixture(share, others))
