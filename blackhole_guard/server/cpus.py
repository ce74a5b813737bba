"""How many CPUs this process may use: its affinity mask and its control groups' quotas, not the machine's cores.

In a container that may use two CPUs of a machine with 64, 64 workers would only stand in each other's way.
"""

import math
import os
from pathlib import Path


def count_cpus(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Count the usable CPUs, quotas rounded up; at least 1."""
    affinity = len(os.sched_getaffinity(0))
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return max(1, affinity)
    return max(1, math.ceil(min([float(affinity), *(_quota(line, cgroups) for line in lines)])))


def _quota(line: str, cgroups: Path) -> float:
    """Find the smallest quota on the way from one control group to the root (cgroups(7)), in CPUs."""
    _, controllers, path = line.split(":", 2)
    if controllers == "":  # version 2
        root, read = cgroups, _read_v2
    elif "cpu" in controllers.split(","):
        root, read = cgroups / "cpu", _read_v1
    else:
        return math.inf
    parts = [part for part in path.split("/") if part not in ("", "..")]  # what is above a container's root is not seen
    return min(read(root.joinpath(*parts[:depth])) for depth in range(len(parts) + 1))


def _read_v2(group: Path) -> float:
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


def _read_v1(group: Path) -> float:
    try:
        quota = int((group / "cpu.cfs_quota_us").read_text())
        return math.inf if quota <= 0 else quota / int((group / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
