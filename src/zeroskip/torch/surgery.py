"""Putting FATReLUs where a model has ReLUs, and thresholds from a calibration into them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import fx, nn

from ..errors import RecipeError
from ..learning.fatrelu import FATReLU, ThresholdLike
from ..learning.functional import Form
from .rectifiers import Rectifier, RectifierTracer, find_rectifier, later_users, module_clip, source_of
from .wrappers import unwrap

_LOGGER = logging.getLogger("zeroskip.torch")

Factory = Callable[[Rectifier], FATReLU]


def replace_relu(
    model: nn.Module,
    threshold: ThresholdLike = 0.0,
    *,
    learnable: bool = False,
    form: Form = "hard",
    slope: float = 10.0,
) -> nn.Module:
    """Put a FATReLU where a model applies ReLU or ReLU6; with threshold 0 the model computes what it did.

    What zeroes up to a threshold already (``nn.Threshold(0.5, 0)``) keeps it where it is the higher one.

    Where every ReLU is a module called once, these modules are exchanged in place and ``model`` itself is returned.
    Where one is called several times, or is a function or tensor method (``F.relu``, ``x.relu()``, ``F.relu6``,
    ``F.hardtanh(x, 0, m)``, ``x.clamp(min=0)``, ``torch.maximum(x, 0)``, ``torch.where(x > 0, x, 0)``,
    ``x * (x > 0)`` and so on), the model is traced by ``torch.fx`` and a new ``GraphModule`` with
    a FATReLU for each call is returned, because each call wants its own threshold. Parameters are shared with
    ``model``, so keep only the result.

    A model that ``torch.fx`` cannot trace gets its ReLU modules exchanged, with a warning if one is shared; functions
    cannot be found there.

    Args:
        model: Any module.
        threshold: Threshold of the new modules.
        learnable: See :class:`FATReLU`.
        form: See :class:`FATReLU`.
        slope: See :class:`FATReLU`.

    Returns:
        The model to go on with, without what ``torch.compile``, ``DataParallel`` or ``AveragedModel`` put around it.
        Module paths of its FATReLUs: that of the ReLU module; ``path_1`` and so on for further calls of the same one;
        ``<calling module>.relu`` for functions.

    Raises:
        RecipeError: If no ReLU is found; the message says why where the model cannot be traced.

    Example:
        >>> replace_relu(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))[1]
        FATReLU(threshold=0)
    """

    def factory(found: Rectifier) -> FATReLU:
        made = FATReLU(threshold, found.max_value, learnable=learnable, form=form, slope=slope)
        if found.threshold > 0.0:
            made.set_threshold(made.threshold.detach().clamp(min=found.threshold))
        return made

    model = unwrap(model)
    if module_clip(model) is not None:
        raise RecipeError("the model is a single ReLU: there is nothing to fine-tune")
    tracer = RectifierTracer()
    try:
        graph = tracer.trace(model)
    except Exception as error:  # tracing runs the model's own code on stand-ins, which may fail in any way
        return _exchange_untraced(model, factory, error)
    graph.owning_module = model  # type: ignore[assignment]  # where the constants are that it names
    calls = [(node, found) for node in graph.nodes if (found := find_rectifier(node, tracer)) is not None]
    if not calls:
        raise RecipeError(
            "no ReLU found in the model: neither nn.ReLU nor nn.ReLU6, nor their functions. FATReLU replaces ReLU; "
            "networks with other activations (GELU, SiLU, ...) have no zeros to make more of"
        )
    uses = Counter(found.module_path for _, found in calls)
    if all(_is_exchangeable(node, found, uses) for node, found in calls):
        for _, found in calls:
            path = str(found.module_path)
            _set_module(model, path, _made(factory, found, model.get_submodule(path)))
        return model
    return _rewritten(model, graph, calls, factory)


def _is_exchangeable(node: fx.Node, found: Rectifier, uses: Counter[str | None]) -> bool:
    return found.module_path is not None and uses[found.module_path] == 1 and not later_users(node, found)


def _exchange_untraced(model: nn.Module, factory: Factory, error: Exception) -> nn.Module:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    modules = [(name, module) for name, module in model.named_modules(remove_duplicate=False)]
    relus = [(name, module, found) for name, module in modules if (found := module_clip(module)) is not None]
    if not relus:
        raise RecipeError(
            "no nn.ReLU or nn.ReLU6 module found, and torch.fx cannot trace the model to look for functions "
            f"({reason}). Make the activations modules, or put zeroskip.torch.FATReLU there yourself"
        )
    _LOGGER.warning(
        "torch.fx cannot trace the model (%s): %d ReLU modules are replaced, functional ones cannot be found",
        reason,
        len(relus),
    )
    made: dict[int, FATReLU] = {}
    for name, module, found in relus:
        # A shared ReLU stays shared: without a trace its calls cannot be told apart.
        if id(module) in made:
            _LOGGER.warning("'%s' shares its ReLU, and so its threshold, with another layer", name)
        made.setdefault(id(module), _made(factory, found, module))
        _set_module(model, name, made[id(module)])
    return model


def _made(factory: Factory, found: Rectifier, like: nn.Module) -> FATReLU:
    return factory(found).train(like.training)


def _set_module(model: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, module)


def _rewritten(
    model: nn.Module, graph: fx.Graph, calls: list[tuple[fx.Node, Rectifier]], factory: Factory
) -> fx.GraphModule:
    """Return the traced model with a FATReLU of its own for each call."""
    result = fx.GraphModule(model, graph, type(model).__name__)
    result.train(model.training)
    taken = {name for name, _ in result.named_modules()} - {found.module_path for _, found in calls}
    for node, found in calls:
        path = _free_path(found.path, taken)
        taken.add(path)
        # Also of paths that the trace did not need: GraphModule leaves out modules that hold only functions.
        result.add_submodule(path, _made(factory, found, model))
        source = source_of(node)  # asked now: it may itself be the FATReLU of an earlier call
        operands = node.all_input_nodes
        readers = later_users(node, found)
        with graph.inserting_after(node):
            new = graph.call_module(path, (source,))
        for user in readers:
            user.replace_input_with(source, new)
        node.replace_all_uses_with(new)
        graph.erase_node(node)
        _erase_unused(graph, operands)
    _heed_mode(result)
    result.delete_all_unused_submodules()
    graph.lint()
    result.recompile()
    return result


def _erase_unused(graph: fx.Graph, nodes: list[fx.Node]) -> None:
    """Take out what only the ReLU needed, such as its comparison."""
    for node in nodes:
        if not node.users and node.op in ("call_function", "call_method", "get_attr"):
            operands = node.all_input_nodes
            graph.erase_node(node)
            _erase_unused(graph, operands)


def _heed_mode(model: fx.GraphModule) -> None:
    """Make functional dropouts modules again: the trace has fixed their ``training=self.training``."""
    for number, node in enumerate(model.graph.nodes):
        if node.op == "call_function" and node.target is F.dropout:
            path = f"functional_dropout_{number}"
            share = node.args[1] if len(node.args) > 1 else node.kwargs.get("p", 0.5)
            model.add_submodule(path, nn.Dropout(share).train(model.training))
            with model.graph.inserting_after(node):
                node.replace_all_uses_with(model.graph.call_module(path, (node.args[0],)))
            model.graph.erase_node(node)


def _free_path(path: str, taken: set[str]) -> str:
    if path not in taken:
        return path
    return next(name for number in range(1, len(taken) + 2) if (name := f"{path}_{number}") not in taken)
