"""The server: both protocols in one process, from start to the last answer after SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import uvicorn

from ..errors import ServeError
from .grpc_service import create_server
from .model import ServedModel
from .options import ServerOptions
from .repository import Repository
from .rest import create_app

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Addresses:
    """Where a server listens.

    Args:
        rest: As ``http://HOST:PORT`` (``https`` with TLS).
        grpc: As ``HOST:PORT``; None without gRPC.
    """

    rest: str
    grpc: str | None


def serve(
    models: Sequence[ServedModel],
    options: ServerOptions | None = None,
    *,
    on_start: Callable[[Addresses], None] | None = None,
) -> None:
    """Serve models until SIGTERM or SIGINT, then answer what was accepted and return.

    Args:
        models: At least one.
        options: Addresses, sizes, times, TLS and the token.
        on_start: Called once requests are answered.

    Raises:
        ServeError: If an address cannot be bound, or certificate and key cannot be read.
    """
    if not models:
        raise ServeError("no model to serve")
    asyncio.run(_Server(Repository(models), options or ServerOptions(), on_start).run())


class _HttpServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the server around it."""
        yield


class _Server:
    def __init__(
        self, repository: Repository, options: ServerOptions, on_start: Callable[[Addresses], None] | None
    ) -> None:
        self._repository = repository
        self._options = options
        self._on_start = on_start

    async def run(self) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        try:
            listener = self._listen()
            http = _HttpServer(self._http_config())
            grpc, grpc_port = (
                (None, 0) if self._options.grpc_port is None else create_server(self._repository, self._options)
            )
        except OSError as error:
            raise ServeError(f"cannot serve at {self._options.host}: {error}") from error
        serving = loop.create_task(http.serve(sockets=[listener]))
        if grpc is not None:
            await grpc.start()
        while not http.started and not serving.done():
            await asyncio.sleep(0.01)
        if self._on_start is not None and not serving.done():
            self._on_start(self._addresses(listener.getsockname()[1], grpc_port))
        stopping = loop.create_task(stopped.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        _logger.info("stopping: answering what was accepted")
        await self._drain(http, serving, grpc)

    async def _drain(self, http: _HttpServer, serving: asyncio.Task[None], grpc: object) -> None:
        """Refuse what is new, answer what was accepted, within the time there is for all of it."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._options.drain_s
        try:
            await asyncio.wait_for(self._repository.drain(), self._options.drain_s)
        except asyncio.TimeoutError:
            _logger.warning("requests were still running after %g s", self._options.drain_s)
        # What is left is sending: a client that reads slowly has accepted requests too.
        left_s = max(1.0, end - loop.time())
        http.config.timeout_graceful_shutdown = round(left_s)
        http.should_exit = True
        await asyncio.gather(serving, *([grpc.stop(left_s)] if grpc is not None else []))  # type: ignore[attr-defined]

    def _http_config(self) -> uvicorn.Config:
        options = self._options
        return uvicorn.Config(
            create_app(self._repository, options),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            limit_concurrency=options.max_connections,
            timeout_keep_alive=65,
            ssl_certfile=options.certificate,
            ssl_keyfile=options.key,
        )

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._options.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._options.host, self._options.port))
        except OSError:
            listener.close()
            raise
        return listener

    def _addresses(self, port: int, grpc_port: int) -> Addresses:
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        scheme = "http" if self._options.certificate is None else "https"
        grpc = None if self._options.grpc_port is None else f"{host}:{grpc_port}"
        return Addresses(f"{scheme}://{host}:{port}", grpc)
