"""Reasons: why no layer of a model skips zeros, in a clause for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.cost import MOST_SPARSE_ROWS

if TYPE_CHECKING:
    from ..engine import InferenceSession


def reason_against_skipping(session: InferenceSession) -> str:
    """Return why nothing in a model skips zeros; the session has run, so that it is known how the model is cut.

    Example:
        >>> reason_against_skipping(session)  # doctest: +SKIP
        'it has no ReLU-like activation; ONNX Runtime runs it, because Det is not supported natively'
    """
    activations = session.activations()
    if not activations:
        reason = "it has no ReLU-like activation"
    elif any(item.consumers for item in activations):
        reason = (
            "what its activations feed cannot skip: linear layers of many rows read each weight for all of them "
            f"(zeros count in up to {MOST_SPARSE_ROWS} rows), and few channels are read without looking for zeros"
        )
    elif session.explain_islands():
        reason = "none of its activations feeds a convolution or linear layer that runs natively"
    else:
        reason = "none of its activations feeds a convolution or linear layer"
    return reason + _islands(session)


def _islands(session: InferenceSession) -> str:
    """Return which operators keep a model from running natively, if there are any."""
    reasons = [reason for island in session.explain_islands() for reason in island.reasons.values()]
    if not reasons:
        return ""
    operators = dict.fromkeys(reason.split(":")[0] for reason in reasons)
    verb = "is" if len(operators) == 1 else "are"
    is_whole = all(step.op == "island" for step in session.explain().steps)
    what = "it" if is_whole else "parts of it"
    return f"; ONNX Runtime runs {what}, because {', '.join(operators)} {verb} not supported natively"
