"""OnnxNetwork: the network of an ONNX file as a module to fine-tune, and the way back into ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from ..errors import ModelError
from ..learning.graph_module import GraphModule
from ..thresholds import ThresholdSet

if TYPE_CHECKING:
    from ..onnx import ThresholdedModel
    from ..onnx.load import ModelSource


class OnnxNetwork(GraphModule):
    """A model's network with one input and its first output, made by :func:`from_onnx`.

    Batch normalisation is folded into the weights, as in the engine, so learning rates suit that are smaller than
    those of the training it came from.
    """

    def __init__(self, model: ModelSource) -> None:
        from ..onnx import load_model

        self._model = load_model(model)
        super().__init__(self._model)
        if len(self.inputs) != 1:
            raise ModelError(f"the model has {len(self.inputs)} inputs {list(self.inputs)}; fine-tuning feeds one")

    def forward(self, *inputs: Tensor) -> Tensor:  # type: ignore[override]
        """Return the first output.

        Args:
            inputs: float32, the model's only input.
        """
        return super().forward(*inputs)[0]

    def set_thresholds(self, thresholds: ThresholdSet) -> None:
        """Give activations thresholds, by their names in the model.

        Raises:
            RecipeError: If the model has no such activation, or another number of channels.
        """
        for name, value in thresholds.thresholds.items():
            self.rectifier(name).set_threshold(value)

    def to_onnx(self) -> ThresholdedModel:
        """Return the model with the present weights and thresholds, in standard ONNX; ``.save(path)`` writes it."""
        from ..onnx import replace_weights

        return replace_weights(self._model, self.layer_weights(), ThresholdSet(self.thresholds()))


def from_onnx(model: ModelSource) -> OnnxNetwork:
    """Return the network of an ONNX model, to be fine-tuned: its rectifiers are FATReLUs already.

    Args:
        model: ONNX file, its content, or a loaded model, with one input.

    Raises:
        ModelError: If it cannot be read, or has several inputs.

    Example:
        >>> network = from_onnx("model.onnx")  # doctest: +SKIP
        >>> finetune(network, loader, Recipe(learning_rate=1e-3, distillation=1.0))  # doctest: +SKIP
        >>> network.to_onnx().save("model.fatrelu.onnx")  # doctest: +SKIP
    """
    return OnnxNetwork(model)
