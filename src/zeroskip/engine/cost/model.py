"""CostModel: prices of the work that steps do, and what follows from them.

The time of a step is the sum of its amounts (:mod:`.work`) times the prices of its family in its element type, all
prices being at least zero. A convolution that may skip zeros has two such sums; it takes the smaller one, and the
density at which they are equal is its ``crossover_density``. One that may be computed by Winograd's algorithm has one
more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from typing_extensions import Self

from ...saved_value import SavedValue
from ..operators import LINEAR, Family
from ..plan.types import Plan, Step
from .work import (
    DENSE_AMOUNTS,
    FAMILIES,
    SPARSE_AMOUNTS,
    WINOGRAD_AMOUNTS,
    Amounts,
    ElementType,
    can_skip,
    dense_amounts,
    element_type,
    family_of,
    row_amounts,
    skips_rows,
    sparse_amounts,
    takes_winograd,
    winograd_amounts,
)

CostModelChoice: TypeAlias = Literal["cached", "default", "fit", "refit"]
"""``cached``: the model fitted on this machine if there is one, else the built-in one; ``default``: the
built-in one; ``fit``: fit (seconds) if there is none; ``refit``: fit."""

_FLOATS_PER_CYCLE = {"generic": 4.0, **dict.fromkeys(("neon", "neondot", "neoni8mm"), 8.0)}  # of others 16
_SEED_FACTORS: Mapping[ElementType, float] = MappingProxyType({"bf16": 2.0, "u8": 2.0})
"""How many times as many products of a type as of float32 are taken to be done at once."""
_SEED_GHZ = 3.0
_SEED_EFFICIENCY = 0.93
_SEED_BYTES_PER_MS = 10e6
_SEED_STEP_MS = 0.003
_SEED_TRANSFORM_MACS = 200  # of which a transform of one tile and channel takes the time
_BISECTIONS = 20


_Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class AlgorithmCost(BaseModel):
    """Prices of one algorithm, in ms per unit.

    Attributes:
        prices: One for each of ``DENSE_AMOUNTS``, ``SPARSE_AMOUNTS`` or ``WINOGRAD_AMOUNTS``, >= 0.
        width: Output channels its microkernel computes at once.
    """

    model_config = ConfigDict(frozen=True)

    prices: tuple[_Price, ...]
    width: int = Field(default=16, ge=1)

    def time_ms(self, amounts: Amounts) -> float:
        """Return the sum of amounts times prices."""
        return sum(price * amount for price, amount in zip(self.prices, amounts, strict=True))


class FamilyCost(BaseModel):
    """Prices of one family of steps; ``sparse`` only where it can skip, ``winograd`` only where it has such a form."""

    model_config = ConfigDict(frozen=True)

    dense: AlgorithmCost
    sparse: AlgorithmCost | None = None
    winograd: AlgorithmCost | None = None

    @model_validator(mode="after")
    def _check_prices(self) -> Self:
        wanted = {"dense": DENSE_AMOUNTS, "sparse": SPARSE_AMOUNTS, "winograd": WINOGRAD_AMOUNTS}
        for name, amounts in wanted.items():
            cost: AlgorithmCost | None = getattr(self, name)
            if cost is not None and len(cost.prices) != len(amounts):
                raise ValueError(f"{name} has {len(cost.prices)} prices, expected {len(amounts)}")
        return self


class Fit(BaseModel):
    """Where fitted prices come from.

    Attributes:
        date: When, ISO 8601, UTC.
        seconds: How long the measurement took.
        samples: Times it is made of.
        error: Median relative error of the fitted prices on them.
        spread: Median over the samples of the interquartile range of their repetitions, relative.
    """

    model_config = ConfigDict(frozen=True)

    NOISY_SPREAD: ClassVar[float] = 0.25
    NOISY_ERROR: ClassVar[float] = 0.20

    date: str
    seconds: float
    samples: int
    error: float
    spread: float

    @property
    def is_noisy(self) -> bool:
        """Whether the machine was too busy to be measured well."""
        return self.spread > self.NOISY_SPREAD or self.error > self.NOISY_ERROR


class CostModel(SavedValue):
    """Predicts times.

    Attributes:
        isa: Instruction set the prices are for.
        threads: Threads the prices are for.
        types: Prices by element type and family. Of float32 there are all families; where a narrower type lacks one,
            or there are no prices of it at all (bf16 on a CPU without products of it), those of float32 hold.
        peak_macs_per_ms: What the threads together could do at best.
        parallel_efficiency: Fraction of ideal scaling that each thread after the first adds; used only to
            predict for other numbers of threads.
        fit: Where the prices come from; None for the built-in ones, whose ratios between densities are
            about right and whose absolute times are rough.
    """

    _what: ClassVar[str] = "a cost model"

    isa: str = "avx512"
    threads: int = Field(default=1, ge=1)
    types: dict[ElementType, dict[Family, FamilyCost]]
    peak_macs_per_ms: float = Field(gt=0, allow_inf_nan=False)
    parallel_efficiency: _Price = 0.9
    fit: Fit | None = None

    @field_validator("types")
    @classmethod
    def _check_types(
        cls, types: dict[ElementType, dict[Family, FamilyCost]]
    ) -> dict[ElementType, dict[Family, FamilyCost]]:
        if missing := [family for family in FAMILIES if family not in types.get("float32", {})]:
            raise ValueError(f"has no prices in float32 for {', '.join(missing)}")
        return types

    @classmethod
    def for_isa(cls, isa: str) -> CostModel:
        """Return the built-in prices for an instruction set, for use where nothing has been measured."""
        peak = _FLOATS_PER_CYCLE.get(isa, 16.0) * _SEED_GHZ * 1e6
        types: dict[ElementType, dict[Family, FamilyCost]] = {"float32": _seed_families(peak, is_narrow=False)}
        for dtype, factor in _SEED_FACTORS.items():
            types[dtype] = _seed_families(factor * peak, is_narrow=True)
        return cls(isa=isa, types=types, peak_macs_per_ms=peak)

    def has_prices(self, dtype: ElementType) -> bool:
        """Whether there are prices of its own for an element type."""
        return dtype in self.types

    def summary(self) -> str:
        """Return in a few words where the prices come from.

        Example:
            >>> CostModel.for_isa("avx2").summary()
            'built-in (nothing measured yet)'
        """
        if self.fit is None:
            return "built-in (nothing measured yet)"
        fit, peak = self.fit, 2e-6 * self.peak_macs_per_ms
        noise = "; the machine was busy: measure again with --refit" if fit.is_noisy else ""
        return (
            f"fitted {fit.date} for {self.isa}, {self.threads} threads: peak {peak:.0f} GFLOP/s, "
            f"median error {100 * fit.error:.0f}%{noise}"
        )

    def predict(
        self,
        plan: Plan,
        step: Step,
        density: float | None = None,
        threads: int = 1,
        *,
        winograd: bool = True,
        inputs: int = 1,
    ) -> float:
        """Return the time of a step in milliseconds.

        Args:
            plan: The plan that holds the step.
            step: Any step of it.
            density: Fraction of non-zeros in its first input, in [0, 1]; None, or a step that cannot skip:
                dense.
            threads: Threads that share the step.
            winograd: Whether Winograd's algorithm may be used where the step allows it.
            inputs: Of the plan's batch, where they are going to be run one by one; the time is that of all of them.
        """
        if step.op in LINEAR:
            density = density if density is not None and skips_rows(step) else 1.0
            time = self.cost_of(plan, step).dense.time_ms(row_amounts(plan, step, density, inputs))
            return time * self._speedup(self.threads) / self._speedup(threads)
        time = self.dense_ms(plan, step)
        if winograd:
            time = min(time, self.winograd_ms(plan, step))
        if density is not None and can_skip(step):
            time = min(time, self.sparse_ms(plan, step, density))
        return time * self._speedup(self.threads) / self._speedup(threads)

    def cost_of(self, plan: Plan, step: Step) -> FamilyCost:
        """Return the prices that hold for a step."""
        family = family_of(plan, step)
        return self.types.get(element_type(plan, step), {}).get(family) or self.types["float32"][family]

    def dense_ms(self, plan: Plan, step: Step) -> float:
        """Return the time in ms of a step by the direct algorithm that skips nothing, at this model's threads."""
        return self.cost_of(plan, step).dense.time_ms(dense_amounts(plan, step))

    def winograd_ms(self, plan: Plan, step: Step) -> float:
        """Return the time in ms of a convolution by Winograd's algorithm; infinite where it may not be used."""
        cost = self.cost_of(plan, step).winograd
        if cost is None or not takes_winograd(step):
            return math.inf
        return cost.time_ms(winograd_amounts(plan, step))

    def sparse_ms(self, plan: Plan, step: Step, density: float) -> float:
        """Return the time in ms of a layer by the algorithm that skips zeros; that of the dense one if it has none.

        Args:
            plan: The plan that holds the step.
            step: A convolution or fully connected layer.
            density: Fraction of non-zeros in its input, in [0, 1].
        """
        if step.op in LINEAR:
            return self.cost_of(plan, step).dense.time_ms(row_amounts(plan, step, density))
        sparse = self.cost_of(plan, step).sparse
        if sparse is None:
            return self.dense_ms(plan, step)
        return sparse.time_ms(sparse_amounts(plan, step, density, sparse.width))

    def crossover_density(self, plan: Plan, step: Step) -> float:
        """Return the density at which the sparse algorithm takes as long as the dense one, in [0, 1]."""
        dense = self.dense_ms(plan, step)
        low, high = 0.0, 1.0
        if self.sparse_ms(plan, step, high) <= dense:
            return high
        for _ in range(_BISECTIONS):  # the sparse time never falls with density
            middle = (low + high) / 2
            low, high = (middle, high) if self.sparse_ms(plan, step, middle) <= dense else (low, middle)
        return low

    def measured_peak(self, threads: int) -> float | None:
        """Return the multiply-accumulates per ms that so many threads can do at best, None if never measured."""
        return None if self.fit is None else self.peak_macs_per_ms * threads / self.threads

    def _speedup(self, threads: int) -> float:
        return 1 + (threads - 1) * self.parallel_efficiency


