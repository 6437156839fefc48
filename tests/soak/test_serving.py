"""The soak of the server in seconds: what it finds wrong is nothing, and it would find it."""

from __future__ import annotations

import pytest

pytest.importorskip("kserve", reason="needs the extra 'serve'")

from .serving import soak


def test_careless_clients_harm_nobody() -> None:
    clients, watch = soak(3.0)
    warm, after = watch.used()
    assert clients.wrong == []
    assert clients.counts["answers"] >= 20
    assert min(clients.counts[kind] for kind in ("_vanishing", "_slow", "_oversized", "_malformed")) > 0
    assert after[1] <= warm[1] + 4
