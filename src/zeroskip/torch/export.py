"""From a trained module to standard ONNX whose activations bear the names of the modules they came from."""

from __future__ import annotations

import copy
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

from ..errors import ModelError
from ..learning.fatrelu import FATReLU
from ..thresholds import ThresholdSet
from .scopes import name_values
from .wrappers import innermost, unwrap

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..data import Preprocess

_LOGGER = logging.getLogger("zeroskip.torch")
_OPSET = 20


def export(
    model: nn.Module,
    example_inputs: Tensor | Sequence[Tensor],
    path: str | os.PathLike[str],
    *,
    dynamic_batch: bool = True,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    preprocess: Preprocess | None = None,
) -> None:
    """Write a model as standard ONNX, FATReLUs as ThresholdedRelu (Greater and Where per channel).

    The output of each FATReLU bears the module's path as its name, that of each ReLU the path that its FATReLU would
    have (see :func:`replace_relu`), and layers are called like their modules. So thresholds, profiles and explanations
    of the file speak of the modules, and :func:`from_thresholds` finds its way back.

    Args:
        model: Exported as in evaluation mode; not changed. What ``torch.compile``, ``DataParallel`` or
            ``AveragedModel`` put around it is left out; bfloat16, half and double become float32, with a warning.
        example_inputs: One tensor, or one per input.
        path: File to create or replace; it appears whole or not at all.
        dynamic_batch: Whether the first dimension of every input is left open.
        input_names: Names in the file; by default those of ``forward``'s parameters.
        output_names: Names in the file.
        preprocess: How pixels become the model's input; the file states it, and commands that read it need no flags.

    Raises:
        ModelError: If torch cannot export the model; the message says why.
        OSError: If the file cannot be written.

    Example:
        >>> export(model, torch.zeros(1, 3, 224, 224), "model.onnx")  # doctest: +SKIP
    """
    from ..onnx import save_model
    from ..onnx.metadata import state_preprocess

    made = to_onnx(
        model, example_inputs, dynamic_batch=dynamic_batch, input_names=input_names, output_names=output_names
    )
    if preprocess is not None:
        state_preprocess(made, preprocess.to_dict())
    save_model(made, path)


def to_onnx(
    model: nn.Module,
    example_inputs: Tensor | Sequence[Tensor],
    *,
    dynamic_batch: bool = True,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
) -> ir.Model:
    """Return what :func:`export` writes, as an ``onnx_ir`` model.

    Raises:
        ModelError: If torch cannot export the model.
    """
    from ..onnx import apply_thresholds, load_model, to_bytes

    inputs = (example_inputs,) if isinstance(example_inputs, Tensor) else tuple(example_inputs)
    if others := sorted({type(x).__name__ for x in inputs if not isinstance(x, Tensor)}):
        raise ModelError(f"example inputs are of type {', '.join(others)}, expected tensors")
    plain, thresholds = _rectified(unwrap(copy.deepcopy(innermost(model))))
    plain, inputs = as_float32(plain, inputs)
    exported = _exported(plain, inputs, dynamic_batch, input_names, output_names)
    names = name_values(exported.graph, plain, _Rectified)
    for holder in (*exported.graph, *exported.graph.inputs, *exported.graph.outputs, exported):
        holder.metadata_props.clear()  # stack traces with paths of this machine
    needed = {path for path, threshold in thresholds.items() if _is_above_zero(threshold)}
    if missing := needed - set(names.values()):
        _refuse_lost(plain, inputs, missing)
    wanted = {value: thresholds[path] for value, path in names.items() if path in needed}
    # Through bytes, because load_model checks those and brings them into the form that apply_thresholds expects.
    loaded = load_model(to_bytes(exported))
    return apply_thresholds(loaded, ThresholdSet(wanted)) if wanted else loaded


class _Rectified(nn.Module):
    """Stands for a FATReLU during the export: a plain ReLU, whose threshold is written in afterwards."""

    def __init__(self, max_value: float | None) -> None:
        super().__init__()
        self.max_value = max_value

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x) if self.max_value is None else x.clamp(0.0, self.max_value)


