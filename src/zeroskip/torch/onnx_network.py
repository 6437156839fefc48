"""OnnxNetwork: the network of an ONNX file as a module to fine-tune, and the way back into ONNX."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import DataError, ModelError
from ..learning.graph_module import GraphModule, GraphNode, Rectify
from ..onnx import LayerWeights
from ..thresholds import ThresholdSet

if TYPE_CHECKING:
    from ..onnx import ThresholdedModel
    from ..onnx.load import ModelSource

_LENGTH = 2.0
"""Of the weights of one output channel. Those of a trained ResNet-20 are 1.6 to 1.9 long on average."""


class OnnxNetwork(GraphModule):
    """A model's network with one input and its first output, made by :func:`from_onnx`.

    Batch normalisation is folded into the weights, as in the engine. Weights without it stand small learning rates
    only; :meth:`add_batch_norm` puts it back for the training.

    Attributes:
        norms: Batch normalisation behind convolutions, under names made of theirs; empty before
            :meth:`add_batch_norm`.
    """

    def __init__(self, model: ModelSource) -> None:
        from ..onnx import load_model

        self._model = load_model(model)
        super().__init__(self._model)
        self.norms = nn.ModuleDict()
        self._seen: dict[str, _Moments] | None = None
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

    def add_batch_norm(self, inputs: Iterable[Tensor]) -> None:
        """Put batch normalisation behind convolutions, so that learning rates may be those of networks that have it.

        Its scale and shift are the spread and the mean of what the convolutions give on real inputs, and weights get
        the scale that training gives them behind one, by which their steps count. Nothing that the network computes
        changes; :meth:`to_onnx` folds it again. Convolutions that share weights, and those whose maps have
        one pixel, get none.

        Args:
            inputs: float32 batches of the model's only input, a hundred inputs or more in all.

        Raises:
            DataError: If there are none.
        """
        self.set_layers(self.layer_weights())  # folds what is there
        self._seen = {}
        try:
            with torch.no_grad():
                for batch in inputs:
                    self(batch)
            seen = self._seen
        finally:
            self._seen = None
        if not seen:
            raise DataError("batch normalisation is made from real inputs of convolutions: there were none")
        owners = Counter(id(self.layer(name)[0]) for name in self.layer_names)
        for name, moments in seen.items():
            if owners[id(self.layer(name)[0])] == 1 and not moments.has_single_pixels:
                self.norms[self._keys[name]] = _norm(moments, *self.layer(name))

    def layer_weights(self) -> dict[str, LayerWeights]:
        """Return the present weights by layer, batch normalisation folded in."""
        return {name: self._folded(name, item) for name, item in super().layer_weights().items()}

    def set_layers(self, layers: Mapping[str, LayerWeights]) -> None:
        """Give layers the weights that :meth:`layer_weights` returned; those layers have no normalisation any more."""
        for name in layers:
            if self._keys.get(name, "") in self.norms:
                del self.norms[self._keys[name]]
        super().set_layers(layers)

    def duplicate(self) -> OnnxNetwork:
        """Return a copy with weights, thresholds and normalisation of its own; the graph is shared."""
        twin = super().duplicate()
        assert isinstance(twin, OnnxNetwork)
        twin.norms = copy.deepcopy(self.norms)
        return twin

    def to_onnx(self) -> ThresholdedModel:
        """Return the model with the present weights and thresholds, in standard ONNX; ``.save(path)`` writes it."""
        from ..onnx import replace_weights

        return replace_weights(self._model, self.layer_weights(), ThresholdSet(self.thresholds()))

    def _carry_out(self, node: GraphNode, arguments: Sequence[Tensor | None], rectify: Rectify | None) -> Any:
        result = super()._carry_out(node, arguments, rectify)
        if node.op_type != "Conv" or node.name not in self._keys:
            return result
        if self._seen is not None:
            self._seen.setdefault(node.name, _Moments(result.shape[1])).add(result)
        key = self._keys[node.name]
        return self.norms[key](result) if key in self.norms else result

    def _folded(self, name: str, layer: LayerWeights) -> LayerWeights:
        key = self._keys[name]
        if key not in self.norms:
            return layer
        norm = self.norms[key]
        assert isinstance(norm, _BatchNorm)
        scale, shift = norm.folded()
        weight = layer.weight * scale.reshape(-1, *(1,) * (layer.weight.ndim - 1))
        return LayerWeights(np.asarray(weight, np.float32), np.asarray(layer.bias * scale + shift, np.float32))


class _BatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation of maps of any number of axes ``[N, C, ...]``."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Take any."""

    def folded(self) -> tuple[Any, Any]:
        """Return what it multiplies by and adds in evaluation, float64 ``[C]`` each."""
        assert self.running_mean is not None
        assert self.running_var is not None
        scale = self.weight.detach().double() / (self.running_var.double() + self.eps).sqrt()
        return scale.numpy(), (self.bias.detach().double() - self.running_mean.double() * scale).numpy()


class _Moments:
    """Mean and variance by channel of the maps of one convolution.

    Args:
        channels: Their number.
    """

    def __init__(self, channels: int) -> None:
        self._sums = torch.zeros(2, channels, dtype=torch.float64)
        self._count = 0
        self.has_single_pixels = True

    def add(self, maps: Tensor) -> None:
        rows = maps.double().movedim(1, 0).flatten(1)
        self._sums += torch.stack([rows.sum(dim=1), rows.square().sum(dim=1)])
        self._count += rows.shape[1]
        self.has_single_pixels = self.has_single_pixels and maps[0, 0].numel() == 1

    @property
    def mean(self) -> Tensor:
        return self._sums[0] / self._count

    @property
    def variance(self) -> Tensor:
        return (self._sums[1] / self._count - self.mean.square()).clamp(min=0.0)


def _norm(moments: _Moments, weight: Tensor, bias: Tensor) -> _BatchNorm:
    """Scale a layer's weights, and return the normalisation behind them that takes it back."""
    norm = _BatchNorm(len(moments.mean))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        lengths = weight.flatten(1).norm(dim=1)
        factors = torch.where(lengths > 0.0, _LENGTH / lengths, torch.ones_like(lengths))
        weight.mul_(factors.reshape(-1, *(1,) * (weight.ndim - 1)))
        bias.mul_(factors)
        norm.running_mean.copy_(factors * moments.mean)
        norm.running_var.copy_(factors.square() * moments.variance)
        norm.weight.copy_((norm.running_var + norm.eps).sqrt() / factors)
        norm.bias.copy_(moments.mean)
    return norm.eval()


def from_onnx(model: ModelSource) -> OnnxNetwork:
    """Return the network of an ONNX model, to be fine-tuned: its rectifiers are FATReLUs already.

    Args:
        model: ONNX file, its content, or a loaded model, with one input.

    Raises:
        ModelError: If it cannot be read, or has several inputs.

    Example:
        >>> network = from_onnx("model.onnx")  # doctest: +SKIP
        >>> network.add_batch_norm(images for images, _ in loader)  # doctest: +SKIP
        >>> finetune(network, loader, Recipe(distillation=1.0))  # doctest: +SKIP
        >>> network.to_onnx().save("model.fatrelu.onnx")  # doctest: +SKIP
    """
    return OnnxNetwork(model)
