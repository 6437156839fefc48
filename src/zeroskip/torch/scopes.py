"""What the values of an exported graph are called: by the modules that computed them.

PyTorch's exporter numbers values (``relu_3``, ``getitem_12``) and keeps beside each node the modules it came from.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from torch import nn

from ..onnx.canonical.thresholds import match
from ..onnx.node_names import node_name
from .rectifiers import module_clip

if TYPE_CHECKING:
    import onnx_ir as ir

_SCOPES = "pkg.torch.onnx.name_scopes"
_CLASSES = "pkg.torch.onnx.class_hierarchy"


def name_values(graph: ir.Graph, model: nn.Module, stand_in: type[nn.Module]) -> dict[str, str]:
    """Name results of rectifiers and layers after their modules; what the graph gives back keeps the name it has.

    Rectifiers are called as :func:`replace_relu` calls their FATReLUs: ``layer1.0.relu``, ``layer1.0.relu_1`` for a
    further call, and ``<calling module>.relu`` for functions.

    Args:
        graph: As exported; changed in place.
        model: What was exported.
        stand_in: Class of the modules that stand for FATReLUs; further calls of one get ``:1`` and so on.

    Returns:
        Value name to module path, of the results of stand-ins.
    """
    stood: dict[ir.Value, str] = {}
    paths: dict[ir.Value, str] = {}
    taken = {name for name, module in model.named_modules() if module_clip(module) is None}
    for node in graph:
        value, (scopes, classes) = node.outputs[0], _origin(node)
        path = next((scope for scope, kind in zip(scopes, classes, strict=False) if kind == _name_of(stand_in)), None)
        if path is not None and node.op_type in ("Relu", "Clip"):
            stood[value] = paths[value] = path
        elif len(scopes) > 1 and (spelling := match(node)) is not None:
            paths[value] = _free(_rectifier_path(spelling.max_value, scopes[-2], model), taken, "_")
            taken.add(paths[value])
        elif (layer := node_name(node)) != node.name:
            paths[value] = layer
    outputs = set(graph.outputs)
    _rename(graph, {value: path or "relu" for value, path in paths.items() if value not in outputs})
    return {str(value.name): path for value, path in stood.items()}


def _origin(node: ir.Node) -> tuple[list[str], list[str]]:
    """Return the paths of the modules that a node came from and their classes, outermost first; the last is a call."""
    try:
        return (
            [str(scope) for scope in ast.literal_eval(node.metadata_props[_SCOPES])],
            [str(kind) for kind in ast.literal_eval(node.metadata_props[_CLASSES])],
        )
    except (KeyError, ValueError, SyntaxError):
        return [], []


def _name_of(kind: type[nn.Module]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _rectifier_path(max_value: float, caller: str, model: nn.Module) -> str:
    try:
        if module_clip(model.get_submodule(caller)) is not None:
            return caller
    except AttributeError:  # the exporter calls it otherwise
        pass
    kind = "relu6" if max_value == 6.0 else "relu"
    return f"{caller}.{kind}" if caller else kind


def _rename(graph: ir.Graph, paths: dict[ir.Value, str]) -> None:
    """Give values the names of their paths. All make room first: the exporter likes ``relu``, too."""
    every = [*graph.inputs, *graph.initializers.values(), *(value for node in graph for value in node.outputs)]
    taken = {str(value.name) for value in every if value not in paths}
    for number, value in enumerate(paths):
        value.name = f"zeroskip::renamed{number}"
    for value, path in paths.items():
        value.name = _free(path, taken, ":")
        taken.add(value.name)


def _free(path: str, taken: set[str], mark: str) -> str:
    """Return the path, or with a number behind it for further calls of a shared module."""
    if path not in taken:
        return path
    return next(name for number in range(1, len(taken) + 2) if (name := f"{path}{mark}{number}") not in taken)
