"""Says, once each and at debug level, what is accepted though it means nothing here."""

from __future__ import annotations

import logging

_logger = logging.getLogger(__name__)
_told: set[str] = set()


def note_ignored(what: str) -> None:
    """Log that something of ONNX Runtime's has no effect; the second time nothing.

    Args:
        what: For example ``"SessionOptions.enable_mem_pattern"``.
    """
    if what not in _told:
        _told.add(what)
        _logger.debug("%s of ONNX Runtime means nothing to zeroskip and is ignored", what)
