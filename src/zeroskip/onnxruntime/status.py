"""The exceptions of ONNX Runtime by their names, each also one of our own tree.

ONNX Runtime has a class per status code and no base of its own; some faults are plain ``ValueError`` or
``RuntimeError`` there. So each class here is a :class:`~zeroskip.errors.ZeroskipError` and a ``RuntimeError``, and
wrong arguments are ``ValueError`` as well: whoever catches what ONNX Runtime raises catches these.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from google.protobuf.message import DecodeError

from ..errors import (
    EngineError,
    LimitError,
    ModelError,
    OutOfMemoryError,
    ShapeError,
    UnsupportedOperatorError,
    ZeroskipError,
)


class Fail(EngineError, RuntimeError):  # noqa: N818
    """A run failed, or something was asked for that there is not."""


class RuntimeException(EngineError, RuntimeError):  # noqa: N818
    """A run failed with an exception of the runtime."""


class EPFail(EngineError, RuntimeError):  # noqa: N818
    """An execution provider failed."""


class InvalidArgument(ShapeError, RuntimeError):  # noqa: N818
    """A name, type or shape of an input or output, or an option, does not fit."""


class InvalidType(InvalidArgument, TypeError):  # noqa: N818
    """An argument is of another type than expected; a plain ``TypeError`` in ONNX Runtime."""


class NoSuchFile(ModelError, RuntimeError):  # noqa: N818
    """There is no model file."""


class NoModel(ModelError, RuntimeError):  # noqa: N818
    """No model is loaded."""


class InvalidProtobuf(ModelError, RuntimeError):  # noqa: N818
    """The model file is no ONNX file, or is truncated."""


class InvalidGraph(ModelError, RuntimeError):  # noqa: N818
    """The model's graph is not valid."""


class UnsupportedModel(UnsupportedOperatorError, RuntimeError):  # noqa: N818
    """The model has operators that cannot be run; ``NotImplemented`` in ONNX Runtime."""


_OF_RUNTIME: dict[str, type[ZeroskipError]] = {
    kind.__name__: kind
    for kind in (Fail, RuntimeException, EPFail, InvalidArgument, NoSuchFile, InvalidProtobuf, InvalidGraph)
}


@contextmanager
def raises_status(model: Any = None) -> Iterator[None]:
    """Raise errors of our tree under ONNX Runtime's names.

    What has no name there, such as a limit or lack of memory, stays what it is.

    Args:
        model: The model that is being loaded: a path or bytes.
    """
    try:
        yield
    except (LimitError, OutOfMemoryError):
        raise
    except UnsupportedOperatorError as error:
        raise UnsupportedModel(str(error), error.nodes) from error
    except ShapeError as error:
        raise _as(InvalidArgument, error) from error
    except ModelError as error:
        raise _as(_kind_of_model_error(error, model), error) from error
    except EngineError as error:
        raise _as(_kind_of_cause(error) or Fail, error) from error


def _as(kind: type[ZeroskipError], error: ZeroskipError) -> ZeroskipError:
    return error if isinstance(error, tuple(_OF_RUNTIME.values())) else kind(str(error))


def _kind_of_model_error(error: ModelError, model: Any) -> type[ZeroskipError]:
    if isinstance(model, str | os.PathLike) and not os.path.exists(model):
        return NoSuchFile
    if isinstance(error.__cause__, DecodeError | OSError):
        return InvalidProtobuf
    return _kind_of_cause(error) or InvalidGraph


def _kind_of_cause(error: ZeroskipError) -> type[ZeroskipError] | None:
    """Return the class for what the real runtime, which ran an island, said."""
    return _OF_RUNTIME.get(type(error.__cause__).__name__)
