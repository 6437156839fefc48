"""PyTorch modules on the engine: by hand with :func:`compile`, or as a backend of ``torch.compile``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn

from ..errors import EngineError, ShapeError, ZeroskipError
from .export import to_onnx

if TYPE_CHECKING:
    from ..engine import SessionOptions

_LOGGER = logging.getLogger("zeroskip.torch")

Compiled = Callable[..., Any]


def compile(
    model: nn.Module, example_inputs: Tensor | Sequence[Tensor], *, options: SessionOptions | None = None
) -> CompiledModule:
    """Return a module that computes a model's evaluation mode on the engine, for float32 tensors on the CPU.

    The weights are those of now; later changes of ``model`` are not seen.

    Args:
        model: With FATReLUs or ReLUs.
        example_inputs: One tensor, or one per input; the first dimension may differ later.
        options: Of the engine.

    Raises:
        ModelError: If torch cannot export the model, or the engine cannot run it; all operators that it lacks are
            named at once.

    Example:
        >>> fast = zeroskip.torch.compile(model, torch.zeros(1, 3, 224, 224))  # doctest: +SKIP
        >>> logits = fast(images)  # doctest: +SKIP
    """
    inputs = (example_inputs,) if isinstance(example_inputs, Tensor) else tuple(example_inputs)
    return CompiledModule(_to_bytes(model, inputs, dynamic_batch=True), options)


class CompiledModule(nn.Module):
    """A model on the engine that is called like the module it came from.

    Args:
        model: Content of an ONNX file.
        options: Of the engine.

    Attributes:
        session: The :class:`zeroskip.InferenceSession`, for ``explain`` and ``profile``.
    """

    def __init__(self, model: bytes, options: SessionOptions | None = None) -> None:
        from ..engine import InferenceSession

        super().__init__()
        self.session = InferenceSession(model, options)
        self._inputs = [item.name for item in self.session.get_inputs()]

    @torch.no_grad()
    def forward(self, *inputs: Tensor) -> Any:
        """Return the output tensor, or a tuple of them.

        Raises:
            EngineError: If an input needs a gradient: the engine has none.
            ShapeError: If inputs do not fit the model.
        """
        if len(inputs) != len(self._inputs):
            raise ShapeError(f"got {len(inputs)} inputs, the model has {len(self._inputs)}: {self._inputs}")
        if any(x.requires_grad for x in inputs):
            raise EngineError("an input requires a gradient, but zeroskip only infers: use torch.inference_mode()")
        outputs = self.run(inputs)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return the outputs as a list."""
        feed = {name: x.detach().contiguous().numpy() for name, x in zip(self._inputs, inputs, strict=True)}
        return [torch.from_numpy(output) for output in self.session.run(None, feed)]


def zeroskip_backend(module: fx.GraphModule, example_inputs: list[Tensor], **options: Any) -> Compiled:
    """Compile a graph of ``torch.compile(model, backend="zeroskip")``, for inference.

    Weights are taken as they are at the first call, and again whenever torch has changed them. A graph that cannot be
    exported or run is left to PyTorch, with a warning that says why.

    Args:
        module: The graph that TorchDynamo captured.
        example_inputs: Its inputs, parameters among them.
        **options: Fields of :class:`zeroskip.SessionOptions`, given as ``torch.compile(..., options={...})``;
            ``fallback`` is ``"error"`` by default, for PyTorch is the fallback.

    Returns:
        A function of the same inputs that returns a tuple of tensors.
    """
    from ..engine import SessionOptions

    given = {"fallback": "error"} | (options.get("options") or {})
    return _Lazy(module, SessionOptions(**given))


class _Lazy:
    """A captured graph that is put on the engine when it is first called, and again when its weights have changed."""

    def __init__(self, module: fx.GraphModule, options: SessionOptions) -> None:
        self._module = module
        self._options = options
        self._is_weight = [_is_weight(node) for node in module.graph.find_nodes(op="placeholder")]
        self._compiled: CompiledModule | None = None
        self._state: tuple[tuple[int, int], ...] | None = None
        self._is_given_up = False

    def __call__(self, *inputs: Any) -> Any:
        if self._is_given_up:
            return self._module(*inputs)
        weights = [x for x, is_weight in zip(inputs, self._is_weight, strict=True) if is_weight]
        others = [x for x, is_weight in zip(inputs, self._is_weight, strict=True) if not is_weight]
        reason = _refusal(weights, others)
        state = tuple((x.data_ptr(), x._version) for x in weights) if reason is None else None
        if reason is None and (self._compiled is None or state != self._state):
            reason = self._compile(inputs, others)
            self._state = state
        if reason is not None or self._compiled is None:
            _LOGGER.warning("a graph is left to PyTorch: %s", reason)
            self._is_given_up = True
            return self._module(*inputs)
        return tuple(self._compiled.run(others))

    def _compile(self, inputs: Sequence[Any], others: Sequence[Tensor]) -> str | None:
        """Put the graph on the engine; return why that cannot be done, if so."""
        bound = _Bound(self._module, [x if w else None for x, w in zip(inputs, self._is_weight, strict=True)])
        try:
            content = _to_bytes(bound, tuple(others), dynamic_batch=False)
            self._compiled = CompiledModule(content, self._options)
        except ZeroskipError as error:
            return str(error)
        return None


class _Bound(nn.Module):
    """A graph whose weights are put in place, so that the export sees constants."""

    def __init__(self, module: fx.GraphModule, weights: Sequence[Tensor | None]) -> None:
        super().__init__()
        self._module = module
        self._places = [number for number, weight in enumerate(weights) if weight is not None]
        self._count = len(weights)
        for number in self._places:
            self.register_buffer(f"weight{number}", weights[number].detach())  # type: ignore[union-attr]

    def forward(self, *inputs: Tensor) -> Any:
        rest = iter(inputs)
        places = set(self._places)
        every = [getattr(self, f"weight{i}") if i in places else next(rest) for i in range(self._count)]
        return self._module(*every)


def _is_weight(node: fx.Node) -> bool:
    """Say whether a placeholder stands for a parameter or buffer of the user's module."""
    example = node.meta.get("example_value", node.meta.get("val"))
    if isinstance(example, nn.Parameter):
        return True
    source = getattr(node, "_dynamo_source", None)
    guarded = source.name if source is not None else ""
    name = guarded() if callable(guarded) else str(guarded)
    return "_parameters[" in name or "_buffers[" in name


def _refusal(weights: Sequence[Any], others: Sequence[Any]) -> str | None:
    if torch.is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in (*weights, *others)):
        return "gradients are needed, and zeroskip only infers: call it under torch.inference_mode()"
    if not all(isinstance(x, Tensor) and x.dtype == torch.float32 and x.device.type == "cpu" for x in others):
        return "its inputs are not all float32 tensors on the CPU"
    return None


def _to_bytes(model: nn.Module, inputs: tuple[Tensor, ...], *, dynamic_batch: bool) -> bytes:
    from ..onnx import to_bytes

    return to_bytes(to_onnx(model, inputs, dynamic_batch=dynamic_batch))
