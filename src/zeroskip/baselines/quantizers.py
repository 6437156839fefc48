"""Models that other engines run in int8, each quantised by its own tool from the same inputs.

ONNX Runtime by ``quantize_static``, OpenVINO by NNCF; without NNCF OpenVINO gets the former's model, and says so. Both
write standard QDQ, u8 activations and s8 weights per output channel, as their documentation recommends for CPUs.
"""

from __future__ import annotations

import importlib.util
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import EngineError

Feeds = Sequence[Mapping[str, NDArray[Any]]]

ONNXRUNTIME_TOOL = "quantised by onnxruntime.quantization"
NNCF_TOOL = "quantised by NNCF"
_OPSET_WITH_AXES = 13


def quantize_for(engine: str, model: bytes, feeds: Feeds) -> tuple[bytes, str]:
    """Return a model quantised for another engine, and by what.

    Args:
        engine: ``"onnxruntime"`` or ``"openvino"``.
        model: Float32 ONNX.
        feeds: Inputs by name, batch by batch, that scales are taken from.

    Raises:
        EngineError: If the tool is not installed, or fails.
    """
    has_nncf = importlib.util.find_spec("nncf") is not None
    tool = NNCF_TOOL if engine == "openvino" and has_nncf else ONNXRUNTIME_TOOL
    if tool == ONNXRUNTIME_TOOL and importlib.util.find_spec("onnxruntime") is None:
        raise EngineError(f"'{engine}:int8' needs a quantiser: pip install onnxruntime, or nncf for openvino")
    try:
        model = _with_axes(model)
        made = _by_nncf(model, feeds) if tool == NNCF_TOOL else _by_onnxruntime(model, feeds)
    except Exception as error:  # tools of others raise anything
        raise EngineError(f"'{engine}:int8' could not be {tool}: {error}") from error
    return made, tool


def _with_axes(model: bytes) -> bytes:
    """Return the model in an opset whose scales may be per channel: tools write such into any, and it does not load."""
    import onnx
    from onnx import version_converter

    loaded = onnx.load_model_from_string(model)
    opset = max((item.version for item in loaded.opset_import if item.domain in ("", "ai.onnx")), default=0)
    if opset >= _OPSET_WITH_AXES:
        return model
    content: bytes = version_converter.convert_version(loaded, _OPSET_WITH_AXES).SerializeToString()
    return content


def _by_onnxruntime(model: bytes, feeds: Feeds) -> bytes:
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._feeds: Iterator[Mapping[str, NDArray[Any]]] = iter(feeds)

        def get_next(self) -> Any:
            return next(self._feeds, None)

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it logs to the root, and would have the model preprocessed
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, result = Path(folder) / "model.onnx", Path(folder) / "quantised.onnx"
            source.write_bytes(model)
            quantization.quantize_static(
                source,
                result,
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                per_channel=True,
            )
            return result.read_bytes()
    finally:
        root.setLevel(level)


def _by_nncf(model: bytes, feeds: Feeds) -> bytes:
    import nncf
    import onnx

    loaded = onnx.load_model_from_string(model)
    quantized = nncf.quantize(loaded, nncf.Dataset(list(feeds)), subset_size=len(feeds))
    content: bytes = quantized.SerializeToString()
    return content
