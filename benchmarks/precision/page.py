"""The page of low precision, made of the results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from zeroskip.calibration.judging.statistics import net_interval
from zeroskip.saved_value import SavedValue

from ..page.words import table
from ..page.wrap import wrap
from .result import RESULTS, AccuracyResult, LayersResult, NetworkResult, Rival, Way

_Result = TypeVar("_Result", bound=SavedValue)

_TITLE = """# Low precision

<!-- Written by `python -m benchmarks.precision.run page`; do not edit. -->

int8 here beside int8 of ONNX Runtime and OpenVINO, each quantised by its own tool from the same pictures, and beside
this engine's float32. Batch 1. Engines take turns in one run, each in a process of its own; ratios are medians of one
run, in brackets their 95 % interval over rounds, and times of different runs cannot be compared. Which precision to
take is told in [precision](../precision.md).

The CPU that these were measured on has AVX2 and neither VNNI, AMX nor products of bf16: **bf16 was not timed at all,
and int8 not on CPUs with VNNI**. On this CPU ONNX
Runtime's u8 x s8 products saturate: its documentation advises `reduce_range` on such CPUs, which is not its default and
was not set.
"""
_NETWORKS = """## Networks

Random weights (they cost about what trained ones cost), scales from a few photographs, by `zeroskip.quantize` for
zeroskip, by ONNX Runtime's tool and by NNCF for the others; *same model* is OpenVINO on zeroskip's. Columns of other
engines are their time over that of zeroskip's int8: **above 1 zeroskip is faster**.
"""
_LAYERS = """## Layers

The 53 convolutions of ResNet-50, times added up, each algorithm forced for all of them; above 1 skipping is faster.
*Recorded*: zeros that a threshold leaves in the maps of a trained ResNet-50 on a photograph. *Independent*: the same
values in other places. Kernels take two neighbouring pixels at a time, which share more zeros in real maps than in
random ones.
"""
_CHOICE = """The choice that each tile makes, over the better of the two algorithms for each layer, geometric mean over
densities: by the core's own crossovers, and by those that the cost model finds on this machine. int8 keeps the core's
unless the others are clearly better.
"""
_MODEL = """## Predicted times

