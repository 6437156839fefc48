"""Weights in files beside the model: what such a reference may name, and reading it once.

A model file can come from anywhere; the files it names are opened on the reader's behalf. So they must be ordinary
files in the model's own folder, whatever links and dots its text is made of. They are read here, by a descriptor
that was looked at, and never by name again: no library and no other engine sees a reference.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from ..errors import LimitError, ModelError

MAX_DEPTH = 100
"""Of subgraphs in subgraphs."""

_DATA_FIELDS = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
_KEYS = frozenset({"location", "offset", "length", "checksum", "basepath"})
_MAX_INTEGER_DIGITS = 19
_MAX_READ_BYTES = 1 << 30  # of one system call; Linux ends at 2 GB


class Digest(Protocol):
    """What a hash of :mod:`hashlib` offers."""

    def update(self, data: Any, /) -> None:
        """Take in bytes."""


def read_external_data(
    model: onnx.ModelProto, what: str, path: Path | None, digest: Digest | None = None
) -> dict[str, NDArray[Any]]:
    """Read every tensor that lies outside the model's own file; no reference to a file remains in the model.

    The model's folder is that of its path; where the path is a link (as in the caches of model hubs), also that of
    the file it leads to.

    Small tensors and those inside attributes come into the message itself; initializers do not, because a message
    ends at 2 GB: their location becomes a key of the result.

    Args:
        model: As parsed; changed in place.
        what: How messages name the model.
        path: Where the model was read from; None if it was not read from a file.
        digest: Takes in the bytes read, in the order of the model.

    Returns:
        Location, as it now stands in the model, to array.

    Raises:
        ModelError: If a tensor has no data; if a reference is absolute, leaves the folder (also by a symbolic link),
            names no ordinary file, or a place outside it; if it says something twice; if a function holds one; or if
            there is no folder.
        LimitError: If the tensors together are larger than the files they lie in, or than memory.
    """
    for function in model.functions:
        for tensor in _tensors_of_function(function):
            _check_data(tensor, what)
            if _is_external(tensor):
                raise ModelError(f"{what}: function '{function.name}' keeps a constant in another file: not supported")
    found: dict[str, NDArray[Any]] = {}
    with closing(_Reader(what, path, digest)) as reader:
        for tensor, is_initializer in tensors_of_graph(model.graph):
            if not _is_external(tensor):
                _check_data(tensor, what)
                continue
            content = reader.read(tensor)
            dtype = ir.DataType(tensor.data_type)
            del tensor.external_data[:]
            if is_initializer and dtype.bitwidth >= 8:
                key = str(len(found))
                tensor.external_data.add(key="location", value=key)
                found[key] = content.view(dtype.numpy()).reshape(tuple(tensor.dims))
            else:
                tensor.ClearField("data_location")
                tensor.raw_data = content.tobytes()
    return found


class _Reader:
    """Reads each part of each file once; one file is open at a time, because a tensor may have one of its own.

    Args:
        what: How messages name the model.
        path: The model's file.
        digest: Takes in the bytes read.
    """

    def __init__(self, what: str, path: Path | None, digest: Digest | None) -> None:
        self._what = what
        self._digest = digest
        self._folders = () if path is None else _folders(os.fsencode(path))
        self._location: str | None = None
        self._file = -1
        self._parts: dict[tuple[int, int, int, int], NDArray[np.uint8]] = {}
        self._known: set[tuple[int, int]] = set()
        self._left_bytes = 0
        """Of the files seen, what has not been read: parts do not overlap, so there is no more to come."""

    def close(self) -> None:
        """Close the file that is open."""
        if self._location is not None:
            os.close(self._file)
            self._location = None

    def read(self, tensor: onnx.TensorProto) -> NDArray[np.uint8]:
        """Return the bytes of a tensor."""
        where = f"{self._what}: tensor '{tensor.name}'"
        entries = _entries(tensor, where)
        location = entries.get("location", "")
        if not self._folders:
            raise ModelError(f"{where} lies in another file, '{location}': give the path of the model, not its content")
        size = _size_bytes(tensor, where)
        offset, length = (_integer(entries.get(key, "0"), f"{where} has the {key}") for key in ("offset", "length"))
        if length not in (0, size):
            raise ModelError(f"{where} has {size} bytes by its shape and type, but {length} by its external data")
        self._open(location, where)
        status = os.fstat(self._file)
        part = (status.st_dev, status.st_ino, offset, size)
        if part not in self._parts:
            if part[:2] not in self._known:
                self._known.add(part[:2])
                self._left_bytes += status.st_size
            self._parts[part] = self._read(offset, size, status.st_size, f"{where} cannot be read from '{location}'")
        return self._parts[part]

    def _read(self, offset: int, size: int, present: int, where: str) -> NDArray[np.uint8]:
        if offset + size > present:
            raise ModelError(f"{where}: it would be bytes {offset} to {offset + size} of {present}")
        if size > self._left_bytes:
            raise LimitError(f"{where}: the tensors together would be larger than the files they lie in")
        self._left_bytes -= size
        try:
            content = np.empty(size, np.uint8)
            done = 0
            while done < size:
                count = os.preadv(self._file, [content[done : done + _MAX_READ_BYTES].data], offset + done)
                if count == 0:
                    raise ModelError(f"{where}: the file became shorter while it was read")
                done += count
        except MemoryError as error:
            raise LimitError(f"{where}: there is no memory for its {size} bytes") from error
        except OSError as error:
            raise ModelError(f"{where}: {error.strerror or error}") from error
        if self._digest is not None:
            self._digest.update(content.data)
        return content

    def _open(self, location: str, where: str) -> None:
        if location == self._location:
            return
        self.close()
        try:
            self._file = self._opened(location, where)
        except (OSError, ValueError) as error:  # no permission, a name that cannot be encoded, a ring of links
            reason = error.strerror if isinstance(error, OSError) else error
            raise ModelError(f"{where} lies in {location!r}, which cannot be opened: {reason}") from error
        self._location = location

    def _opened(self, location: str, where: str) -> int:
        """Open a file of the folder; links inside the folder are followed once, here, and nowhere below."""
        if not location or "\0" in location:
            raise ModelError(f"{where} lies in {location!r}, which is no file name")
        path = os.path.realpath(os.path.join(self._folders[0], os.fsencode(location)))
        root = next((folder for folder in self._folders if _is_inside(path, folder)), None)
        if os.path.isabs(location) or root is None:
            raise ModelError(f"{where} lies in '{location}', which is outside the model's folder: refused")
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            *steps, name = os.path.relpath(path, root).split(b"/")
            for step in steps:  # one by one: none may have become a link meanwhile
                inner = os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
                os.close(folder)
                folder = inner
            # Looked at before it is opened, because opening a pipe or a device may wait or act, and again after.
            self._check_kind(os.stat(name, dir_fd=folder, follow_symlinks=False), location, where)
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _absent(location, where) from error
        finally:
            os.close(folder)
        try:
            self._check_kind(os.fstat(file), location, where)
        except ModelError:
            os.close(file)
            raise
        return file

    def _check_kind(self, status: os.stat_result, location: str, where: str) -> None:
        if stat.S_ISLNK(status.st_mode):
            raise ModelError(f"{where} lies in '{location}', which is no file name: its links lead nowhere")
        if not stat.S_ISREG(status.st_mode):
            raise _absent(location, where)


def _folders(path: bytes) -> tuple[bytes, ...]:
    """Return the folder a path lies in and the one that the file itself lies in."""
    return os.path.realpath(os.path.dirname(path)), os.path.dirname(os.path.realpath(path))


def _is_inside(path: bytes, folder: bytes) -> bool:
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def _absent(location: str, where: str) -> ModelError:
    return ModelError(f"{where} cannot be read: there is no file '{location}' beside the model")


def _is_external(tensor: onnx.TensorProto) -> bool:
    return tensor.data_location == onnx.TensorProto.EXTERNAL


def _check_data(tensor: onnx.TensorProto, what: str) -> None:
    """Refuse a tensor of a shape without data, which would be taken for that many zeros."""
    has_data = tensor.HasField("raw_data") or any(len(getattr(tensor, field)) for field in _DATA_FIELDS)
    if not has_data and not _is_external(tensor) and 0 not in tensor.dims:
        raise ModelError(f"{what}: tensor '{tensor.name}' of shape {list(tensor.dims)} cannot be read: it has no data")


def _entries(tensor: onnx.TensorProto, where: str) -> dict[str, str]:
    """Return the external data's entries; readers differ in which of two equal keys they take, so none is right."""
    found: dict[str, str] = {}
    for entry in tensor.external_data:
        if not isinstance(entry.key, str) or not isinstance(entry.value, str):
            raise ModelError(f"{where} has external data that are no text: it is damaged")
        if entry.key in found:
            raise ModelError(f"{where} has two entries '{entry.key}' in its external data: refused")
        if entry.key in _KEYS:
            found[entry.key] = entry.value
    return found


