"""Who goes before whom where the CPUs are busy: answers before all else, and no load for ever behind them.

A load at a normal priority takes every other turn of a CPU, and a worker that wakes up waits milliseconds for its own.
Under SCHED_IDLE (sched(7)) it runs where nobody else wants to, on whichever CPU that is, and is interrupted at once.
But behind a worker that is always busy it gets 0.3 % of the CPU: 20 minutes for a million entries. So whoever started
it sees how long it waits (`seconds_waited`), and begins anew with `be_modest`: a tenth of the CPU, and some delays.
"""

import contextlib
import os

from blackhole_guard.server import system

_LOWEST = 19
_PROMPT = 1e-4  # seconds: the shortest slice that there is
_MODEST = 10  # niceness: a tenth of the CPU beside one busy process of niceness 0 (sched(7), nice(2))


def yield_to_all() -> None:
    """Have this process run only when no other wants to."""
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):  # a container may forbid sched_setscheduler(2)
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            return
    with contextlib.suppress(OSError):
        os.nice(_LOWEST)


def be_prompt() -> None:
    """Have this process go on soon after it was woken up, before the server's other processes.

    A worker sleeps until there is a query. With a slice like all others' it may find the supervisor in a fork that
    takes 2 ms (25 queries of 10,000 a second); with a short one it goes before it (python -m bench reloads).
    """
    with contextlib.suppress(OSError):  # musl does not ask for policies, a container may forbid either call
        # What somebody has chosen for the whole server (CPUSchedulingPolicy= of systemd) stays.
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            system.set_slice(_PROMPT)


def be_modest() -> None:
    """Have this process get the smaller share beside others, but a share."""
    with contextlib.suppress(OSError):
        os.nice(_MODEST)


def seconds_waited(pid: int) -> float:
    """How long a process could have run and had no CPU, from its start on; 0 where the kernel does not say."""
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            return int(file.read().split()[1]) / 1e9  # Documentation/scheduler/sched-stats.rst
    except (OSError, ValueError, IndexError):
        return 0.0
