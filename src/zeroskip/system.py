"""What machine this is: processor, cores this process may use, instruction sets, installed versions.

Reads ``/proc``, ``/sys`` and package metadata only; imports none of the packages it reports, so it costs
nothing.
"""

from __future__ import annotations

import math
import os
import platform
import re
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict

from .short_repr import ShortRepr

ENGINE_PACKAGES = ("onnxruntime", "openvino", "ncnn", "pnnx", "torch", "deepsparse")

_CPUINFO = Path("/proc/cpuinfo")
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/{}"
# Flags of /proc/cpuinfo that must all be present for the word of ours on the left; aarch64 says asimd for
# NEON.
_ISA_FLAGS: tuple[tuple[str, frozenset[str]], ...] = (
    ("avx2", frozenset({"avx2", "fma"})),
    ("avxvnni", frozenset({"avx_vnni"})),
    ("avx512", frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl"})),
    ("avx512vnni", frozenset({"avx512_vnni"})),
    ("avx512vbmi2", frozenset({"avx512_vbmi2"})),
    ("avx512bf16", frozenset({"avx512_bf16"})),
    ("amx", frozenset({"amx_tile"})),
    ("neon", frozenset({"asimd"})),
    ("neondot", frozenset({"asimddp"})),
    ("neoni8mm", frozenset({"i8mm"})),
)


class SystemInfo(ShortRepr, BaseModel):
    """The machine a measurement was made on.

    Attributes:
        cpu: Model name of the processor.
        isas: Instruction sets it offers, in the words of this package.
        physical_cores: Cores this process may use.
        platform: Operating system and architecture.
        python: Version of the interpreter.
        versions: Installed version by package; packages that are not installed are left out.
    """

    model_config = ConfigDict(frozen=True)

    cpu: str
    isas: tuple[str, ...]
    physical_cores: int
    platform: str
    python: str
    versions: dict[str, str]

    @classmethod
    def collect(cls, packages: Sequence[str] = ENGINE_PACKAGES) -> SystemInfo:
        """Look at the machine this process runs on.

        Args:
            packages: Distributions whose versions are of interest, besides zeroskip and NumPy.
        """
        found = {name: installed_version(name) for name in ("zeroskip", "numpy", *packages)}
        return cls(
            cpu=cpu_model(),
            isas=cpu_isas(),
            physical_cores=physical_cores(),
            platform=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
            versions={name: version for name, version in found.items() if version is not None},
        )


def cpu_model() -> str:
    """Return the processor's model name, or the architecture where the system does not tell."""
    return _cpuinfo_value("model name") or platform.processor() or platform.machine()


def cpu_isas() -> tuple[str, ...]:
    """Return the instruction sets the processor offers, ``generic`` first.

    Example:
        >>> cpu_isas()[0]
        'generic'
    """
    flags = set((_cpuinfo_value("flags") or _cpuinfo_value("Features")).split())
    return ("generic", *(isa for isa, needed in _ISA_FLAGS if needed <= flags))


def physical_cores() -> int:
    """Return how many physical cores this process may use, >= 1.

    Honours the affinity mask (``taskset``) and the CPU quota of the control group (containers): threads
    beyond either only wait for one another. Hyper-threads of one core count once.
    """
    if sys.platform != "linux":
        return usable_cpus()
    return min(len({_core_of(cpu) for cpu in os.sched_getaffinity(0)}), usable_cpus())


def usable_cpus() -> int:
    """Return how many CPUs this process may use at once, >= 1; hyper-threads count each.

    Honours the affinity mask and the CPU quota of the control group, rounded up: a container with half a core
    gets one.
    """
    if sys.platform != "linux":
        return max(1, os.cpu_count() or 1)
    cpus = len(os.sched_getaffinity(0))
    return max(1, min(cpus, _quota_cores() or cpus))


def available_memory_bytes() -> int | None:
    """Return how much memory this process could still get, by the kernel and its control group; None if unknown."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _read(_MEMINFO), re.MULTILINE)
    free = [int(found[1]) * 1024] if found else []
    limit, used = _read(_CGROUP / "memory.max").strip(), _read(_CGROUP / "memory.current").strip()
    if limit.isdigit() and used.isdigit():
        free.append(max(0, int(limit) - int(used)))
    return min(free, default=None)


def cache_bytes(level: int) -> int:
    """Return the size of a core's data cache, 0 where the system does not tell.

    Args:
        level: 1, 2 or 3.
    """
    for folder in sorted(_CACHES.glob("index*")):
        if _read(folder / "level") == str(level) and _read(folder / "type") in ("Data", "Unified"):
            kilobytes = _read(folder / "size").removesuffix("K")
            return int(kilobytes) << 10 if kilobytes.isdigit() else 0
    return 0


def user_cache_folder() -> Path | None:
    """Return the folder for what may be kept between runs and lost at any time; it may not exist yet.

    ``$XDG_CACHE_HOME/zeroskip``, or ``~/.cache/zeroskip`` (XDG Base Directory Specification; a relative path in
    the variable is invalid and ignored). None where the user has no home, as in many containers.
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    base = given if given.is_absolute() else Path(os.path.expanduser("~")) / ".cache"
    return base / "zeroskip" if base.is_absolute() else None


def installed_version(package: str) -> str | None:
    """Return the installed version of a distribution, or None. The package is not imported.

    Args:
        package: Name of the distribution, for example ``"onnxruntime"``.
    """
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return _own_version() if package == "zeroskip" else None


def _own_version() -> str:
    from . import __version__  # a source tree on the path has no metadata

    return __version__


def _cpuinfo_value(key: str) -> str:
    for line in _read(_CPUINFO).splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def _core_of(cpu: int) -> tuple[str, str]:
    package = _read(Path(_TOPOLOGY.format(cpu, "physical_package_id")))
    core = _read(Path(_TOPOLOGY.format(cpu, "core_id")))
    return package, core or f"cpu{cpu}"


def _quota_cores() -> int | None:
    """Return the CPU quota of the control groups in whole cores, rounded up, or None without a quota.

    Every group above the process's own binds too. Inside a container the root is usually the container's own group.
    """
    quotas = [quota for folder in _cgroup_folders() if (quota := _quota_of(folder)) is not None]
    return math.ceil(min(quotas)) if quotas else None


def _cgroup_folders() -> list[Path]:
    """Return the folders of the control groups that limit this process, versions 1 and 2, roots included."""
    folders = {_CGROUP, _CGROUP / "cpu"}
    for line in _read(_OWN_CGROUPS).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers or "cpu" in controllers.split(","):
            own = PurePosixPath(path.lstrip("/"))
            root = _CGROUP / "cpu" if controllers else _CGROUP
            folders |= {root / part for part in (own, *own.parents) if ".." not in part.parts}
    return sorted(folders)


def _quota_of(folder: Path) -> float | None:
    quota, _, period = _read(folder / "cpu.max").partition(" ")  # version 2: "200000 100000" or "max 100000"
    if not period:
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    try:
        cores = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return cores if cores > 0 else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
