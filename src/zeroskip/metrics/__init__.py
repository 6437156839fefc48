"""Measures on arrays: how sparse an activation is, how good outputs are, and how far two outputs are apart.

The formulae and their citations live here only. Everything takes and returns plain NumPy values; nothing
here knows of models, sessions or data sets.
"""

from __future__ import annotations

from .boxes import BoxDecoding, decode_boxes, mean_average_precision, suppress
from .classes import (
    agreement,
    is_probability,
    kl_divergence,
    log_scores,
    log_softmax,
    predictions,
    relative_difference,
    top1,
    topk_hits,
)
from .embeddings import cosines, nearest, nearest_kept, partner_hits, verification_rates
from .maps import confusion, mean_iou, pixel_classes
from .sequences import decode_ctc, edits
from .sparsity_measures import density, hoyer_sparsity, hoyer_square, pq_index, sparsity

__all__ = [
    "BoxDecoding",
    "agreement",
    "confusion",
    "cosines",
    "decode_boxes",
    "decode_ctc",
    "density",
    "edits",
    "hoyer_sparsity",
    "hoyer_square",
    "is_probability",
    "kl_divergence",
    "log_scores",
    "log_softmax",
    "mean_average_precision",
    "mean_iou",
    "nearest",
    "nearest_kept",
    "partner_hits",
    "pixel_classes",
    "pq_index",
    "predictions",
    "relative_difference",
    "sparsity",
    "suppress",
    "top1",
    "topk_hits",
    "verification_rates",
]