def as_float32(
    model: nn.Module, inputs: tuple[Tensor, ...] = (), what: str = "exported"
) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Return model and inputs in float32, in which the engine computes; others are told of.

    Args:
        model: Changed in place.
        inputs: Tensors to convert as well.
        what: What is done with the model, for the message.

    Raises:
        ModelError: If there are tensors of a type that is not a plain floating point one.
    """
    values = [*model.parameters(), *model.buffers(), *inputs]
    others = sorted({str(x.dtype) for x in values if x.is_floating_point() and x.dtype != torch.float32})
    if not others:
        return model, inputs
    if unknown := set(others) - {"torch.bfloat16", "torch.float16", "torch.float64"}:
        raise ModelError(f"the model holds tensors of {sorted(unknown)}; convert it to float32 first: model.float()")
    _LOGGER.warning("the model holds tensors of %s: it is %s in float32", ", ".join(others), what)
    return model.float(), tuple(x.float() if x.is_floating_point() else x for x in inputs)


def _rectified(model: nn.Module) -> tuple[nn.Module, dict[str, Any]]:
    """Put a copy of a model into evaluation mode with plain ReLUs; return it and the thresholds by module path."""
    plain = model.eval()
    modules = [
        (name, module) for name, module in plain.named_modules(remove_duplicate=False) if isinstance(module, FATReLU)
    ]
    made: dict[int, _Rectified] = {}
    for name, module in modules:
        parent, _, attribute = name.rpartition(".")
        stand_in = made.setdefault(id(module), _Rectified(module.max_value))
        if not name:
            plain = stand_in
        else:
            setattr(plain.get_submodule(parent), attribute, stand_in)
    return plain, {name: module.threshold_value() for name, module in modules}


@torch.no_grad()
def _refuse_lost(plain: nn.Module, inputs: tuple[Tensor, ...], missing: set[str]) -> None:
    """Make sure that FATReLUs absent from the file are never called, rather than merged into others.

    The exporter's optimizer makes one of a ReLU that follows directly upon another, and a threshold would be lost.
    """
    called: set[str] = set()
    handles = [
        plain.get_submodule(path).register_forward_pre_hook(lambda *_, path=path: called.add(path)) for path in missing
    ]
    try:
        plain(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    if called:
        raise ModelError(
            f"the thresholds of {sorted(called)} would be lost: these FATReLUs follow directly upon others, which the "
            "exporter makes one of. Give one of each pair the larger threshold and take the other out"
        )


def _exported(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    dynamic_batch: bool,
    input_names: Sequence[str] | None,
    output_names: Sequence[str] | None,
) -> ir.Model:
    if dynamic_batch:
        # torch specialises sizes of 1, so a batch of one would be fixed for good.
        inputs = tuple(torch.cat([x, x]) if x.ndim and len(x) == 1 else x for x in inputs)
        batch = torch.export.Dim("batch")
        shapes: Any = tuple({0: batch} if x.ndim else None for x in inputs)
    else:
        shapes = None
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                model,
                inputs,
                dynamo=True,
                opset_version=_OPSET,
                dynamic_shapes=shapes,
                input_names=input_names,
                output_names=output_names,
                verbose=False,
            )
    except ImportError as error:
        raise ModelError(f"torch.onnx.export needs onnxscript: pip install 'zeroskip[torch]' ({error})") from error
    except Exception as error:  # whatever the exporter's many stages raise
        raise ModelError(f"torch cannot export the model to ONNX: {_first_line(error)}") from error
    assert program is not None
    made: ir.Model = program.model
    return made


def _is_above_zero(threshold: Any) -> bool:
    return bool(torch.as_tensor(threshold).any())


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the exporter says about its own deprecations and absent packages."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _first_line(error: BaseException) -> str:
    """Return the innermost cause in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
