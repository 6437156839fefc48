"""The machine's description."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from zeroskip import InferenceSession, SessionOptions, system
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
def test_cpu_quota_limits_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, expected: int) -> None:
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


@pytest.mark.parametrize(
    ("flags", "isas"),
    [
        ("flags : avx2 fma avx_vnni", ("generic", "avx2", "avxvnni")),
        (
            "flags : avx2 fma avx512f avx512bw avx512dq avx512vl avx512_vnni",
            ("generic", "avx2", "avx512", "avx512vnni"),
        ),
        ("Features : fp asimd asimddp", ("generic", "neon", "neondot")),
        ("Features : fp asimd asimddp i8mm", ("generic", "neon", "neondot", "neoni8mm")),
    ],
)
def test_products_of_bytes_are_instruction_sets_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, isas: tuple[str, ...]
) -> None:
    (tmp_path / "cpuinfo").write_text(flags + "\n")
    monkeypatch.setattr(system, "_CPUINFO", tmp_path / "cpuinfo")
    assert system.cpu_isas() == isas


def test_looking_at_the_machine_imports_no_engine() -> None:
    code = (
        "import sys; from zeroskip.system import SystemInfo; SystemInfo.collect();"
        "assert not {'torch', 'onnxruntime', 'openvino', 'ncnn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_quota_of_every_group_above_the_process_binds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "kubepods" / "pod" / "container"
    own.mkdir(parents=True)
    (own / "cpu.max").write_text("max 100000")
    (own.parent / "cpu.max").write_text("50000 100000")
    (tmp_path / "groups").write_text("0::/kubepods/pod/container\n")
    monkeypatch.setattr(system, "_CGROUP", tmp_path)
    monkeypatch.setattr(system, "_OWN_CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(system.os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert system.usable_cpus() == 1
    assert SessionOptions().num_threads == 1
    assert SessionOptions(intra_op_num_threads=3).num_threads == 3


def test_groups_of_version_one_bind_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "cpu" / "docker"
    own.mkdir(parents=True)
    (own / "cpu.cfs_quota_us").write_text("250000")
    (own / "cpu.cfs_period_us").write_text("100000")
    (tmp_path / "groups").write_text("9:memory:/elsewhere\n4:cpu,cpuacct:/docker\n")
    monkeypatch.setattr(system, "_CGROUP", tmp_path)
    monkeypatch.setattr(system, "_OWN_CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(system.os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert system.usable_cpus() == 3


def test_a_session_takes_no_more_threads_than_its_control_group_allows(
    small_network: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zeroskip.engine.options.usable_cpus", lambda: 1)
    assert InferenceSession(small_network).explain().num_threads == 1


@pytest.mark.parametrize("home", [None, ""])
def test_a_user_without_a_home_has_no_cache_folder(monkeypatch: pytest.MonkeyPatch, home: str | None) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(system.os.path, "expanduser", lambda path: path)  # as for a user the system does not know
    if home is not None:
        monkeypatch.setenv("HOME", home)
    assert system.user_cache_folder() is None
