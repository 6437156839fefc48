"""zeroskip as a backend of the onnx package (``onnx.backend.base``), which conformance tests are written for.

Example::

    import zeroskip.conformance.backend as backend
    (y,) = backend.prepare(onnx.load("model.onnx")).run([x])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
from onnx.backend.base import Backend, BackendRep, Device, DeviceType, namedtupledict

from ..engine import InferenceSession, SessionOptions
from ..errors import UnsupportedOperatorError

_IR_VERSION = 10


class ZeroskipRep(BackendRep):
    """A model ready to run.

    Args:
        session: The session that runs it.
    """

    def __init__(self, session: InferenceSession) -> None:
        self.session = session

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return the outputs as a named tuple.

        Args:
            inputs: A list of arrays in the order of the graph's inputs, a mapping of names to arrays, or the
                array of the only input.
            kwargs: None is known.
        """
        names = [item.name for item in self.session.get_inputs()]
        if not isinstance(inputs, dict):
            given = inputs if isinstance(inputs, list | tuple) else [inputs]
            inputs = dict(zip(names, given, strict=False))
        outputs = self.session.run(None, inputs)
        fields = [item.name for item in self.session.get_outputs()]
        result: tuple[Any, ...] = namedtupledict("Outputs", fields)(*outputs)
        return result


class ZeroskipBackend(Backend):
    """Runs ONNX models on the CPU, natively where that is supported and in ONNX Runtime elsewhere."""

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Return whether a model can be run natively as a whole."""
        try:
            InferenceSession(model, SessionOptions(**{**kwargs, "fallback": "error"}))
        except UnsupportedOperatorError:
            return False
        return cls.supports_device(device)

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> ZeroskipRep:
        """Return a model ready to run.

        Args:
            model: The model; it is checked.
            device: ``"CPU"``.
            kwargs: Fields of ``SessionOptions``.

        Raises:
            ValueError: If the device is another.
            ZeroskipError: If the model cannot be run.
        """
        if not cls.supports_device(device):
            raise ValueError(f"device '{device}' is not supported, only CPU")
        return ZeroskipRep(InferenceSession(model, SessionOptions(**kwargs)))

    @classmethod
    def run_model(cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[Any, ...]:
        """Run a model once; as :meth:`prepare` and :meth:`ZeroskipRep.run`."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[Any, tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Run a node once.

        Args:
            node: The node.
            inputs: Arrays, one per input that is not left out.
            device: ``"CPU"``.
            outputs_info: Dtype and shape of every output; without it they are float32 of any shape.
            kwargs: ``opset_version``, by default the newest that both onnx and ONNX Runtime know; further ones are
                fields of ``SessionOptions``.
        """
        version = kwargs.pop("opset_version", min(onnx.defs.onnx_opset_version(), 25))
        names = [name for name in node.input if name]
        arguments = [
            onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in zip(names, inputs, strict=True)
        ]
        unknown: tuple[Any, Any] = (None, None)
        infos = outputs_info or [unknown] * len(node.output)
        results = [
            onnx.helper.make_tensor_value_info(
                name, onnx.TensorProto.FLOAT if dtype is None else onnx.helper.np_dtype_to_tensor_dtype(dtype), shape
            )
            for name, (dtype, shape) in zip(node.output, infos, strict=True)
            if name
        ]
        graph = onnx.helper.make_graph([node], "node", arguments, results)
        opsets = [onnx.helper.make_opsetid(node.domain, version)]
        model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        return cls.run_model(model, inputs, device, **kwargs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Return whether a device, such as ``"CPU"`` or ``"CUDA:1"``, is a CPU."""
        return bool(Device(device).type == DeviceType.CPU)


is_compatible = ZeroskipBackend.is_compatible
prepare = ZeroskipBackend.prepare
run_model = ZeroskipBackend.run_model
run_node = ZeroskipBackend.run_node
supports_device = ZeroskipBackend.supports_device
