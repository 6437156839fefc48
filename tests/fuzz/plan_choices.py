"""Random steps on rows that choose among values."""

from __future__ import annotations

import random
from abc import abstractmethod

from core.builder import PlanBuilder

Shape = tuple[int, ...]


class ChoiceSteps(PlanBuilder):
    """What :class:`.plan_maker.PlanMaker` adds of such steps; it decides and keeps the tensors."""

    _rng: random.Random
    _rows: list[int]

    @abstractmethod
    def _flip(self, chance: float = 0.5) -> bool: ...

    @abstractmethod
    def _shape(self, index: int) -> Shape: ...

    @abstractmethod
    def _new_row(self, shape: Shape) -> int: ...

    def _arg_extreme(self, source: int) -> None:
        shape = self._shape(source)
        axis = self._rng.randrange(len(shape))
        attributes = {"kind": self._rng.choice(("max", "min")), "axis": axis, "last": int(self._flip())}
        self.step("arg_extreme", [source], [self._new_row((*shape[:axis], 1, *shape[axis + 1 :]))], **attributes)

    def _top_k(self, source: int) -> None:
        shape = self._shape(source)
        axis = self._rng.randrange(len(shape))
        k = self._rng.randint(1, shape[axis])
        outputs = [self._new_row((*shape[:axis], k, *shape[axis + 1 :])) for _ in range(2)]
        self.step("top_k", [source], outputs, axis=axis, k=k, largest=int(self._flip()))

    def _gather_elements(self, source: int) -> None:
        shape = self._shape(source)
        same_rank = [index for index in self._rows if len(self._shape(index)) == len(shape)]
        places = self._rng.choice(same_rank)
        axis, given = self._rng.randrange(len(shape)), self._shape(places)
        result = [size if size == 1 else min(size, have) for size, have in zip(given, shape, strict=True)]
        result[axis] = given[axis]
        if all(size in (1, wanted) for size, wanted in zip(given, result, strict=True)):
            self.step("gather_elements", [source, places], [self._new_row(tuple(result))], axis=axis)

    def _select(self, source: int) -> None:
        shape = self._shape(source)
        others = [index for index in self._rows if self._shape(index) in (shape, (1,) * len(shape))]
        operands = [source, self._rng.choice(others), self._rng.choice(others)]
        self.step("broadcast", operands, [self._new_row(shape)], kind="select")
