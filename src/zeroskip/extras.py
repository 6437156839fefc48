"""Optional packages: which extra of zeroskip brings each, for messages that say how to install what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import ZeroskipError

_EXTRAS = {
    "bench": ("ncnn", "openvino"),
    "fallback": ("onnxruntime",),
    "metrics": ("pycocotools",),
    "notebook": ("pandas", "ipykernel"),
    "ray": ("ray", "pyarrow"),
    "report": ("matplotlib",),
    "serve": ("fastapi", "grpc", "kserve", "orjson", "prometheus_client", "uvicorn"),
    "torch": ("onnxscript", "torch"),
}
"""Importable modules, also those that come along with what the extra names."""


def install_words(module: str | None) -> str | None:
    """Return how to get an optional package, None for others.

    Example:
        >>> install_words("torch.nn")
        "the package 'torch', which is not installed: pip install 'zeroskip[torch]'"
    """
    package = (module or "").partition(".")[0]
    extra = next((name for name, modules in _EXTRAS.items() if package in modules), None)
    return extra and f"the package '{package}', which is not installed: pip install 'zeroskip[{extra}]'"


@contextmanager
def needs(what: str, error_type: type[Exception] = ZeroskipError) -> Iterator[None]:
    """Turn the failed import of an optional package into an error that says how to install it.

    Args:
        what: What cannot be done without, the subject of the message's sentence.
        error_type: What is raised.

    Example:
        >>> with needs("the report"):
        ...     import zeroskip
    """
    try:
        yield
    except ModuleNotFoundError as error:
        words = install_words(error.name)
        if words is None:
            raise
        raise error_type(f"{what} needs {words}") from error
