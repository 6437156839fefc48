"""Feeding a data set to a model: its one input, the batch size it allows, padding of a last short batch."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..data import Dataset
from ..errors import DataError, ShapeError

if TYPE_CHECKING:
    from ..onnx.load import ModelSource

_logger = logging.getLogger(__name__)

Feed = dict[str, NDArray[np.float32]]


class Session(Protocol):
    """What is needed of an inference session; zeroskip's and ONNX Runtime's both have it."""

    def get_inputs(self) -> Any:
        """Return objects with ``name`` and ``shape``."""
        ...

    def run(self, output_names: Any, feed: Any) -> Any:
        """Return the outputs as a list of arrays."""
        ...


@dataclass(frozen=True)
class ModelInput:
    """The only input of a model.

    Args:
        name: Name in the graph.
        shape: One entry per dimension; anything but an int is dynamic.
    """

    name: str
    shape: tuple[int | str | None, ...]

    @classmethod
    def of(cls, session: Session) -> ModelInput:
        """Read the input of a model.

        Args:
            session: A session that has the model.

        Raises:
            DataError: If the model has several inputs: a data set feeds one.
        """
        inputs = list(session.get_inputs())
        if len(inputs) != 1:
            names = [item.name for item in inputs]
            raise DataError(f"the model has {len(inputs)} inputs {names}, but a data set feeds exactly one")
        return cls(inputs[0].name, tuple(inputs[0].shape))

    @property
    def fixed_batch_size(self) -> int | None:
        """The batch size the model was exported for, or None where it takes any."""
        batch = self.shape[0] if self.shape else None
        return batch if isinstance(batch, int) else None

    def batch_size(self, wanted: int) -> int:
        """Return the batch size to use: the one the model insists on, else ``wanted``."""
        return self.fixed_batch_size or wanted

    def check(self, data: Dataset) -> None:
        """Make sure that the data fit.

        Args:
            data: The data set; its first input is read.

        Raises:
            ShapeError: If they do not; the message says what to change.
        """
        sample = data.sample_shape
        expected = self.shape[1:]
        fits = len(expected) == len(sample) and all(
            not isinstance(want, int) or want == have for want, have in zip(expected, sample, strict=True)
        )
        if not fits:
            raise ShapeError(
                f"the data give inputs of shape {list(sample)}, the model's input '{self.name}' takes "
                f"{list(expected)} per item: check the preprocessing (crop, layout)"
            )

    def feeds(self, data: Dataset, batch_size: int) -> Iterator[tuple[Feed, int]]:
        """Yield the data batch by batch.

        Args:
            data: The data set.
            batch_size: Inputs per batch; a model with a fixed batch size overrides it.

        Yields:
            A feed for ``session.run``, and how many of its rows are real: a last batch that is too short
            for a fixed batch size is filled up with repetitions.
        """
        size = self.batch_size(batch_size)
        for batch, _ in data.batches(size):
            count = len(batch)
            if self.fixed_batch_size is not None and count < size:
                batch = np.concatenate([batch, np.repeat(batch[-1:], size - count, axis=0)])
            yield {self.name: batch}, count


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
        DataError: If the model has several inputs, or an input cannot be read.
        ShapeError: If the data do not fit the model.
    """
    model_input = ModelInput.of(session)
    for feed, count in model_input.feeds(data, batch_size):
        outputs = session.run(output_names, feed)
        padded = len(feed[model_input.name]) != count
        yield [output[:count] for output in outputs] if padded else outputs
