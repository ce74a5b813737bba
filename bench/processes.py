"""What a process and all its children use, as /proc tells it: CPU time and memory.

proc(5): /proc/PID/stat, fields 14 and 15; /proc/PID/smaps_rollup; /proc/PID/task/TID/children.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds


@dataclass(frozen=True)
class Usage:
    """What a process has used of a CPU since its start, in seconds."""

    user: float
    system: float

    @property
    def total(self) -> float:
        return self.user + self.system


def parse_stat(text: str) -> Usage:
    """The CPU time in a line of /proc/PID/stat. Ended children do not count.

    The command's name, in parentheses, may hold spaces and parentheses itself.
    """
    fields = text[text.rindex(")") + 2 :].split()  # from field 3, the state
    return Usage(int(fields[11]) * _TICK, int(fields[12]) * _TICK)


def parse_rollup(text: str) -> int:
    """The proportional share (PSS), in KiB, in /proc/PID/smaps_rollup: of a page that n processes map, an n-th."""
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def tree(pid: int) -> list[int]:
    """A process and all its descendants that live."""
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        found.append(each)
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time, user and system, of a process and its living descendants, all threads."""
    return sum(usage_of(each).total for each in tree(pid))


def usage_of(pid: int) -> Usage:
    """CPU time of one process, all its threads; none when it has ended."""
    with contextlib.suppress(OSError):
        return parse_stat(Path(f"/proc/{pid}/stat").read_text())
    return Usage(0, 0)


def pss_kib(pid: int) -> int:
    """Proportional share of memory, in KiB, of a process and its living descendants; mapped files count, too."""
    total = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            total += parse_rollup(Path(f"/proc/{each}/smaps_rollup").read_text())
    return total


def name_of(pid: int) -> str:
    """The name that a process shows; empty when it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""
