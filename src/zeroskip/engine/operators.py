"""The native operators: one row for each, with all that the planner and the cost model need to know of it.

``cpp/ops/list.inc`` is the list of the core; a test holds the two equal. There are no defaults: whoever adds an
operator answers every question here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from .plan.types import Step

Family: TypeAlias = Literal["point", "rows", "taps", "stem", "depthwise", "linear", "pool", "move"]
"""Steps that the same kernels carry out, so that one set of prices fits them."""

BatchRule: TypeAlias = "Callable[[Step, int], bool]"
"""Whether a step for a batch of that size computes each of its inputs alone."""


@dataclass(frozen=True)
class Operator:
    """Facts about a native operator.

    Args:
        name: Its name in plans and in ``cpp/ops/list.inc``.
        in_place: Inputs that its output may overwrite, because each element is read before it is written; of a
            convolution the residual.
        keeps_zeros: Whether zeros of an input are worth a mask of the output; of an operator that computes several
            functions, those of its attribute ``kind`` that keep them.
        keeps_channels: Where channel c of an input is found in channel c of the output (of a concatenation: moved as a
            whole), everywhere, in nhwc maps only, or nowhere.
        is_weighted: Whether it has a constant ``weight`` that zeros of its first input are multiplied with.
        takes_activation: Whether its epilogue can be a FATReLU.
        treats_inputs_alone: Whether the inputs of a batch have no part in each other's results, asked of a step.
        family: Of the cost model; None for convolutions, whose window and layout decide.
    """

    name: str
    in_place: tuple[int, ...]
    keeps_zeros: bool | frozenset[str]
    keeps_channels: Literal["always", "maps", "never"]
    is_weighted: bool
    takes_activation: bool
    treats_inputs_alone: BatchRule
    family: Family | None

    def passes_zeros(self, kind: str | None) -> bool:
        """Whether it keeps zeros when it computes the function ``kind``, None for the only one it has."""
        return self.keeps_zeros if isinstance(self.keeps_zeros, bool) else kind in self.keeps_zeros


CONVOLUTIONS = ("conv", "bf16_conv", "quantized_conv")
"""Convolutions, other than depthwise ones."""
LINEAR = ("linear", "bf16_linear", "quantized_linear")
"""Fully connected layers."""

ZERO_AT_ZERO = frozenset(
    (
        "abs", "ceil", "celu", "elu", "erf", "floor", "gelu", "gelu_tanh", "hardswish", "mish", "prelu", "round",
        "sign", "sin", "softsign", "sqrt", "tanh",
    )
)  # fmt: skip
"""Kinds of the operator ``activation`` that are no rectifiers and are 0 where their operand is."""
_SCALING = frozenset(("div", "mul", "prelu"))


def _always(step: Step, batch: int) -> bool:
    return True


def _never(step: Step, batch: int) -> bool:
    return False


def _off_batch_axis(step: Step, batch: int) -> bool:
    return step.attributes["axis"] != 0


def _reduces_no_batch(step: Step, batch: int) -> bool:
    return 0 not in _integers(step, "axes")


def _leaves_batch_first(step: Step, batch: int) -> bool:
    return _integers(step, "perm")[0] == 0


def _takes_whole_batch(step: Step, batch: int) -> bool:
    return tuple(_integers(step, name)[0] for name in ("starts", "ends", "steps")) == (0, batch, 1)


def _pads_no_batch(step: Step, batch: int) -> bool:
    pads = _integers(step, "pads")
    return pads[0] == pads[len(pads) // 2] == 0


def _integers(step: Step, name: str) -> tuple[int, ...]:
    value = step.attributes[name]
    assert isinstance(value, tuple)
    return tuple(int(item) for item in value)


# fmt: off
_ROWS = (
    #        name               in place  zeros           channels  weight activation alone                family
    Operator("activation",      (0,),     ZERO_AT_ZERO,   "never",  False, False,     _always,             "move"),
    Operator("add",             (0, 1),   False,          "never",  False, True,      _always,             "move"),
    Operator("affine",          (0,),     False,          "never",  False, True,      _always,             "move"),
    Operator("arg_extreme",     (),       False,          "never",  False, False,     _off_batch_axis,     "move"),
    Operator("avg_pool",        (),       True,           "always", False, False,     _always,             "pool"),
    Operator("bf16_conv",       (1,),     False,          "never",  True,  True,      _always,             None),
    Operator("bf16_linear",     (),       False,          "never",  True,  True,      _always,             "linear"),
    Operator("broadcast",       (),       _SCALING,       "never",  False, False,     _always,             "move"),
    Operator("concat",          (),       True,           "maps",   False, False,     _off_batch_axis,     "move"),
    Operator("constant",        (),       False,          "never",  False, False,     _never,              "move"),
    Operator("conv",            (1,),     False,          "never",  True,  True,      _always,             None),
    Operator("convert",         (),       True,           "always", False, False,     _always,             "move"),
    Operator("copy",            (),       True,           "always", False, False,     _always,             "move"),
    Operator("depthwise",       (),       False,          "never",  True,  True,      _always,             "depthwise"),
    Operator("dequantize",      (),       True,           "always", False, False,     _always,             "move"),
    Operator("expand",          (),       True,           "never",  False, False,     _always,             "move"),
    Operator("gather",          (),       True,           "never",  False, False,     _off_batch_axis,     "move"),
    Operator("gather_elements", (),       True,           "never",  False, False,     _off_batch_axis,     "move"),
    Operator("global_avg_pool", (),       False,          "always", False, False,     _always,             "move"),
    Operator("global_max_pool", (),       False,          "always", False, False,     _always,             "move"),
    Operator("linear",          (),       False,          "never",  True,  True,      _always,             "linear"),
    Operator("lrn",             (),       False,          "never",  False, False,     _always,             "move"),
    Operator("matmul",          (),       False,          "never",  False, False,     _always,             "linear"),
    Operator("max_pool",        (),       True,           "always", False, False,     _always,             "pool"),
    Operator("mul",             (0, 1),   True,           "never",  False, False,     _always,             "move"),
    Operator("normalize",       (),       False,          "never",  False, True,      _always,             "move"),
    Operator("pad",             (),       True,           "always", False, False,     _pads_no_batch,      "move"),
    Operator("pixel_shuffle",   (),       True,           "never",  False, True,      _always,             "move"),
    Operator("quantize",        (),       True,           "always", False, False,     _always,             "move"),
    Operator("quantized_add",   (),       False,          "never",  False, True,      _always,             "move"),
    Operator("quantized_conv",  (1,),     False,          "never",  True,  True,      _always,             None),
    Operator("quantized_depthwise", (),   False,          "never",  True,  True,      _always,             "depthwise"),
    Operator("quantized_global_avg_pool", (), False,      "always", False, False,     _always,             "move"),
    Operator("quantized_linear", (),      False,          "never",  True,  True,      _always,             "linear"),
    Operator("recurrence",      (),       False,          "never",  False, False,     _never,              "linear"),
    Operator("reduce",          (),       False,          "never",  False, False,     _reduces_no_batch,   "move"),
    Operator("requantize",      (),       True,           "always", False, False,     _always,             "move"),
    Operator("resize",          (),       True,           "always", False, False,     _always,             "move"),
    Operator("slice",           (),       True,           "never",  False, False,     _takes_whole_batch,  "move"),
    Operator("softmax",         (0,),     False,          "never",  False, False,     _off_batch_axis,     "move"),
    Operator("to_nhwc",         (),       True,           "never",  False, False,     _always,             "move"),
    Operator("to_row",          (),       True,           "never",  False, False,     _always,             "move"),
    Operator("top_k",           (),       False,          "never",  False, False,     _off_batch_axis,     "move"),
    Operator("transpose",       (),       True,           "never",  False, False,     _leaves_batch_first, "move"),
)
# fmt: on

OPERATORS: Mapping[str, Operator] = MappingProxyType({row.name: row for row in _ROWS})
"""The operators by name."""
