"""What is refused before anything reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

pytest.importorskip("kserve", reason="needs the extra 'serve'")

from zeroskip.serve import BatchOptions, ServerOptions
from zeroskip.serve.guard import Guard, is_allowed


async def echo(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


def ask(
    guard: Guard, parts: Iterable[bytes] = (b"",), path: str = "/v2/models/m/infer", **headers: str
) -> tuple[int, bytes]:
    """Send one request in parts and return status and body of the answer."""
    sent: list[dict[str, Any]] = []
    queue = list(parts)

    async def receive() -> dict[str, Any]:
        if not queue:
            await asyncio.sleep(60)
        part = queue.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(queue) or part == b"..."}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(guard({"type": "http", "path": path, "headers": raw}, receive, send))
    return sent[0]["status"], sent[1]["body"]


def guard(**choices: Any) -> Guard:
    return Guard(echo, ServerOptions(**({"max_request_bytes": 10} | choices)))


def test_a_body_reaches_the_application_whole() -> None:
    assert ask(guard(), [b"abc", b"def"]) == (200, b"abcdef")


@pytest.mark.parametrize("length", ["11", "99999999999999999999", "-1", "many", "1e3"])
def test_a_length_above_the_limit_is_refused_unread(length: str) -> None:
    assert ask(guard(), [], content_length=length)[0] == 413


def test_a_body_that_grows_above_the_limit_is_refused() -> None:
    assert ask(guard(), [b"12345", b"67890", b"1"])[0] == 413


def test_a_client_that_is_still_sending_comes_to_read_why() -> None:
    """Closing while bytes come in resets the connection, and the answer is lost with it."""
    came: list[bytes] = [b"12345", b"67890", b"1", b"2", b"3"]

    async def receive() -> dict[str, Any]:
        part = came.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(came)}

    async def send(message: Any) -> None:
        assert not came

    asyncio.run(guard()({"type": "http", "path": "/", "headers": []}, receive, send))


def test_a_body_that_never_ends_is_refused() -> None:
    assert ask(guard(read_timeout_s=0.05), [b"..."])[0] == 408


def test_compressed_bodies_are_refused() -> None:
    assert ask(guard(), [b"x"], content_encoding="gzip")[0] == 415


def test_all_bodies_together_are_bounded() -> None:
    """Room for max_queue + 2 max_rows = 3 bodies; a fourth is told to come again, and room comes back."""
    subject = guard(batch=BatchOptions(max_rows=1, max_queue=1))
    statuses: list[int] = []

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(0.2)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    subject._app = slow

    async def one() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"0123456789", "more_body": False}

        async def send(message: Any) -> None:
            if "status" in message:
                statuses.append(message["status"])

        await subject({"type": "http", "path": "/", "headers": [(b"content-length", b"10")]}, receive, send)

    async def all_at_once() -> None:
        await asyncio.gather(*(one() for _ in range(4)))
        await one()

    asyncio.run(all_at_once())
    assert sorted(statuses) == [200, 200, 200, 200, 429]


def test_the_token_is_asked_of_everything_but_health() -> None:
    subject = guard(token="secret")
    assert ask(subject)[0] == 401
    assert ask(subject, authorization="Bearer secre")[0] == 401
    assert ask(subject, authorization="secret")[0] == 401
    assert ask(subject, authorization="Bearer secret")[0] == 200
    assert ask(subject, path="/metrics")[0] == 401
    assert ask(subject, path="/v2/health/ready")[0] == 200


def test_headers_of_any_letters_are_compared() -> None:
    assert not is_allowed("Bearer \udcff", "secret")
    assert is_allowed("anything", "")
