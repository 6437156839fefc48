"""The machine's description."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from zeroskip import system
from zeroskip.system import SystemInfo


def test_collected_information_survives_json() -> None:
    info = SystemInfo.collect()
    assert info.physical_cores >= 1
    assert info.isas[0] == "generic"
    assert info.cpu
    assert {"zeroskip", "numpy"} <= set(info.versions)
    assert SystemInfo.model_validate_json(info.model_dump_json()) == info


def test_absent_package_has_no_version() -> None:
    assert system.installed_version("no-such-package-anywhere") is None


@pytest.mark.parametrize(
    ("quota", "expected"), [("max 100000", 8), ("250000 100000", 3), ("50000 100000", 1), ("", 8), ("-1", 8)]
)
def test_cpu_quota_limits_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, expected: int
) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(system, "_CGROUP", tmp_path)
    monkeypatch.setattr(system, "_core_of", lambda cpu: cpu)
    monkeypatch.setattr(system.os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert system.physical_cores() == expected


def test_hyper_threads_of_a_core_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_CGROUP", tmp_path)
    monkeypatch.setattr(system, "_core_of", lambda cpu: cpu // 2)
    monkeypatch.setattr(system.os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert system.physical_cores() == 4


def test_instruction_sets_are_read_from_the_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name\t: Some CPU\nflags\t\t: sse avx2 fma avx512f\nflags\t\t: amx_tile\n")
    monkeypatch.setattr(system, "_CPUINFO", cpuinfo)
    assert system.cpu_isas() == ("generic", "avx2")
    assert system.cpu_model() == "Some CPU"


def test_looking_at_the_machine_imports_no_engine() -> None:
    code = (
        "import sys; from zeroskip.system import SystemInfo; SystemInfo.collect();"
        "assert not {'torch', 'onnxruntime', 'openvino', 'ncnn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
