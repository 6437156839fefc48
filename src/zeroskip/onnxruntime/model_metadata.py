"""ModelMetadata: what a model says about itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

_NO_VERSION = (1 << 63) - 1


@dataclass(frozen=True)
class ModelMetadata:
    """What a model says about itself, under ONNX Runtime's names.

    Args:
        producer_name: Tool that made it.
        graph_name: Name of the graph.
        domain: Domain of the model.
        description: Its documentation.
        graph_description: Documentation of the graph.
        version: Of the model; the largest int64 where it has none.
        custom_metadata_map: Its own keys and texts.
    """

    producer_name: str = ""
    graph_name: str = ""
    domain: str = ""
    description: str = ""
    graph_description: str = ""
    version: int = _NO_VERSION
    custom_metadata_map: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, model: ir.Model) -> ModelMetadata:
        """Read it from a model."""
        return cls(
            model.producer_name or "",
            model.graph.name or "",
            model.domain or "",
            model.doc_string or "",
            model.graph.doc_string or "",
            _NO_VERSION if model.model_version is None else model.model_version,
            dict(model.metadata_props),
        )
