"""The Open Inference Protocol by REST: KServe's data plane behind addresses with versions."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse

from ..errors import DeadlineError, DrainingError, OverloadError, ZeroskipError
from .guard import Guard
from .kserve_parts import DataPlane, InvalidInput, ModelNotFound, metrics_handler
from .options import ServerOptions
from .repository import Repository
from .tensors import read_request

_logger = logging.getLogger(__name__)
_JSON_LENGTH = "inference-header-content-length"

STATUS: dict[type[Exception], int] = {
    InvalidInput: 400,
    ModelNotFound: 404,
    OverloadError: 429,
    DrainingError: 503,
    DeadlineError: 504,
    ZeroskipError: 500,
    Exception: 500,
}
"""What an error is answered with."""


def create_app(repository: Repository, options: ServerOptions) -> FastAPI:
    """Return the application that answers REST requests.

    Args:
        repository: The models.
        options: Sizes, times and the token.
    """
    app = FastAPI(title="zeroskip", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(_Endpoints(repository).router())
    app.add_api_route("/metrics", metrics_handler, methods=["GET"])
    for kind, status in STATUS.items():
        app.add_exception_handler(kind, _answer(status))
    app.add_middleware(Guard, options=options)
    return app


class _Endpoints:
    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._plane = DataPlane(model_registry=repository)

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/v2")
        one = "/models/{name}"
        router.add_api_route("", self.server, methods=["GET"])
        router.add_api_route("/health/live", self.live, methods=["GET"])
        router.add_api_route("/health/ready", self.ready, methods=["GET"])
        router.add_api_route("/models", self.models, methods=["GET"])
        for prefix in (one, one + "/versions/{version}"):
            router.add_api_route(prefix, self.model, methods=["GET"])
            router.add_api_route(prefix + "/ready", self.model_ready, methods=["GET"])
            router.add_api_route(prefix + "/infer", self.infer, methods=["POST"])
        return router

    async def server(self) -> dict[str, Any]:
        return describe_server()

    async def live(self) -> dict[str, bool]:
        return {"live": True}

    async def ready(self) -> JSONResponse:
        is_ready = await self._repository.ready()
        return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)

    async def models(self) -> dict[str, list[str]]:
        return {"models": sorted({model.name for model in self._repository.served()})}

    async def model(self, name: str, version: str | None = None) -> dict[str, Any]:
        return await describe_model(self._plane, self._repository, name, version)

    async def model_ready(self, name: str, version: str | None = None) -> JSONResponse:
        is_ready = await self._plane.model_ready(self._repository.key(name, version))
        return JSONResponse({"name": name, "ready": is_ready}, 200 if is_ready else 503)

    async def infer(self, request: Request, name: str, version: str | None = None) -> Response:
        key = self._repository.key(name, version)
        length = request.headers.get(_JSON_LENGTH)
        if length is not None and not length.isdecimal():
            raise InvalidInput(f"header Inference-Header-Content-Length is {length[:20]!r}, expected a number")
        asked = read_request(await request.body(), None if length is None else int(length), name)
        response, _ = await self._plane.infer(key, asked, headers={})
        content, headers = self._plane.encode(name, response, {}, {})
        if isinstance(content, bytes):
            return Response(content, headers=headers, media_type="application/octet-stream")
        return JSONResponse(content)


def describe_server() -> dict[str, Any]:
    """Return name and version of the server."""
    return {"name": "zeroskip", "version": version("zeroskip"), "extensions": ["binary_tensor_data"]}


async def describe_model(plane: DataPlane, repository: Repository, name: str, version: str | None) -> dict[str, Any]:
    """Return a model's inputs, outputs and versions as the protocol describes them.

    Raises:
        ModelNotFound: If there is none of that name and version.
    """
    known = await plane.model_metadata(repository.key(name, version))
    versions = [version] if version else repository.versions(name)
    return {"name": name, "versions": versions, "platform": "onnx_zeroskip", "inputs": known["inputs"]} | {
        "outputs": known["outputs"]
    }


def _answer(status: int) -> Any:
    async def answer(request: Request, error: Exception) -> JSONResponse:
        if status == 500:
            _logger.error("%s %s", request.method, request.url.path, exc_info=error)
        message = str(error) if isinstance(error, ZeroskipError) or status < 500 else "internal error"
        headers = {"Retry-After": "1"} if status in (429, 503) else None
        return JSONResponse({"error": message}, status, headers)

    return answer
