"""What a server is told is checked when it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zeroskip.errors import ServeError
from zeroskip.serve import BatchOptions, ServerOptions


@pytest.mark.parametrize(
    "choices",
    [
        {"max_rows": 0},
        {"max_queue": 0},
        {"max_delay_ms": -1.0},
        {"timeout_s": 0.0},
        {"timeout_s": float("nan")},
        {"max_rows": "8"},
        {"max_queue": True},
    ],
)
def test_batch_options_out_of_range(choices: dict[str, Any]) -> None:
    with pytest.raises(ServeError, match=next(iter(choices))):
        BatchOptions(**choices)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"port": -1}, "port"),
        ({"port": 70000}, "65535"),
        ({"grpc_port": 70000}, "65535"),
        ({"max_request_bytes": 0}, "max_request_bytes"),
        ({"certificate": Path("c.pem")}, "both"),
        ({"key": Path("k.pem")}, "both"),
        ({"token": "with space"}, "spaces"),
        ({"token": "schlüssel"}, "ASCII"),
    ],
)
def test_server_options_out_of_range(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ServeError, match=message):
        ServerOptions(**choices)


def test_nobody_else_is_let_in_by_default() -> None:
    assert ServerOptions().host == "127.0.0.1"
