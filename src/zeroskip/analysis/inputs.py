"""Feeding a data set to a model: its inputs, the batch size it allows, padding of a last short batch."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..data import Dataset
from ..engine.signature import NodeArg, Signature
from ..errors import DataError, ShapeError
from .binding import as_dataset, bound, cast

if TYPE_CHECKING:
    from ..onnx.load import ModelSource

_logger = logging.getLogger(__name__)

Feed = dict[str, NDArray[Any]]


class Session(Protocol):
    """What is needed of an inference session; zeroskip's and ONNX Runtime's both have it."""

    def get_inputs(self) -> Any:
        """Return objects with ``name``, ``shape`` and ``type``."""
        ...

    def run(self, output_names: Any, feed: Any) -> Any:
        """Return the outputs as a list of arrays."""
        ...


@dataclass(frozen=True)
class ModelInput:
    """What a model takes: one input or several.

    Args:
        arguments: Name, shape and type of each, in the order of the graph; a dimension that is no int is open.
    """

    arguments: tuple[NodeArg, ...]

    @classmethod
    def of(cls, session: Session) -> ModelInput:
        """Read the inputs of a model.

        Args:
            session: A session that has the model.

        Raises:
            DataError: If an input is no tensor.
        """
        arguments = [
            item if isinstance(item, NodeArg) else NodeArg(item.name, list(item.shape or []), item.type)
            for item in session.get_inputs()
        ]
        return cls(_checked(arguments))

    @classmethod
    def of_model(cls, model: ModelSource) -> ModelInput:
        """Read the inputs of a model that no session has been made of; raises like :meth:`of`."""
        from ..onnx import LoadedModel

        return cls(_checked(Signature.of(LoadedModel.of(model).model).inputs))

    @property
    def fixed_batch_size(self) -> int | None:
        """The batch size the model was exported for, or None where it takes any."""
        fixed = [item.shape[0] for item in self.arguments if item.shape and isinstance(item.shape[0], int)]
        return fixed[0] if fixed else None

    def batch_size(self, wanted: int) -> int:
        """Return the batch size to use: the one the model insists on, else ``wanted``."""
        return self.fixed_batch_size or wanted

    def data(self, data: Any) -> Dataset:
        """Return the data set as this model takes it.

        Args:
            data: A data set, or anything :func:`zeroskip.data.from_iterable` reads.

        Raises:
            DataError: If it lacks an input of the model, or values cannot be of its type.
        """
        return bound(as_dataset(data, self.arguments), self.arguments)

    def check(self, data: Dataset) -> None:
        """Make sure that the data fit.

        Args:
            data: The data set; its first input is read.

        Raises:
            DataError: If an input of the model is missing in it.
            ShapeError: If they do not; the message says what to change.
        """
        data = self.data(data)
        axes = 0 if data.is_whole else 1
        found = self._named(data.source.load(data.indices[:1]))
        for item in self.arguments:
            _check_shape(item, found[item.name].shape[axes:], axes)

    def feeds(self, data: Dataset, batch_size: int) -> Iterator[tuple[Feed, int]]:
        """Yield the data batch by batch.

        Args:
            data: The data set.
            batch_size: Inputs per batch; a model with a fixed batch size overrides it, and inputs of different shapes
                come one by one.

        Yields:
            A feed for ``session.run``, and how many of its rows are real: a last batch that is too short
            for a fixed batch size is filled up with repetitions.
        """
        data = self.data(data)
        size = self.batch_size(batch_size) if data.is_uniform else 1
        for batch, _ in data.batches(size):
            feed = self._named(batch)
            count = 1 if data.is_whole else len(next(iter(feed.values())))
            if self.fixed_batch_size is not None and count < size:
                feed = {name: filled(array, size) for name, array in feed.items()}
            yield feed, count

    def _named(self, inputs: Any) -> Feed:
        if isinstance(inputs, dict):
            return inputs
        (item,) = self.arguments
        return {item.name: cast(inputs, item)}


def filled(array: NDArray[Any], size: int) -> NDArray[Any]:
    """Return a batch filled up to a size with repetitions of its last row."""
    return array if len(array) >= size else np.concatenate([array, np.repeat(array[-1:], size - len(array), axis=0)])


def _checked(arguments: Any) -> tuple[NodeArg, ...]:
    if other := [item for item in arguments if not item.is_tensor]:
        raise DataError(f"a data set feeds tensors, but the model takes {', '.join(str(item) for item in other)}")
    return tuple(arguments)


def _check_shape(argument: NodeArg, sample: tuple[int, ...], axes: int) -> None:
    if not argument.has_rank:
        return
    expected = argument.shape[axes:]
    fits = len(expected) == len(sample) and all(
        not isinstance(want, int) or want == have for want, have in zip(expected, sample, strict=True)
    )
    if fits:
        return
    shown = ["?" if want is None else want for want in expected]
    advice = "check the preprocessing (crop, layout)"
    if axes and len(sample) == len(expected) + 1:
        advice = "the items seem to be batches: say batched=True"
    raise ShapeError(
        f"the data give inputs of shape {list(sample)}, the model's input '{argument.name}' takes {shown} per item: "
        f"{advice}"
    )


def warn_of_other_preprocessing(model: ModelSource, data: Dataset) -> None:
    """Log a warning, once for each pair of recipes, if a model states another preprocessing than the data have.

    Args:
        model: ONNX file, or the loaded model.
        data: What it is to be fed with.
    """
    from ..data import Preprocess

    try:
        stated = Preprocess.from_model(model)
    except DataError as error:
        _logger.warning("%s", error)
        return
    if stated is not None and data.preprocess is not None:
        _warn_of_differences(tuple(data.preprocess.differences(stated)))


@lru_cache(maxsize=64)
def _warn_of_differences(differences: tuple[str, ...]) -> None:
    if differences:
        text = "the pictures are not preprocessed as the model states (zeroskip.preprocess): %s"
        _logger.warning(text, "; ".join(differences))


def run_batches(
    session: Session, data: Dataset, batch_size: int, output_names: list[str] | None = None
) -> Iterator[list[NDArray[Any]]]:
    """Run a model over a data set and yield its outputs batch by batch, fill-up rows removed.

    Args:
        session: A session that has the model.
        data: What to feed.
        batch_size: Inputs per run; a model with a fixed batch size overrides it.
        output_names: Outputs wanted; None for all.

    Raises:
        DataError: If the data lack an input of the model, or an input cannot be read.
        ShapeError: If the data do not fit the model.
    """
    for feed, count in ModelInput.of(session).feeds(data, batch_size):
        outputs = session.run(output_names, feed)
        rows = batch_rows(feed)
        yield [output[:count] if np.shape(output)[:1] == (rows,) and rows > count else output for output in outputs]


def batch_rows(feed: Mapping[str, NDArray[Any]]) -> int:
    """Return how many inputs a feed has, fill-up rows included; 1 where it has no common batch axis."""
    sizes = {array.shape[:1] for array in feed.values()}
    (size,) = sizes if len(sizes) == 1 else ((),)
    return size[0] if size else 1
