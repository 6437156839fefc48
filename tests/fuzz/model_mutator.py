"""Mutates ONNX models by structure: protobuf fields, shapes, attributes, initializers; sometimes plain bytes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_INTEGERS = (
    0, 1, -1, 2, 3, 4, 7, 8, 16, 17, 64, 255, 256, 1000, 65535, 1 << 20, (1 << 31) - 1, 1 << 31, -(1 << 31), 1 << 32,
    (1 << 62), (1 << 63) - 1, -(1 << 63),
)  # fmt: skip
_FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 6.0, 1e-45, 1e-30, 1e30, 3.4e38, float("inf"), float("-inf"), float("nan"))
_STRINGS = (
    "", "x", "y", "w", "N", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", "linear", "nearest", "cubic", "floor",
    "align_corners", "half_pixel", "edge", "reflect", "wrap", "zeroskip", "ai.onnx.ml", "axis", "axes",
    "pads", "strides",
    "kernel_shape", "group", "dilations", "perm", "location", "../x", "/etc/passwd", "offset", "length",
    "é\0", "FatRelu",
)  # fmt: skip
_MAX_DEPTH = 9
_BOUNDS = {
    FieldDescriptor.CPPTYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, (1 << 32) - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, (1 << 64) - 1),
}


class ModelMutator:
    """Makes mutants of a corpus; the same seed gives the same mutant.

    Args:
        corpus: Models that mutants start from and borrow parts of.
    """

    def __init__(self, corpus: Sequence[onnx.ModelProto]) -> None:
        self._corpus = corpus
        self._op_types = sorted({node.op_type for model in corpus for node in model.graph.node})

    def mutant(self, seed: int | str) -> bytes:
        """Return the serialized mutant of a seed."""
        rng = random.Random(seed)
        model = onnx.ModelProto()
        model.CopyFrom(rng.choice(self._corpus))
        return self.mutate(model, rng)

    def mutate(self, model: onnx.ModelProto, rng: random.Random) -> bytes:
        """Change a model in place at a few places and return it serialized."""
        if rng.random() < 0.15:
            return mutate_bytes(model.SerializeToString(), rng)
        for _ in range(min(6, 1 + int(rng.expovariate(0.9)))):
            self._change_somewhere(model, rng)
        return model.SerializeToString()

    def _change_somewhere(self, model: onnx.ModelProto, rng: random.Random) -> None:
        message, field = _pick_field(model, rng)
        if field is None:
            return
        if _is_repeated(field):
            self._change_repeated(message, field, rng)
        elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            self._replace_message(message, field, rng)
        else:
            old = getattr(message, field.name)
            setattr(message, field.name, self._scalar(field, old, rng))

    def _change_repeated(self, message: Message, field: FieldDescriptor, rng: random.Random) -> None:
        items = getattr(message, field.name)
        action = rng.choice(("delete", "duplicate", "swap", "change", "change", "insert"))
        is_message = field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE
        index = rng.randrange(len(items)) if len(items) else 0
        if action in ("delete", "swap", "change") and not len(items):
            return
        if action == "delete":
            del items[index]
        elif action == "swap":
            other = rng.randrange(len(items))
            values = list(items)
            values[index], values[other] = values[other], values[index]
            values = [_copy(value) for value in values] if is_message else values
            del items[:]
            items.extend(values)
        elif is_message:
            source = _copy(items[index]) if action == "duplicate" and len(items) else self._borrow(field, rng)
            if source is not None:
                items.add().CopyFrom(source)
        elif action == "change":
            items[index] = self._scalar(field, items[index], rng)
        else:
            items.append(self._scalar(field, items[index] if len(items) else None, rng))

    def _replace_message(self, message: Message, field: FieldDescriptor, rng: random.Random) -> None:
        source = None if rng.random() < 0.3 else self._borrow(field, rng)
        if source is None:
            message.ClearField(field.name)
        else:
            getattr(message, field.name).CopyFrom(source)

    def _borrow(self, field: FieldDescriptor, rng: random.Random) -> Message | None:
        """Return a message of the field's type from somewhere in the corpus."""
        for _ in range(4):
            for message in _walk(rng.choice(self._corpus), rng):
                if message.DESCRIPTOR.full_name == field.message_type.full_name:
                    return _copy(message)
        return None

    def _scalar(self, field: FieldDescriptor, old: Any, rng: random.Random) -> Any:
        kind = field.cpp_type
        if kind == FieldDescriptor.CPPTYPE_ENUM:
            return rng.choice(field.enum_type.values).number
        if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
            return rng.choice(_FLOATS)
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return not old
        if kind == FieldDescriptor.CPPTYPE_STRING:
            return self._text(field, old, rng)
        low, high = _BOUNDS[kind]
        near = (old or 0) + rng.choice((-1, 1)) if rng.random() < 0.4 else rng.choice(_INTEGERS)
        return min(high, max(low, near))

    def _text(self, field: FieldDescriptor, old: Any, rng: random.Random) -> Any:
        if field.name in ("raw_data",):
            return _mutate_values(old or b"", rng)
        text = rng.choice(self._op_types) if field.name == "op_type" else rng.choice(_STRINGS)
        if field.name in ("input", "output", "name", "dim_param") and rng.random() < 0.7:
            node = rng.choice(rng.choice(self._corpus).graph.node)
            text = rng.choice([*node.input, *node.output])
        return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    """Truncate, overwrite, remove or repeat bytes."""
    content = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(content) + 1)
        action = rng.choice(("cut", "write", "remove", "repeat"))
        if action == "cut" and rng.random() < 0.3:
            del content[place:]
        elif action == "write" and place < len(content):
            content[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif action == "remove":
            del content[place : place + rng.randint(1, 8)]
        elif action == "repeat":
            content[place:place] = content[place : place + rng.randint(1, 16)]
    return bytes(content)


def _mutate_values(data: bytes, rng: random.Random) -> bytes:
    action = rng.choice(("shorten", "lengthen", "float", "integer"))
    if action == "shorten":
        return data[: rng.randrange(len(data) + 1)]
    if action == "lengthen":
        return data + bytes(rng.randint(1, 16))
    value = (
        np.float32(rng.choice(_FLOATS)).tobytes()
        if action == "float"
        else rng.choice(_INTEGERS).to_bytes(8, "little", signed=True)
    )
    place = rng.randrange(max(1, len(data) // len(value))) * len(value)
    return data[:place] + value + data[place + len(value) :]


def _is_repeated(field: FieldDescriptor) -> bool:
    return bool(field.is_repeated) if hasattr(field, "is_repeated") else field.label == FieldDescriptor.LABEL_REPEATED


def _copy(message: Message) -> Message:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _pick_field(model: Message, rng: random.Random) -> tuple[Message, FieldDescriptor | None]:
    """Walk down from the model, a random child at a time; favour what is set, the graph above all."""
    message = model
    for _ in range(_MAX_DEPTH):
        present = [field for field, _ in message.ListFields()]
        children = [field for field in present if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE]
        if children and rng.random() < 0.85:
            field = rng.choice(
                [*children, *(child for child in children if child.name in ("graph", "node", "initializer"))]
            )
            value = getattr(message, field.name)
            message = rng.choice(value) if _is_repeated(field) else value
            continue
        fields = present if present and rng.random() < 0.85 else list(message.DESCRIPTOR.fields)
        return message, rng.choice(fields) if fields else None
    return message, None


def _walk(model: Message, rng: random.Random) -> list[Message]:
    """Return a random path of messages from a model down to a leaf, the deepest first."""
    path = [model]
    for _ in range(_MAX_DEPTH):
        children = [field for field, _ in path[-1].ListFields() if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE]
        if not children:
            break
        field = rng.choice(children)
        value = getattr(path[-1], field.name)
        path.append(rng.choice(value) if _is_repeated(field) else value)
    return path[::-1]