def with_crossovers(plan: Plan, model: CostModel) -> Plan:
    """Return the plan with ``crossover_density`` set on every convolution that chooses at run time.

    The built-in prices set nothing, nor do those fitted while the machine was busy: the core's own defaults were
    fitted to its kernels more closely.
    """
    if model.fit is None or model.fit.is_noisy:
        return plan
    return replace(plan, steps=tuple(_with_crossover(plan, step, model) for step in plan.steps))


def _with_crossover(plan: Plan, step: Step, model: CostModel) -> Step:
    if step.op != "conv" or step.attributes.get("algorithm") != "auto":
        return step
    return replace(step, attributes=step.attributes | {"crossover_density": model.crossover_density(plan, step)})


def _seed_families(peak: float, *, is_narrow: bool) -> dict[Family, FamilyCost]:
    """Return the prices of all families for so many multiply-accumulates per ms."""
    move = 1.0 / _SEED_BYTES_PER_MS
    dense = AlgorithmCost(prices=(1 / (peak * _SEED_EFFICIENCY), move, move, move, move, 0.0, _SEED_STEP_MS))
    return {
        family: FamilyCost(
            dense=dense,
            sparse=_seed_sparse(peak) if family in ("point", "rows", "taps") else None,
            winograd=_seed_winograd(peak) if family in ("rows", "stem") and not is_narrow else None,
        )
        for family in FAMILIES
    }


