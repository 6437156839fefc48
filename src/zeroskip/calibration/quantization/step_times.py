"""The steps of a network as integers, timed at the levels of sparsity that its float activations are thinned to.

A search in float32 for a model that will run as int8 has to pay for zeros what they save there: integers have no
Winograd's algorithm, and dense tiles of their own. The densities are those of the float network, by which the search
goes; what rounding makes zero besides is in the times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...engine.cost import StepCurves
from ...engine.run.density_sweep import time_levels
from ...progress import Progress
from ...thresholds import Threshold, ThresholdSet
from ..network.network import native_program
from .candidate import FloatNetwork, new_session, with_thresholds
from .placement import place
from .writer import write_quantized

if TYPE_CHECKING:
    import onnx_ir as ir

    from ...analysis.inputs import Feed
    from ...engine import ProbeProgram
    from ..problem import Setting

INT8 = "int8"
_OBSERVED_INPUTS, _ITERATIONS = 8, 2


def sweep_integers(
    setting: Setting,
    program: ProbeProgram,
    inputs: Sequence[Any],
    feeds: Sequence[Feed],
    levels: Sequence[Mapping[str, Threshold]],
    progress: Progress | None = None,
) -> StepCurves:
    """Time every step of a network as integers.

    Args:
        setting: The network and its data.
        program: The float network at the batch size to be timed at; its thresholds are as the model has them
            afterwards.
        inputs: Real inputs of one run each, as it takes them; rounds take turns in them.
        feeds: The same by name.
        levels: Threshold sets, each a level of sparsity.
        progress: Told of each round.

    Returns:
        Times by the names of the float steps. What integers add, quantising the input for example, is added to the
        first.
    """
    integers = [native_program(new_session(setting, model).probe_chain(feeds[0]), feeds)
                for model in _models(setting, levels)]  # fmt: skip
    densities = _densities(program, inputs, levels)
    names = [step.name for step in program.plan.steps]

    def profile(turn: int, level: int) -> list[dict[str, Any]]:
        place, (timed, arrays) = turn % len(feeds), integers[level]
        found = timed.profile(arrays[place], _ITERATIONS)
        by_name = {step.name: item for step, item in zip(timed.plan.steps, found, strict=True)}
        rows = [
            {
                "min_ms": by_name.get(name, {}).get("min_ms", 0.0),
                "density": density,
                "steady_density": by_name.get(name, {}).get("steady_density"),
            }
            for name, density in zip(names, densities[level][place], strict=True)
        ]
        rows[0]["min_ms"] += sum(item["min_ms"] for name, item in by_name.items() if name not in set(names))
        return rows

    steps = time_levels(names, len(levels), profile, progress=progress)
    batch = program.plan.tensors[program.plan.inputs[0]].shape[0]
    return StepCurves(isa=program.isa, threads=program.num_threads, batch_size=batch, precision=INT8, steps=steps)


def _models(setting: Setting, levels: Sequence[Mapping[str, Threshold]]) -> list[ir.Model]:
    """Return the network as integers at every level; scales are those of the network as it is."""
    from ...onnx import prepare

    network = FloatNetwork(setting, ThresholdSet({}), inputs=_OBSERVED_INPUTS)
    steps = network.steps("minmax")
    found = []
    for level in levels:
        prepared = prepare(with_thresholds(setting.model, ThresholdSet(dict(level)), {}))
        found.append(write_quantized(prepared, place(prepared, ()), steps, {}, "minmax"))
    return found


def _densities(
    program: ProbeProgram, inputs: Sequence[Any], levels: Sequence[Mapping[str, Threshold]]
) -> list[list[list[Any]]]:
    """Return the density of what every float step reads, by level, input and step; None of those that cannot skip."""
    found = []
    try:
        for level in levels:
            program.set_thresholds(level)
            found.append([[step["density"] for step in program.profile(arrays, 1)] for arrays in inputs])
    finally:
        program.reset_thresholds(list(program.threshold_steps))
    return found
