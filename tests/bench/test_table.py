"""The table says everything that matters within 80 columns."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from zeroskip.bench import BenchResult, EngineResult, render_table
from zeroskip.system import SystemInfo


def row(label: str, engine: str, p50_ms: float, **changes: Any) -> EngineResult:
    values: dict[str, Any] = {
        "label": label,
        "engine": engine,
        "version": "1.2.3",
        "description": "2 threads",
        "precision": "f32",
        "threads": 2,
        "model_sha256": "00",
        "load_ms": 10.0,
        "p50_ms": p50_ms,
        "p90_ms": 1.1 * p50_ms,
        "p99_ms": 1.3 * p50_ms,
        "mean_ms": p50_ms,
        "throughput": 1e3 / p50_ms,
        "iterations": 100,
        "round_p50_ms": (p50_ms, 1.02 * p50_ms, 9.0 * p50_ms),
        "relative_difference": 1e-6,
        "is_match": True,
        "sparsity_seen": None,
        "gflops": 180.0,
    }
    return EngineResult(**{**values, **changes})


def result(*rows: EngineResult, **changes: Any) -> BenchResult:
    values: dict[str, Any] = {
        "date": "2026-01-01T00:00:00+00:00",
        "command": "zeroskip bench",
        "system": SystemInfo.collect(()),
        "data": "500 images",
        "is_random_input": False,
        "batch_size": 1,
        "threads": 2,
        "precision": "f32",
        "seconds": 10.0,
        "tolerance": 1e-3,
        "dropped_rounds": (2,),
        "is_unstable": False,
        "rows": rows,
    }
    return BenchResult(**{**values, **changes})


OURS = row("zeroskip", "zeroskip", 10.0, sparsity_seen=0.534)
REFERENCE = row("onnxruntime", "onnxruntime", 25.0, relative_difference=None, is_match=None)


def shown(shown_result: BenchResult, width: int = 80) -> str:
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(render_table(shown_result))
    return capture.get()


def test_everything_fits_into_80_columns() -> None:
    text = shown(result(OURS, REFERENCE))
    assert "…" not in text
    for expected in ("zeroskip", "10.00", "2.50", "(2.50-2.50)", "53.4%", "1e-06", "180", "vs onnxruntime"):
        assert expected in " ".join(text.split()), text
    assert "3 interleaved rounds, 1 left out, 10 s per engine" in text
    assert "onnxruntime: 1.2.3, f32, 2 threads" in text


def test_best_peer_is_one_of_the_same_precision() -> None:
    lower = row("openvino:bf16", "openvino", 5.0, precision="bf16")
    slower = row("ncnn", "ncnn", 30.0)
    peer = result(OURS, slower, REFERENCE, lower).best_peer
    assert peer is not None
    assert peer.label == "onnxruntime"
    assert result(OURS, REFERENCE).speedup_over_best_peer == {"zeroskip": 2.5, "onnxruntime": 1.0}
    assert result(OURS).best_peer is None
    assert result(OURS).speedup_over_best_peer is None
    assert "speed-up" in shown(result(OURS))


def test_what_spoils_a_result_is_said_loudly() -> None:
    wrong = row("ncnn", "ncnn", 5.0, is_match=False, relative_difference=float("inf"))
    text = " ".join(shown(result(REFERENCE, wrong, is_random_input=True, is_unstable=True)).split())
    assert "Outputs do not match: ncnn" in text
    assert "inf !" in text
    assert "The inputs are noise" in text
    assert "The machine was too busy" in text


def test_infinite_difference_survives_json() -> None:
    wrong = result(REFERENCE, row("ncnn", "ncnn", 5.0, is_match=False, relative_difference=float("inf")))
    assert BenchResult.model_validate_json(wrong.model_dump_json()) == wrong


def test_a_result_prints_as_the_table_without_colour() -> None:
    printed = str(result(OURS, REFERENCE))
    assert "2.50 (2.50-2.50)" in printed
    assert "\x1b" not in printed
    assert max(map(len, printed.splitlines())) <= 100
