"""The protocol every engine of a benchmark follows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from numpy.typing import NDArray

from ..errors import EngineError

Precision = Literal["f32", "bf16", "int8"]
Feed: TypeAlias = Mapping[str, NDArray[Any]]
Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
ModelContent: TypeAlias = bytes | Path
"""A serialized ONNX model that refers to no file; or, where it is too large for that, a private copy of it."""


def content_of(model: ModelContent) -> bytes:
    """Return a model as one file's content, for an engine that reads no other.

    Raises:
        EngineError: If it is too large for that.
    """
    if isinstance(model, Path):
        raise EngineError("it reads models of one file only, which hold less than 2 GB")
    return model


class Engine(Protocol):
    """An inference engine with one model loaded, its precision and threads fixed at construction.

    An engine is made, loads one model for concrete input shapes, and then runs it any number of times. It
    runs in the calling thread and the ``threads - 1`` it may add, and computes in ``precision`` even where
    its own default is lower. Constructors take ``threads`` and ``precision`` and import the engine's
    package.
    """

    name: str
    threads: int
    precision: Precision

    @property
    @abstractmethod
    def version(self) -> str:
        """Version of the engine's package."""

    @property
    @abstractmethod
    def description(self) -> str:
        """The settings that decide its speed, in one line."""

    @abstractmethod
    def load(self, model: ModelContent, input_shapes: Shapes) -> None:
        """Prepare a model.

        Args:
            model: The model; a copy on disk may be gone afterwards.
            input_shapes: Concrete shape of each graph input, in the graph's order.

        Raises:
            ZeroskipError: If the engine cannot run the model; engines may raise their own exceptions as well.
        """

    @abstractmethod
    def run(self, feed: Feed) -> list[NDArray[Any]]:
        """Run the model once.

        Args:
            feed: Inputs by name, of the shapes given to :meth:`load`.

        Returns:
            The graph outputs in the graph's order; valid until the next run.
        """

    def sparsity_seen(self, feed: Feed) -> float | None:
        """Return the MAC-weighted sparsity that skipping layers meet, None if the engine never skips."""
        return None
