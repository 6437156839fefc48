"""The two kinds of parts of a model that runs partly natively, behind one interface."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import LimitError, ModelError, ShapeError
from ..options import SessionOptions
from ..run.region import Region
from ..show.explain import ExplainedIsland, ExplainedStep
from ..show.step_times import StepProfile
from ..signature import InputShapes
from .island import Island
from .worth import Worth

if TYPE_CHECKING:
    from ...onnx.partition import Part

ISLAND_OP = "island"
ISLAND_KERNEL = "onnxruntime"


class IslandPart:
    """A part that ONNX Runtime runs.

    Args:
        part: The part of the model.
        options: Threads.
        name: What explanations and profiles call it.
        reasons: Node name to why it is not native, for nodes of this part.
        gainless: Node name to what the native part was worth that it could have been in.
        is_alone: Whether it is the whole model.
    """

    def __init__(
        self,
        part: Part,
        options: SessionOptions,
        name: str,
        reasons: Mapping[str, str],
        gainless: Mapping[str, Worth],
        *,
        is_alone: bool = False,
    ) -> None:
        self.part = part
        self.name = name
        self.reasons = {node: reasons[node] for node in part.nodes if node in reasons}
        self.worths = list({id(gainless[node]): gainless[node] for node in part.nodes if node in gainless}.values())
        self._count_gainless = sum(node in gainless for node in part.nodes)
        self.island = Island(part.model, options, is_alone=is_alone)
        self.latency_ms: float | None = None
        self._output_shape: tuple[int, ...] = ()

    def run(self, values: Mapping[str, Any], taps: tuple[str, ...] = ()) -> list[Any]:
        """Return the outputs of the part, then the taps; see :meth:`Island.run`."""
        return self.island.run(values, taps)

    def profiled(self, values: Mapping[str, Any], iterations: int) -> tuple[StepProfile, ...]:
        """Time the part as one step."""
        times = []
        for _ in range(iterations):
            start = time.perf_counter()
            results = self.island.run(values)
            times.append(1e3 * (time.perf_counter() - start))
        self.latency_ms = statistics.median(times)
        self._output_shape = np.shape(results[0]) if isinstance(results[0], np.ndarray) else ()
        first = self.part.inputs[0] if self.part.inputs else ""
        return (
            StepProfile(
                name=self.name,
                op=ISLAND_OP,
                nodes=self.part.nodes,
                kernel=ISLAND_KERNEL,
                input_name=first,
                output_shape=self._output_shape,
                latency_ms=self.latency_ms,
                macs=0,
                can_skip=False,
                input_density=None,
                obstacle="island",
            ),
        )

    def explained(self) -> tuple[ExplainedStep, ...]:
        """Explain the part as one step."""
        others = len(self.part.nodes) - len(self.reasons) - self._count_gainless
        note = f"{len(self.reasons)} nodes that are not supported natively, and {others} around them"
        if self.worths:
            note += f"; {self.gain_words()}"
        return (_whole(self.name, ISLAND_OP, ISLAND_KERNEL, self.part, self._output_shape, self.latency_ms, note),)

    def summary(self, total_ms: float | None) -> ExplainedIsland:
        """Return what is in the island and why; ``total_ms`` is the time of all parts, where it is known."""
        share = None if not total_ms or self.latency_ms is None else self.latency_ms / total_ms
        own = set(self.part.nodes)
        operators = Counter(node.op_type for node in self.part.model.graph if node.name in own)
        reasons, note = dict(self.reasons), self.gain_words() if self.worths else ""
        return ExplainedIsland(self.name, self.part.nodes, dict(operators), reasons, share, note)

    def gain_words(self) -> str:
        """Say why nodes that could run natively are here: what their native parts would have been worth together."""
        total = Worth(sum(item.gain_ms for item in self.worths), sum(item.cost_ms for item in self.worths))
        return f"{self._count_gainless} nodes could run natively: {total}"


class NativePart:
    """A part that runs natively, whatever shapes the part before it makes.

    At shapes for which it turns out not to be supported, ONNX Runtime runs it as a whole.

    Args:
        part: The part of the model.
        options: Options of the session.
        name: What explanations call it before its shapes are known.
        region: Its region, where one was made already.
    """

    def __init__(self, part: Part, options: SessionOptions, name: str, region: Region | None = None) -> None:
        self.part = part
        self.name = name
        self.region = region or Region(part.model, options)
        self.latency_ms: float | None = None
        self._options = options
        self._substitute: Island | None = None
        self._refused: dict[InputShapes, str] = {}

    def run(self, values: Mapping[str, Any], taps: tuple[str, ...] = ()) -> list[Any]:
        """Return the outputs of the part, then the taps."""
        arrays = [values[name] for name in self.region.input_names]
        shapes = tuple(np.shape(array) for array in arrays)
        if self._is_refused(shapes):
            return self._island().run(values, taps)
        return self.region.compiled(shapes, taps).run(arrays)

    def profiled(self, values: Mapping[str, Any], iterations: int) -> tuple[StepProfile, ...]:
        """Time the steps of the part."""
        arrays = [values[name] for name in self.region.input_names]
        shapes = tuple(np.shape(array) for array in arrays)
        if self._is_refused(shapes):
            return IslandPart(self.part, self._options, self.name, {}, {}).profiled(values, iterations)
        steps = self.region.profiled(shapes, arrays, iterations)
        self.latency_ms = sum(step.latency_ms for step in steps)
        return steps

    def explained(self) -> tuple[ExplainedStep, ...]:
        """Explain the steps at the latest shapes."""
        shapes = self.region.latest
        if shapes is None:
            reason = next(iter(self._refused.values()), "its input shapes are known once it has run")
            return (_whole(self.name, "native", "", self.part, (), None, reason),)
        return self.region.explained(shapes)

    def _is_refused(self, shapes: InputShapes) -> bool:
        """Tell whether the region cannot run at these shapes; remember why."""
        if shapes in self._refused:
            return True
        try:
            if any(0 in shape for shape in shapes):
                raise ShapeError("an input is empty")
            self.region.compiled(shapes)
        except LimitError:
            raise
        except (ModelError, ShapeError) as error:
            if len(self._refused) > self._options.max_cached_plans:
                self._refused.clear()
            self._refused[shapes] = str(error)
            return True
        return False

    def _island(self) -> Island:
        if self._substitute is None:
            self._substitute = Island(self.part.model, self._options)
        return self._substitute


def _whole(
    name: str, op: str, kernel: str, part: Part, shape: tuple[int, ...], latency_ms: float | None, note: str
) -> ExplainedStep:
    return ExplainedStep(
        name=name,
        op=op,
        nodes=part.nodes,
        kernel=kernel,
        dtype="",
        layout="row",
        output_shape=shape,
        macs=0,
        algorithm="",
        crossover_density=None,
        density=None,
        predicted_ms=latency_ms or 0.0,
        measured_ms=latency_ms,
        peak_fraction=None,
        note=note,
    )
