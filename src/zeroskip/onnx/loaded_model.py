"""LoadedModel: a model read and checked once, which is what every method and every engine gets.

A file that is read again may be another one by then, and a file that another engine reads was never checked. So
whoever needs a model more than once reads it here and hands it on.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from .load import ModelSource, load_model, read_graph
from .save import fits_one_file, save_model, to_bytes, weight_bytes

_NAME = "model"
_FILE = "model.onnx"


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model that has been read and checked; nothing reads its files again.

    Args:
        model: The graph, its weights in memory. Others may be using it: not to be changed.
        name: What reports call it: the name of its file, if it had one.
        path: Where it was read from, None if from no file.
        sha256: Hash of the content, None of a graph that was never bytes. Of a file with external data it covers
            these too; of any other it is the hash of the file.

    Example:
        >>> LoadedModel.of("no-such-model.onnx")
        Traceback (most recent call last):
            ...
        zeroskip.errors.ModelError: cannot read model 'no-such-model.onnx': No such file or directory
    """

    model: ir.Model
    name: str = _NAME
    path: Path | None = None
    sha256: str | None = None

    @classmethod
    def of(cls, source: ModelSource) -> LoadedModel:
        """Read a model of any opset.

        Args:
            source: What ``load_model`` takes; what is loaded already is returned as it is.

        Raises:
            ModelError: As ``load_model``.
        """
        if isinstance(source, LoadedModel):
            return source
        if not isinstance(source, bytes | str | os.PathLike):
            return cls(load_model(source, any_opset=True))
        digest = hashlib.sha256()
        model = read_graph(source, any_opset=True, digest=digest)
        path = None if isinstance(source, bytes) else Path(source)
        return cls(model, _NAME if path is None else path.name, path, digest.hexdigest())

    @property
    def weight_bytes(self) -> int:
        """Size of the initializers."""
        return weight_bytes(self.model)

    @property
    def fits_one_file(self) -> bool:
        """Whether :meth:`to_bytes` can hold it."""
        return fits_one_file(self.model)

    def to_bytes(self) -> bytes:
        """Return the model as the content of one ONNX file, weights included.

        Raises:
            LimitError: If it is too large for one.
        """
        return to_bytes(self.model)

    def write_copy(self, folder: str | os.PathLike[str]) -> Path:
        """Write a copy for another program to read, external data beside it if it is too large for one file.

        Args:
            folder: An empty folder that nobody else writes to.

        Returns:
            The model file.

        Raises:
            OSError: If it cannot be written.
        """
        path = Path(folder) / _FILE
        save_model(self.model, path)
        return path