def _integer(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_INTEGER_DIGITS):
        raise ModelError(f"{where} {text[:40]!r} in its external data, expected a whole number")
    return int(text)


def _size_bytes(tensor: onnx.TensorProto, where: str) -> int:
    try:
        dtype = ir.DataType(tensor.data_type)
        bits: int = dtype.bitwidth
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{where} has the element type {tensor.data_type}, which cannot lie in a file") from error
    if dtype in (ir.DataType.STRING, ir.DataType.UNDEFINED):
        raise ModelError(f"{where} has the element type {dtype.name}, which cannot lie in a file")
    if any(size < 0 for size in tensor.dims):
        raise ModelError(f"{where} has the shape {list(tensor.dims)}")
    size: int = -(-math.prod(tensor.dims) * bits // 8)
    return size


def tensors_of_graph(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[tuple[onnx.TensorProto, bool]]:
    """Yield every tensor of a graph and whether it is an initializer, those of subgraphs and attributes included.

    Raises:
        LimitError: If subgraphs are nested too deep.
    """
    for inner in graphs_of(graph):
        if isinstance(inner, onnx.GraphProto):
            yield from ((tensor, True) for tensor in inner.initializer)
            yield from ((tensor, False) for sparse in inner.sparse_initializer for tensor in _parts_of(sparse))
        for node in inner.node:
            yield from ((tensor, False) for tensor in _tensors_of_attributes(node.attribute))


def graphs_of(graph: onnx.GraphProto | onnx.FunctionProto, depth: int = 0) -> Iterator[Any]:
    """Yield a graph or function and all graphs inside it.

    Raises:
        LimitError: If they are nested too deep.
    """
    if depth > MAX_DEPTH:
        raise LimitError(f"the model's subgraphs are nested more than {MAX_DEPTH} deep")
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for subgraph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from graphs_of(subgraph, depth + 1)


def _tensors_of_function(function: onnx.FunctionProto) -> Iterator[onnx.TensorProto]:
    yield from _tensors_of_attributes(function.attribute_proto)
    yield from (tensor for tensor, _ in tensors_of_graph(function))


def _tensors_of_attributes(attributes: Iterable[onnx.AttributeProto]) -> Iterator[onnx.TensorProto]:
    for attribute in attributes:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        if attribute.HasField("sparse_tensor"):
            yield from _parts_of(attribute.sparse_tensor)
        for sparse in attribute.sparse_tensors:
            yield from _parts_of(sparse)


def _parts_of(sparse: onnx.SparseTensorProto) -> tuple[onnx.TensorProto, onnx.TensorProto]:
    return sparse.values, sparse.indices
