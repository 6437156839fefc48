"""What every REST request passes first: who asks, how much it brings, how long it takes to bring it.

Bodies are kept whole until they are answered, so what all of them may take together is bounded too.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from fastapi.responses import JSONResponse

from .options import ServerOptions

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_PATIENCE_S = 0.2  # for each part of a body that is not wanted

OPEN_PATHS = ("/v2/health/live", "/v2/health/ready")
"""What probes ask, which carry no token."""


def is_allowed(authorization: str, token: str) -> bool:
    """Whether a header ``Authorization`` carries the token; always where none is asked for."""
    expected = f"Bearer {token}".encode()
    return not token or hmac.compare_digest(authorization.encode("utf-8", "replace"), expected)


class Guard:
    """ASGI middleware: 401 without the token, 413 above the size, 408 where the body does not come, 429 for too many.

    Args:
        app: What answers the requests that pass.
        options: Token, size and time.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], options: ServerOptions) -> None:
        self._app = app
        self._options = options
        self._room = options.max_requests * options.max_request_bytes

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer or pass on one connection's request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if (refusal := self._refusal(scope["path"], headers)) is not None:
            await self._discard(receive)
            return await refusal(scope, receive, send)
        body = _Body()
        try:
            if (refusal := await self._read(receive, body)) is not None:
                return await refusal(scope, receive, send)
            return await self._app(scope, _replay(bytes(body.content), receive), send)
        finally:
            self._room += len(body.content)

    def _refusal(self, path: str, headers: dict[str, str]) -> JSONResponse | None:
        if path not in OPEN_PATHS and not is_allowed(headers.get("authorization", ""), self._options.token):
            challenge = {"WWW-Authenticate": "Bearer"}
            return _error(401, "this server asks for a token: Authorization: Bearer TOKEN", challenge)
        if headers.get("content-encoding", "identity") != "identity":
            return _error(415, "compressed bodies are not read")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._options.max_request_bytes:
            return self._too_large()
        return self._too_many() if int(length) > self._room else None

    async def _read(self, receive: Receive, body: _Body) -> JSONResponse | None:
        """Read a body to its end, or return why it is not taken."""
        try:
            refusal = await asyncio.wait_for(self._read_parts(receive, body), self._options.read_timeout_s)
        except asyncio.TimeoutError:
            return _error(408, f"the body did not come within {self._options.read_timeout_s:g} s")
        if refusal is not None:
            await self._discard(receive)
        return refusal

    async def _read_parts(self, receive: Receive, body: _Body) -> JSONResponse | None:
        while True:
            message = await receive()
            part = message.get("body", b"")
            if len(body.content) + len(part) > self._options.max_request_bytes:
                return self._too_large()
            if len(part) > self._room:
                return self._too_many()
            self._room -= len(part)
            body.content += part
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return None

    async def _discard(self, receive: Receive) -> None:
        """Read on for a moment, so that a client that is still sending comes to read the answer."""
        size = 0
        with contextlib.suppress(asyncio.TimeoutError):
            while size <= 2 * self._options.max_request_bytes:
                message = await asyncio.wait_for(receive(), _PATIENCE_S)
                size += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return

    def _too_many(self) -> JSONResponse:
        return _error(429, "too many requests are being read already; try again later", {"Retry-After": "1"})

    def _too_large(self) -> JSONResponse:
        return _error(413, f"the request is above {self._options.max_request_bytes} bytes")


@dataclass
class _Body:
    content: bytearray = field(default_factory=bytearray)


def _replay(body: bytes, receive: Receive) -> Receive:
    has_sent = False

    async def replay() -> Message:
        nonlocal has_sent
        if has_sent:
            return await receive()
        has_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": message}, status, {"Connection": "close", **(headers or {})})
