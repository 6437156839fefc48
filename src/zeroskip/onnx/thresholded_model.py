"""Writing thresholds into a model: standard ONNX in, standard ONNX out, any runtime computes the same.

One threshold is carried by ThresholdedRelu, one per channel by Greater and Where; an upper clip (ReLU6) stays
a Clip behind it. Nothing else of the model is touched, apart from raising its opset to one that has these
operators.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..errors import ModelError, RecipeError
from ..short_repr import shorten
from .activation import Activation, activations
from .branches import add_branches, is_branch
from .canonical.inference import infer
from .canonical.thresholds import match
from .load import ModelSource, load_model
from .metadata import state_thresholds
from .opset import TARGET_OPSET, raise_opset
from .rewriting import flat_copy, fresh_name, owner, sweep
from .save import save_model, to_bytes
from .standard_form import along_axis, write_fat_relu
from .values import ZEROSKIP_DOMAIN, is_op

_logger = logging.getLogger(__name__)

_CARRIER_OPSET = 10
"""First opset of the default domain with ThresholdedRelu."""


class Thresholds(Protocol):
    """What is needed of a :class:`zeroskip.ThresholdSet`."""

    @property
    def thresholds(self) -> Mapping[str, float | NDArray[np.float32]]:
        """Activation name to one threshold, or one per channel."""

    @property
    def corrected_layers(self) -> int:
        """Layers whose weights were corrected for the thresholds; the set does not hold them."""

    def to_dict(self) -> dict[str, Any]:
        """Return the set as plain values, provenance included."""


@dataclass(frozen=True, repr=False)
class ThresholdedModel:
    """A model with thresholds written into it.

    Args:
        model: Standard ONNX.
    """

    model: ir.Model

    def __repr__(self) -> str:
        return f"ThresholdedModel({shorten(self.model.graph.name)}, {len(self.model.graph)} nodes)"

    def to_bytes(self) -> bytes:
        """Return the content of the ONNX file.

        Raises:
            ModelError: If the model is too large for one file.
        """
        return to_bytes(self.model)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the ONNX file; it appears whole or not at all.

        Args:
            path: File to create or replace.

        Raises:
            ModelError: If the model is too large for one file.
            OSError: If the file cannot be written.
        """
        save_model(self.model, path)


def apply(model: ModelSource, thresholds: Thresholds) -> ThresholdedModel:
    """Write thresholds into a model. Logs a warning if they were found together with corrected weights.

    Args:
        model: Path of an ONNX file, its content, or a model object; not changed.
        thresholds: Thresholds by activation name.

    Returns:
        The new model, to be saved with ``.save(path)``.

    Raises:
        ModelError: If the model cannot be read.
        RecipeError: If a threshold names no activation of the model, or has another number of channels.

    Example:
        ``zs.apply("model.onnx", zs.ThresholdSet({"relu1": 0.25})).save("model.fatrelu.onnx")``
    """
    if thresholds.corrected_layers:
        _logger.warning(
            "the thresholds were found together with corrected weights of %d layers, which are not in the set: "
            "without them they lose more; CalibrationResult.apply and calibrate --model-output write both",
            thresholds.corrected_layers,
        )
    return ThresholdedModel(apply_thresholds(load_model(model), thresholds))


def apply_thresholds(model: ir.Model, thresholds: Thresholds) -> ir.Model:
    """Return a copy of a model in which the named activations are FATReLUs with the given thresholds.

    A threshold of 0 leaves its activation as it is. A branch that a threshold names and the model has not is
    made (see ``branching``). Where an activation has a threshold already, the new one
    replaces it. The result has IR version 10 and opset 20, or keeps its own opset where an operator means
    something else there.

    Args:
        model: Standard ONNX, as returned by ``load_model``; not changed. Tensors are shared.
        thresholds: Thresholds by activation name.

    Raises:
        RecipeError: If a threshold names no activation of the model, or has another number of channels.
        ModelError: If the model is malformed, or of an opset without ThresholdedRelu that cannot be raised.
    """
    if ZEROSKIP_DOMAIN in model.opset_imports:
        raise ModelError("thresholds are written into a model as it was loaded, not into its canonical form")
    wanted = thresholds.thresholds
    model = with_branches(model, wanted)
    known = {activation.name: activation for activation in activations(model)}
    _check_names(wanted, known)
    changed = _raised_copy(model)
    producers = {output.name: node for node in changed.graph for output in node.outputs}
    for name, value in wanted.items():
        threshold = np.asarray(value, dtype=np.float32)
        if threshold.any():
            _write(producers[name], known[name], threshold)
    sweep(changed.graph)
    state_thresholds(changed, thresholds.to_dict())
    return changed


def with_branches(model: ir.Model, names: Collection[str]) -> ir.Model:
    """Return the model with those branches that are named."""
    wanted = {name for name in names if is_branch(name)}
    return add_branches(model, wanted) if wanted else model


def _check_names(wanted: Mapping[str, float | NDArray[np.float32]], known: Mapping[str, Activation]) -> None:
    if missing := sorted(set(wanted) - set(known)):
        names = ", ".join(f"'{name}'" for name in known) or "none"
        raise RecipeError(f"thresholds name {missing}, which are no activations of the model. It has: {names}")
    for name, value in wanted.items():
        size, channels = np.size(value), known[name].channels
        if np.ndim(value) and channels is not None and size != channels:
            raise RecipeError(f"thresholds of '{name}' are {size} numbers, but it has {channels} channels")


def _raised_copy(model: ir.Model) -> ir.Model:
    raised = flat_copy(model)
    if raise_opset(raised):
        # Something of it has another meaning in the newer opset: better an older file than a wrong one.
        raised = flat_copy(model)
        version = raised.opset_imports.get("", 0)
        if not _CARRIER_OPSET <= version <= TARGET_OPSET + 2:
            raise ModelError(
                f"a model of opset {version} with these operators cannot carry thresholds; export it again"
            )
    raised.ir_version = 10
    return raised


def _write(node: ir.Node, activation: Activation, threshold: NDArray[np.float32]) -> None:
    spelling = match(node)
    if spelling is None:  # its parts may be constants only after folding
        infer(owner(node))
        spelling = match(node)
    if threshold.ndim and activation.rank is None:
        raise RecipeError(f"activation '{activation.name}' has a rank that is not known: give it one threshold only")
    if threshold.ndim:
        threshold = along_axis(threshold, activation.channel_axis, activation.rank or 0)
    if spelling is None:
        _rectify_quantized(node, activation, threshold)
    else:
        write_fat_relu(node, spelling.x, threshold, spelling.max_value)


def _rectify_quantized(node: ir.Node, activation: Activation, threshold: NDArray[np.float32]) -> None:
    """Put a rectifier in front of the quantiser that cuts off what is below 0 and so was the only one."""
    found = [value for value in node.outputs if value.name == activation.name]
    uses = [use for value in found for use in value.uses() if use.idx == 0]
    readers = [use.node for use in uses if is_op(use.node, "QuantizeLinear")]
    if not readers:
        raise ModelError(f"activation '{activation.name}' is computed in a way that thresholds cannot be written into")
    rectifier = ir.Node("", "Relu", [found[0]])
    owner(node).insert_after(node, rectifier)
    rectifier.outputs[0].name = fresh_name(owner(node), f"{activation.name}.rectified")
    rectifier.outputs[0].type = found[0].type
    for reader in readers:
        reader.replace_input_with(0, rectifier.outputs[0])
    write_fat_relu(rectifier, found[0], threshold)
