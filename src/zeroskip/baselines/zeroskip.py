"""zeroskip itself, as one engine among the others."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

import zeroskip

from ..engine.precision import multiplies_bf16
from ..errors import EngineError
from ..system import installed_version
from .engine import Engine, Feed, ModelContent, Precision, Shapes

_PROFILE_ITERATIONS = 1


class ZeroskipEngine(Engine):
    """The engine of this package.

    Args:
        threads: ``intra_op_num_threads``.
        precision: ``"f32"``, or ``"bf16"`` for a processor that has it.

    Raises:
        EngineError: If the processor has no bf16 and that is asked for.
    """

    name = "zeroskip"

    def __init__(self, threads: int, precision: Precision) -> None:
        if precision == "bf16" and not multiplies_bf16():
            raise EngineError("this CPU has no bfloat16 products, so zeroskip would compute in float32: leave bf16 out")
        self.threads = threads
        self.precision = precision

    @property
    def version(self) -> str:
        """Version of this package."""
        return installed_version("zeroskip") or ""

    @property
    def description(self) -> str:
        """The settings that decide its speed."""
        return f"{self.threads} threads, {self._isa}"

    def load(self, model: ModelContent, input_shapes: Shapes) -> None:
        """Prepare a model, see :class:`Engine`; it is planned for these shapes at once."""
        options = zeroskip.SessionOptions(
            intra_op_num_threads=self.threads, precision="bf16" if self.precision == "bf16" else "float32"
        )
        self._session = zeroskip.InferenceSession(model, options)
        self._isa = self._session.explain(dict(input_shapes)).isa

    def run(self, feed: Feed) -> list[NDArray[Any]]:
        """Run the model once, see :class:`Engine`."""
        return list(self._session.run(None, dict(feed)))

    def sparsity_seen(self, feed: Feed) -> float | None:
        """Return the MAC-weighted sparsity of the inputs of layers that can skip, see :class:`Engine`."""
        profile = self._session.profile(dict(feed), iterations=_PROFILE_ITERATIONS)
        can_skip = any(step.can_skip and step.input_density is not None for step in profile.steps)
        return profile.sparsity if can_skip else None
