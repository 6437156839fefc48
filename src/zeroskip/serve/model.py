"""ServedModel: a session as KServe's runtime, for the server here or a ``kserve.ModelServer`` of one's own."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, Protocol

from ..engine.onnx_types import dtype_of
from ..errors import DeadlineError, DrainingError, EngineError, OverloadError, ShapeError, ZeroskipError
from .batching import Arrays, Batcher
from .kserve_parts import InferRequest, InferResponse, InvalidInput, Model, from_np_dtype
from .metrics import ModelMetrics
from .options import BatchOptions
from .tensors import requested_seconds, to_arrays, to_response


class Session(Protocol):
    """What runs a model: ``zeroskip.InferenceSession``, or ONNX Runtime's to compare with."""

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any]) -> list[Any]:
        """Return one array per output."""

    def get_inputs(self) -> Sequence[Any]:
        """Return the inputs with name, shape and type."""

    def get_outputs(self) -> Sequence[Any]:
        """Return the outputs with name, shape and type."""


class ServedModel(Model):  # type: ignore[misc]  # KServe has no types
    """A session behind KServe's servers.

    Args:
        name: What clients call it.
        session: What runs it.
        batch: How requests wait and run together.
        version: What clients call this version.
        executor: Where runs take place, one after the other; None makes one of one thread. A run uses the threads of
            its session, so several at a time only get in each other's way.
        sample_s: Seconds between two measurements of the zeros that each layer sees; 0 makes none.

    Example::

        import kserve, zeroskip
        from zeroskip.serve import ServedModel

        kserve.ModelServer().start([ServedModel("resnet", zeroskip.InferenceSession("resnet.onnx"))])
    """

    def __init__(
        self,
        name: str,
        session: Session,
        batch: BatchOptions | None = None,
        *,
        version: str = "1",
        executor: Executor | None = None,
        sample_s: float = 10.0,
    ) -> None:
        super().__init__(name)
        self.version = version
        self._session = session
        self._inputs, self._outputs = session.get_inputs(), session.get_outputs()
        self._metrics = ModelMetrics(name, version, getattr(session, "profile", None), sample_s)
        self._batcher = Batcher(
            self._run,
            batch or BatchOptions(),
            executor or ThreadPoolExecutor(1, thread_name_prefix=f"run-{name}"),
            joins=self._may_join,
            observer=self._metrics,
        )
        self.ready = True

    async def predict(self, payload: InferRequest, headers: Any = None, response_headers: Any = None) -> InferResponse:
        """Answer one request.

        Args:
            payload: Inputs by name, and which outputs are wanted; parameter ``timeout`` in microseconds.
            headers: Ignored.
            response_headers: Ignored.

        Raises:
            InvalidInput: If the request does not fit the model.
            OverloadError: If too many requests wait.
            DeadlineError: If its time was over.
            DrainingError: If the server is stopping.
        """
        start = time.perf_counter()
        outcome = "error"
        try:
            names = self._wanted(payload)
            outputs = await self._batcher.submit(to_arrays(payload), requested_seconds(payload))
            response = to_response(payload, {name: outputs[name] for name in names}, self.version)
            outcome = "ok"
            return response
        except (ShapeError, InvalidInput) as error:
            outcome = "invalid"
            raise InvalidInput(str(error)) from None
        except (OverloadError, DeadlineError, DrainingError) as error:
            outcome = {OverloadError: "overload", DeadlineError: "deadline"}.get(type(error), "draining")
            raise
        finally:
            self._metrics.answered(time.perf_counter() - start, outcome)

    def get_input_types(self) -> list[dict[str, Any]]:
        """Return the inputs as the protocol describes them; an open dimension is -1."""
        return [_described(argument) for argument in self._inputs]

    def get_output_types(self) -> list[dict[str, Any]]:
        """Return the outputs as the protocol describes them; an open dimension is -1."""
        return [_described(argument) for argument in self._outputs]

    async def drain(self) -> None:
        """Refuse new requests and wait for those that were accepted."""
        self.ready = False
        await self._batcher.drain()

    def _wanted(self, payload: InferRequest) -> list[str]:
        known = [argument.name for argument in self._outputs]
        wanted = [item.name for item in payload.request_outputs or ()] or known
        if unknown := [name for name in wanted if name not in known]:
            raise InvalidInput(f"the model has no output {unknown}; its outputs are {known}")
        return wanted

    def _may_join(self, feeds: Arrays) -> bool:
        asked = getattr(self._session, "treats_inputs_alone", None)
        try:
            return asked is not None and bool(asked({name: array.shape for name, array in feeds.items()}))
        except ZeroskipError:  # the run will say it, to this client alone
            return False

    def _run(self, feeds: Arrays) -> Arrays:
        names = [argument.name for argument in self._outputs]
        try:
            return dict(zip(names, self._session.run(None, feeds), strict=True))
        except (ShapeError, EngineError):
            raise
        except Exception as error:  # of another runtime
            kind = type(error).__name__
            if "InvalidArgument" in kind or isinstance(error, ValueError):
                raise ShapeError(str(error)) from error
            raise


def _described(argument: Any) -> dict[str, Any]:
    dtype = dtype_of(argument.type)
    shape = [size if isinstance(size, int) else -1 for size in argument.shape]
    return {"name": argument.name, "datatype": from_np_dtype(dtype) if dtype is not None else "BYTES", "shape": shape}
