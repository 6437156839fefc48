"""What a server is told: where it listens, how much it takes, who may ask."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from pathlib import Path

from ..errors import ServeError


@dataclass(frozen=True)
class BatchOptions:
    """How requests wait and run together.

    Args:
        max_rows: Rows (images) of one run, at least 1; 1 runs every request alone. Only models whose inputs and
            outputs all leave their first dimension open are run in batches.
        max_delay_ms: How long the first request of a batch may wait for others, in milliseconds. With 0 a batch is what
            came while the run before it was under way.
        max_queue: Requests that may wait; a further one is refused (429, ``RESOURCE_EXHAUSTED``).
        timeout_s: After how many seconds a request that named no deadline is given up (504, ``DEADLINE_EXCEEDED``).

    Raises:
        ServeError: If a number is out of its range.
    """

    max_rows: int = 8
    max_delay_ms: float = 0.0
    max_queue: int = 64
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        _check_numbers(self, {"max_rows": 1, "max_delay_ms": 0, "max_queue": 1, "timeout_s": 1e-3})


@dataclass(frozen=True)
class ServerOptions:
    """Where a server listens and what it lets in.

    Args:
        host: Address to listen at; the loopback one by default, so that nobody else can ask.
        port: Of REST, 0 for any free one.
        grpc_port: Of gRPC, 0 for any free one; None serves REST only.
        batch: How requests wait and run together.
        max_request_bytes: Bodies above it are refused before they are read (413, ``RESOURCE_EXHAUSTED``).
        max_connections: REST connections at a time; a further one is answered 503.
        read_timeout_s: Seconds that a client may take to send its body.
        drain_s: Seconds that accepted requests have to end after SIGTERM or SIGINT.
        sample_s: Seconds between two measurements of the zeros seen by each layer, for the metrics; 0 measures none.
        certificate: PEM file of the TLS certificate chain; with ``key`` both protocols speak TLS.
        key: PEM file of its private key.
        token: What ``Authorization: Bearer TOKEN`` must carry; empty asks for none. Health stays open.

    Raises:
        ServeError: If a number is out of its range, or one of certificate and key is missing.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    grpc_port: int | None = 8081
    batch: BatchOptions = field(default_factory=BatchOptions)
    max_request_bytes: int = 16 << 20
    max_connections: int = 256
    read_timeout_s: float = 30.0
    drain_s: float = 30.0
    sample_s: float = 10.0
    certificate: Path | None = None
    key: Path | None = None
    token: str = ""

    @property
    def max_requests(self) -> int:
        """Requests that are read or answered at a time, those that wait included."""
        return self.batch.max_queue + 2 * self.batch.max_rows

    def __post_init__(self) -> None:
        least = {"port": 0, "max_request_bytes": 1, "max_connections": 1, "read_timeout_s": 1e-3, "drain_s": 0}
        _check_numbers(self, least | {"sample_s": 0} | ({} if self.grpc_port is None else {"grpc_port": 0}))
        if max(self.port, self.grpc_port or 0) > 65535:
            raise ServeError(f"ports are {self.port} and {self.grpc_port}, expected 0 to 65535")
        if (self.certificate is None) != (self.key is None):
            raise ServeError("TLS needs both a certificate and its key, got only one of them")
        if not self.token.isascii() or any(character.isspace() for character in self.token):
            raise ServeError("the token holds spaces or characters beyond ASCII, which no header can carry")


def _check_numbers(options: object, least: dict[str, float]) -> None:
    known = {item.name for item in fields(options)}  # type: ignore[arg-type]
    for name in known & set(least):
        value = getattr(options, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ServeError(f"{name} is {value!r}, expected a number")
        if value < least[name]:
            raise ServeError(f"{name} is {value}, expected at least {least[name]}")