What the [cost model](../architecture.md#the-cost-model) says of a whole network at the densities that were met, over
the sum of its steps' measured times. The machine is a shared one whose speed swings by a third and more: how fast it
was, told by dense float32 layers of a ResNet-18 before and after each run, is taken out of the measured times and
stands behind them. The aim is 0.85 to 1.15. Repetitions gave 0.81 to 1.43 for the same case (float32, 80 % zeros, two
threads), so no single figure is worth more than that. Zeros of random weights lie together more than those of trained
ones (correlation of neighbours .8, the probes have .5); by itself that makes predictions 4 to 6 % too high.
"""
_ACCURACY = """## Accuracy, and time beside it

Trained networks. Half of the pictures chose scales, thresholds and layers to keep in float32; answers were counted on
the other half, by the engine that is to run the model; where twice as many judge as chose, either half chose for the
other. *Drop*: share of pictures that float32 answers rightly, less this one's, and its 95 % interval; where there are
no labels, right is what float32 says. *Time*: over that of int8 with thresholds, in one
run; above 1 it is slower than that.
"""
_WAYS = {
    "float32": "zeroskip float32, exact",
    "int8": "zeroskip int8, exact",
    "int8_thresholds": "zeroskip int8, thresholds",
    "onnxruntime_int8": "ONNX Runtime int8",
    "openvino_int8": "OpenVINO int8 (NNCF)",
}
_NAMES = {
    "resnet50": "ResNet-50",
    "resnet18": "ResNet-18",
    "squeezenet": "SqueezeNet",
    "mobilenet_v2": "MobileNetV2",
    "efficientnet_lite0": "EfficientNet-Lite0",
}
_TYPES = {"float32": "float32", "u8": "int8", "bf16": "bf16"}


def page() -> str:
    """Return the page in Markdown."""
    networks = _load("networks", NetworkResult)
    parts = [_TITLE, *_network_section(networks), *_accuracy_section(), *_layer_section(), *_model_section(networks)]
    return wrap("\n".join(parts))


def _load(folder: str, kind: type[_Result]) -> list[_Result]:
    return [kind.load(path) for path in sorted((RESULTS / folder).glob("*.json"))]


def _network_section(results: Sequence[NetworkResult]) -> list[str]:
    if not results:
        return []
    rows = []
    for result in results:
        by_label = {item.label: item for item in result.rivals}
        ours = by_label["int8"]
        others = ("float32", "onnxruntime_int8", "openvino_int8", "openvino_same")
        mark = " (unstable)" if result.is_unstable else ""
        rows.append(
            [
                f"{_proper(result.network)}{mark}",
                "-" if ours.sparsity is None else f"{ours.sparsity:.0%}",
                str(result.threads),
                f"{ours.latency_ms:.1f} ms",
                *(_gain(by_label[label]) for label in others),
            ]
        )
    header = ["network", "zeros", "threads", "int8", "float32", "ONNX Runtime", "OpenVINO", "same model"]
    first = results[0]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(first.versions.items()) if name != "zeroskip")
    return [_NETWORKS, table(header, rows), "", f"{first.cpu}, {first.isa}, {versions}, {first.date[:10]}.", ""]


def _gain(rival: Rival) -> str:
    assert rival.gain is not None
    ratio, low, high = rival.gain
    return f"{ratio:.2f} ({low:.2f} to {high:.2f})"


def _accuracy_section() -> list[str]:
    results = _load("accuracy", AccuracyResult)
    if not results:
        return []
    timed = {item.network: item for item in _load("trained", NetworkResult)}
    rows = []
    for result in results:
        run = timed.get(result.network)
        times = {item.label: item for item in run.rivals} if run else {}
        name = _proper(result.network) + (" (times unstable)" if run and run.is_unstable else "")
        for way in result.ways:
            rows.append([name, _WAYS[way.name], *_accuracy_cells(result, way), _time(way, times)])
    header = ["network", "engine", "right", "drop", "lost and won", "time"]
    one = results[0]
    counts = f"{one.choosing} pictures chose each model; budget of ours: {100 * one.max_drop:g} point."
    return [_ACCURACY, table(header, rows), "", counts, "", *_findings(results, timed)]


def _accuracy_cells(result: AccuracyResult, way: Way) -> list[str]:
    what = "top-1" if result.metric == "top1" else "same answer"
    low, high = net_interval(way.lost, way.won, result.unseen)
    drop = "0" if way.name == "float32" else f"{100 * way.drop:.1f} points ({100 * low:.1f} to {100 * high:.1f})"
    return [f"{what} {way.right:.1%}", drop, f"-{way.lost} +{way.won} of {result.unseen}"]


def _time(way: Way, times: dict[str, Rival]) -> str:
    if way.name not in times:
        return "-"
    item = times[way.name]
    return f"1 ({item.latency_ms:.1f} ms)" if item.gain is None else _gain(item)


def _findings(results: Sequence[AccuracyResult], timed: dict[str, NetworkResult]) -> list[str]:
    """Say of each network whether the budget held on unseen pictures, and who is faster at no larger drop."""
    lines = []
    for result in results:
        ways = {way.name: way for way in result.ways}
        ours = ways["int8_thresholds"]
        held = "keeps" if ours.drop <= result.max_drop else "**does not keep**"
        line = f"- **{_proper(result.network)}**: int8 with thresholds {held} the point on unseen pictures."
        if result.network in timed:
            rivals = {item.label: item for item in timed[result.network].rivals}
            for name in ("onnxruntime_int8", "openvino_int8"):
                line += " " + _verdict(_WAYS[name], ways[name], ours, rivals[name])
        lines.append(line)
    return [*lines, ""]


def _verdict(name: str, peer: Way, ours: Way, rival: Rival) -> str:
    assert rival.gain is not None
    ratio, low, high = rival.gain
    speed = (
        "is as fast" if low <= 1.0 <= high else f"takes {ratio:.2f} times the time" if ratio > 1 else "**is faster**"
    )
    worse = 100 * (peer.drop - ours.drop)
    accuracy = "at the same accuracy, within a point"
    if abs(worse) >= 1.0:
        accuracy = f"and {abs(worse):.1f} points {'worse' if worse > 0 else 'better'}"
    return f"{name} {speed} {accuracy}."


def _layer_section() -> list[str]:
    results = _load("layers", LayersResult)
    if not results:
        return []
    densities = [row.density for row in results[0].rows]
    speeds, crossings, choices = [], [], []
    for result in results:
        setting = [_TYPES[result.dtype], result.zeros, str(result.threads)]
        ratios = [result.total(row.dense_ms) / result.total(row.sparse_ms) for row in result.rows]
        speeds.append([*setting, *(f"{ratio:.2f}" for ratio in ratios)])
        crossings.append([*setting, *(f"{low:.2f} to {high:.2f}" for low, high in result.crossovers().values())])
        choices.append([*setting, f"{result.regret('auto'):.2f}", f"{result.regret('probed'):.2f}"])
    setting = ["type", "zeros", "threads"]
    kinds = list(results[0].crossovers())
    return [
        _LAYERS,
        table([*setting, *(f"{1 - density:.0%} zeros" for density in densities)], speeds),
        "",
        "Density at which a layer takes the same time either way, by kernel and stride, lowest to highest layer:",
        "",
        table([*setting, *kinds], crossings),
        "",
        _CHOICE,
        table([*setting, "core's crossovers", "probed crossovers"], choices),
        "",
    ]


def _model_section(networks: Sequence[NetworkResult]) -> list[str]:
    rows = [
        [
            _proper(result.network),
            "natural" if result.sparsity is None else f"{result.sparsity:.0%}",
            str(result.threads),
            *(
                f"{item.ratio:.2f} ({item.predicted_ms:.1f} of {item.measured_ms:.1f} ms, speed {item.speed:.2f})"
                for item in result.predictions
            ),
        ]
        for result in networks
    ]
    if not rows:
        return []
    return [_MODEL, table(["network", "zeros", "threads", "float32", "int8"], rows), ""]


def _proper(network: str) -> str:
    return _NAMES.get(network, network)