def _seed_winograd(peak: float) -> AlgorithmCost:
    """Return prices by which 3x3 layers take a third to a half of the time of the direct algorithm."""
    move = 1.0 / _SEED_BYTES_PER_MS
    prices = (1 / (peak * _SEED_EFFICIENCY), move, _SEED_TRANSFORM_MACS / peak, move, move, move, _SEED_STEP_MS)
    return AlgorithmCost(prices=prices)


def _seed_sparse(peak: float) -> AlgorithmCost:
    """Return the prices of the pixel-pair kernel as measured on Zen 4, in cycles per visit of two pixels::

        k (d^2 (2 nr + 0.5) + 2 d (1 - d) (1.17 nr + 0.45)) + 2 (4 + 1.9 nr) + traffic

    with ``nr`` vectors of 16 outputs and ``k`` input channels; here for nr = 4, k = 64.
    """
    vector, nr, channels = 16.0, 4.0, 64.0
    per_cycle = vector / peak  # ms a cycle costs where the peak is one vector per cycle
    traffic = 2 * (128 * nr + 4 * channels) / 32 * 0.6
    prices: Mapping[str, float] = {
        "macs": 0.83 * per_cycle / vector,
        "weight_loads": 0.17 * per_cycle / vector,
        "nonzeros": 0.45 * per_cycle,
        "visits": (4 + 1.9 * nr + traffic / 2) * per_cycle,
        "sums": 0.0,
        "weight_bytes": 0.0,
        "read_bytes": 0.0,
        "added_bytes": 0.0,
        "written_bytes": 0.0,
        "steps": _SEED_STEP_MS,
    }
    return AlgorithmCost(prices=tuple(prices.values()), width=int(vector * nr))
