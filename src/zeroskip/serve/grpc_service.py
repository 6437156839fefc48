"""The Open Inference Protocol by gRPC: KServe's servicer with versions, a token, and our errors as status codes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from grpc import StatusCode

from ..errors import DeadlineError, DrainingError, OverloadError
from .guard import is_allowed
from .kserve_parts import (
    DataPlane,
    ExceptionToStatusInterceptor,
    InferenceServicer,
    InferRequest,
    InvalidInput,
    ModelNotFound,
    ModelRepositoryExtension,
    add_GRPCInferenceServiceServicer_to_server,
    aio,
    messages,
    ssl_server_credentials,
)
from .options import ServerOptions
from .repository import Repository
from .rest import describe_model, describe_server

_CODES: dict[type[Exception], StatusCode] = {
    InvalidInput: StatusCode.INVALID_ARGUMENT,
    ModelNotFound: StatusCode.NOT_FOUND,
    OverloadError: StatusCode.RESOURCE_EXHAUSTED,
    DrainingError: StatusCode.UNAVAILABLE,
    DeadlineError: StatusCode.DEADLINE_EXCEEDED,
}
_OPEN_METHODS = ("ServerLive", "ServerReady")


def create_server(repository: Repository, options: ServerOptions) -> tuple[Any, int]:
    """Return a gRPC server, bound but not started, and its port.

    Args:
        repository: The models.
        options: Address, sizes, certificate and token.

    Raises:
        OSError: If the address cannot be bound.
    """
    size = options.max_request_bytes
    server = aio.server(
        interceptors=(_Errors(), _Token(options.token)),
        maximum_concurrent_rpcs=options.max_requests,
        options=[
            ("grpc.max_receive_message_length", size),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ],
    )
    plane = DataPlane(model_registry=repository)
    add_GRPCInferenceServiceServicer_to_server(_Servicer(plane, ModelRepositoryExtension(repository)), server)
    address = f"{f'[{options.host}]' if ':' in options.host else options.host}:{options.grpc_port}"
    try:
        if options.certificate is None or options.key is None:
            return server, server.add_insecure_port(address)
        pair = (options.key.read_bytes(), options.certificate.read_bytes())
        return server, server.add_secure_port(address, ssl_server_credentials([pair]))
    except RuntimeError as error:
        raise OSError(str(error)) from error


class _Errors(ExceptionToStatusInterceptor):  # type: ignore[misc]  # KServe has no types
    async def handle_exception(self, error: Exception, request: Any, context: Any, method: str) -> None:
        """Answer with the status of our errors, else as KServe does."""
        for kind, code in _CODES.items():
            if isinstance(error, kind):
                await context.abort(code, getattr(error, "reason", str(error)))
        await super().handle_exception(error, request, context, method)


class _Token(aio.ServerInterceptor):  # type: ignore[misc]
    def __init__(self, token: str) -> None:
        self._token = token

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        """Refuse calls without the token."""
        carried = dict(details.invocation_metadata).get("authorization", "")
        handler = await continuation(details)
        is_open = details.method.rsplit("/", 1)[-1] in _OPEN_METHODS
        if handler is None or is_open or is_allowed(str(carried), self._token):
            return handler
        return handler._replace(unary_unary=_refuse)


async def _refuse(request: Any, context: Any) -> None:
    await context.abort(StatusCode.UNAUTHENTICATED, "this server asks for a token: authorization: Bearer TOKEN")


class _Servicer(InferenceServicer):  # type: ignore[misc]  # KServe has no types
    """KServe's servicer; nothing of a request reaches the file system, so models are not loaded by clients."""

    @property
    def _repository(self) -> Repository:
        repository: Repository = self._data_plane.model_registry
        return repository

    async def ServerMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        """Return name and version of the server."""
        return messages.ServerMetadataResponse(**describe_server())

    async def ServerReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return whether new requests are taken."""
        return messages.ServerReadyResponse(ready=await self._repository.ready())

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return whether a model takes requests."""
        key = self._repository.key(request.name, request.version)
        return messages.ModelReadyResponse(ready=await self._data_plane.model_ready(key))

    async def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return inputs, outputs and versions of a model."""
        known = await describe_model(self._data_plane, self._repository, request.name, request.version)
        return messages.ModelMetadataResponse(**known)

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Run a model."""
        key = self._repository.key(request.model_name, request.model_version)
        self.validate_grpc_request(request)
        response, _ = await self._data_plane.infer(key, InferRequest.from_grpc(request), headers={})
        return response.to_grpc()

    async def RepositoryModelLoad(self, request: Any, context: Any) -> None:  # noqa: N802
        """Refuse to load a model."""
        await context.abort(StatusCode.UNIMPLEMENTED, "models are chosen when the server is started")

    async def RepositoryModelUnload(self, request: Any, context: Any) -> None:  # noqa: N802
        """Refuse to unload a model."""
        await context.abort(StatusCode.UNIMPLEMENTED, "models are chosen when the server is started")
