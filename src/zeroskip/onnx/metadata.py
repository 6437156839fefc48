"""What a model file says of itself besides its graph: thresholds, preprocessing, names of classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import onnx_ir as ir

THRESHOLDS_KEY = "zeroskip.thresholds"
"""Key of ``metadata_props`` under which a model says which thresholds were written into it, as JSON."""
PREPROCESS_KEY = "zeroskip.preprocess"
"""The same for how pixels become its input, the fields of ``zeroskip.data.Preprocess`` as JSON."""
NAMES_KEY = "names"
"""Under which some exporters write class names by index."""


def state_thresholds(model: ir.Model, values: Mapping[str, Any]) -> None:
    """Write into a model which thresholds it has, and the preprocessing of the data they were found on.

    Args:
        model: Changed in place.
        values: The set as plain values, provenance included.
    """
    model.metadata_props[THRESHOLDS_KEY] = json.dumps(values, sort_keys=True)
    provenance = values.get("provenance")
    preprocess = provenance.get("preprocess") if isinstance(provenance, Mapping) else None
    if isinstance(preprocess, Mapping):
        state_preprocess(model, preprocess)


def state_preprocess(model: ir.Model, values: Mapping[str, Any]) -> None:
    """Write into a model how pixels become its input.

    Args:
        model: Changed in place.
        values: The recipe as plain values.
    """
    model.metadata_props[PREPROCESS_KEY] = json.dumps(dict(values), sort_keys=True)
