"""Which engines exist, what each needs to be installed, and how one is made."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from ..errors import EngineError
from .engine import Engine, Precision


@dataclass(frozen=True)
class EngineEntry:
    """One engine of the list.

    Args:
        class_name: Its class, in the module of this package that is named like the engine.
        packages: What must be importable.
        install: What to type to get it.
        precisions: What it can compute in on a CPU.
    """

    class_name: str
    packages: tuple[str, ...]
    install: str
    precisions: tuple[Precision, ...] = ("f32",)


ENGINES: Mapping[str, EngineEntry] = MappingProxyType(
    {
        "zeroskip": EngineEntry("ZeroskipEngine", (), "", ("f32", "bf16")),
        "onnxruntime": EngineEntry(
            "OnnxRuntimeEngine", ("onnxruntime",), "pip install 'zeroskip[bench]'", ("f32", "int8")
        ),
        "openvino": EngineEntry(
            "OpenVinoEngine", ("openvino",), "pip install 'zeroskip[bench]'", ("f32", "bf16", "int8")
        ),
        # pnnx, the converter, declares torch as a dependency but its program does not use it.
        "ncnn": EngineEntry(
            "NcnnEngine", ("ncnn", "pnnx"), "pip install 'zeroskip[bench]' && pip install --no-deps pnnx"
        ),
        "torch": EngineEntry("TorchEngine", ("torch",), "pip install 'zeroskip[torch]'", ("f32", "bf16")),
        "deepsparse": EngineEntry(
            "DeepSparseEngine",
            ("deepsparse",),
            "pip install deepsparse==1.8.0 in an environment of its own, see EngineSpec.python",
        ),
    }
)


def available_engines() -> tuple[str, ...]:
    """Return the names of the engines whose packages are installed. Nothing is imported."""
    return tuple(name for name, entry in ENGINES.items() if not _missing(entry))


def check_engine(name: str, precision: Precision = "f32", *, is_elsewhere: bool = False) -> None:
    """Make sure that an engine exists, is installed, and computes in a precision.

    Args:
        name: Key of :data:`ENGINES`.
        precision: What it shall compute in.
        is_elsewhere: Whether another environment has it, which is not looked into.

    Raises:
        EngineError: If it is unknown, a package is missing (the message says how to install it), or it has
            no such precision.
    """
    if name not in ENGINES:
        raise EngineError(f"unknown engine {name!r}, known are {list(ENGINES)}")
    entry = ENGINES[name]
    if not is_elsewhere and (missing := _missing(entry)):
        raise EngineError(f"engine '{name}' needs the package {' and '.join(missing)}: {entry.install}")
    if precision not in entry.precisions:
        raise EngineError(f"engine '{name}' computes in {list(entry.precisions)} here, not in {precision!r}")


def create_engine(name: str, threads: int, precision: Precision = "f32") -> Engine:
    """Make an engine in this process; it still has to load a model.

    Args:
        name: Key of :data:`ENGINES`.
        threads: Threads it may use, >= 1.
        precision: What it shall compute in.

    Raises:
        EngineError: As :func:`check_engine`, or if ``threads`` is below 1.
    """
    check_engine(name, precision)
    if threads < 1:
        raise EngineError(f"threads is {threads}, expected >= 1")
    module = importlib.import_module(f"{__package__}.{name}")
    return cast(Engine, getattr(module, ENGINES[name].class_name)(threads, precision))


def _missing(entry: EngineEntry) -> list[str]:
    return [package for package in entry.packages if importlib.util.find_spec(package) is None]
