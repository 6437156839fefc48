"""``zeroskip analyze``: will my model get faster, and by how much?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .command import command
from .console import Stages, Terminal
from .data_options import DataOptions, RandomInputOption, show_notes
from .options import EngineOptions, ModelArgument

if TYPE_CHECKING:
    from ..analysis import SparsityProfile
    from ..data import Dataset
    from ..onnx import LoadedModel

_COMPARISON_SECONDS, _COMPARISON_ROUNDS = 3.0, 12
"""For each engine: enough rounds for an interval that a few bad ones do not move."""


@command
def analyze(
    terminal: Terminal,
    model: ModelArgument,
    data: DataOptions,
    engine: EngineOptions,
    samples: Annotated[int, typer.Option(help="Inputs to look at, at most.", min=1)] = 64,
    compare: Annotated[
        bool, typer.Option("--compare/--no-compare", help="Time ONNX Runtime beside it, if installed.")
    ] = True,
    random_input: RandomInputOption = False,
) -> None:
    """Measure sparsity and time per layer on your data, and predict what more zeros would bring.

    Answers in one sentence whether the model gets faster. Nothing is changed or written, except by --json.

    Example: zeroskip analyze model.onnx --data photos/ --preprocess imagenet
    """
    from ..analysis import analyze as run_analysis
    from ..onnx import LoadedModel
    from ..report import render_profile

    loaded = LoadedModel.of(model)
    inputs = data.open_or_noise(loaded, random_input)
    show_notes(terminal, inputs)
    with terminal.progress() as progress:
        profile = run_analysis(
            loaded,
            inputs,
            batch_size=engine.batch_size,
            threads=engine.threads,
            isa=engine.isa,
            samples=samples,
            random_input=random_input,
            progress=progress,
        )
        if compare:
            profile = _compared(profile, loaded, inputs, engine, random_input, progress)
    terminal.show(render_profile(profile))
    terminal.json(profile.model_dump_json(indent=2))


def _compared(
    profile: SparsityProfile,
    model: LoadedModel,
    data: Dataset,
    engine: EngineOptions,
    random_input: bool,
    progress: Stages,
) -> SparsityProfile:
    from ..analysis import Reference
    from ..baselines import available_engines
    from ..bench import bench

    peer = "onnxruntime"
    if peer not in available_engines():
        return profile
    measured = bench(
        model,
        data,
        (peer, "zeroskip"),
        threads=profile.threads,
        batch_size=engine.batch_size,
        seconds=_COMPARISON_SECONDS,
        rounds=_COMPARISON_ROUNDS,
        isa=engine.isa,
        random_input=random_input,
        progress=progress,
    )
    return profile.compared_with(
        Reference(
            engine="ONNX Runtime",
            version=measured[peer].version,
            latency_ms=measured[peer].p50_ms,
            zeroskip_latency_ms=measured["zeroskip"].p50_ms,
            gain=measured.gain("zeroskip", over=peer),
            is_busy=measured.is_busy,
        )
    )
