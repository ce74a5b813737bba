"""How fast `scan` goes through captures, and in how much memory, beside tcpdump with a filter of the same addresses.

Whole commands, from their start to their end; the files are in the page cache. What is found must be exact, or there is
no figure. tcpdump is given the addresses alone: it finds nothing behind VLAN tags, and reads no messages.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench import captures
from bench.captures import Expected
from bench.programs import ROOT, program
from bench.tables import OURS, Column, Table

TCPDUMP, IN_PYTHON = "tcpdump", "without libpcap"
_FILTER = "net 192.175.48.0/24 or net 192.31.196.0/24 or net 2620:4f:8000::/48 or net 2001:4:112::/48"


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    packets: int = 5_000_000
    rounds: int = 5
    kinds: Sequence[str] = captures.KINDS


def measure(plan: Plan) -> Table:
    """Scan each capture in turns with the others."""
    columns = (
        Column("rate", "million packets a second", 2, is_compared=True, scale=1e-6, more_is_better=True),
        Column("memory", "memory of all processes, MB", 1, scale=1e-6, of="max"),
    )
    table = Table("scan", "Scanning captures", "capture", "program", columns)
    for kind in plan.kinds:
        path, expected = captures.write(kind, plan.packets)
        size = path.stat().st_size
        table.notes.append(f"{kind}: {size / 1e6:,.0f} MB.")
        for _ in range(plan.rounds):
            for subject, words in _commands(kind, path).items():
                seconds, memory, out = _run(words)
                if subject != TCPDUMP:
                    check(json.loads(out), expected)
                table.add(kind, subject, rate=plan.packets / seconds, memory=memory)
    table.notes.append(f"{plan.packets:,} packets, 1 % of them to the sinks or from them; each leak is found.")
    return table


def _commands(kind: str, path: Path) -> dict[str, list[str]]:
    scan = [sys.executable, "-m", "blackhole_guard", "scan", "--json"]
    # -Z root: it would become a user that Debian's package makes, and nothing is installed here.
    tcpdump = f"{program('tcpdump')} -Z root -r {{}} -w /dev/null '{_FILTER}'"
    unpacked = f"{program('gzip')} -dc {path} | {tcpdump.format('-')}"
    return {
        OURS: [*scan, str(path)],
        IN_PYTHON: [*scan, "--without-libpcap", str(path)],
        TCPDUMP: ["sh", "-c", unpacked if kind == "gzip" else f"exec {tcpdump.format(path)}"],
    }


def _run(words: list[str]) -> tuple[float, int, bytes]:
    """Run a command: seconds, octets of memory at most, what it printed (less than a pipe holds)."""
    started = time.perf_counter()
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=_environment()
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        with ThreadPoolExecutor(1) as pool:
            watched = pool.submit(_watch_memory, process.pid)
            # Not `wait`: who looks at the process in a loop takes time from it, and sees its end too late.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            seconds = time.perf_counter() - started
        out, said = process.stdout.read(), process.stderr.read()
    if process.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}: {said.decode(errors='replace')}")
    return seconds, watched.result(), out


def _watch_memory(pid: int) -> int:
    """The most that a process and its children have taken, until it ends."""
    most = now = _most_memory(pid)
    while now:
        most = max(most, now + sum(map(_most_memory, _children(pid))))
        time.sleep(0.05)
        now = _most_memory(pid)
    return most


def _most_memory(pid: int) -> int:
    """The most that a process has taken so far; rusage would count what our fork had before it became that process."""
    with suppress(FileNotFoundError, ProcessLookupError):  # a child may have ended meanwhile
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _children(pid: int) -> list[int]:
    """The processes that a process has started and that are still there."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _environment() -> dict[str, str]:
    """Ours finds libpcap where script/peers has put it, as tcpdump does."""
    libraries = sorted((ROOT / ".cache" / "peers" / "root" / "usr" / "lib").glob("*/libpcap.so.0.8"))
    return {**os.environ, "LD_LIBRARY_PATH": str(libraries[0].parent)} if libraries else dict(os.environ)


def check(report: dict[str, object], expected: Expected) -> None:
    """End if a count is not exact."""
    rows = report["blocks"]
    assert isinstance(rows, list)
    found = {row["block"]: row["leaks"] for row in rows}
    sums = {key: sum(row[key] for row in rows) for key in ("answered", "updates")}
    if found != dict(expected.leaks) or sums != {"answered": expected.responses, "updates": expected.updates}:
        raise SystemExit(f"found {found} and {sums}, where there are {expected}")
