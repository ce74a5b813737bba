"""Where a worker's time goes: py-spy looks at it under load, draws a flame graph and lists the lines that ran most.

Samples are of Python's frames: a system call counts for the line that made it. The worker is stopped for each look,
which costs it a few per cent, all lines alike.
"""

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench import dnsperf, processes
from bench.data import write_dataset
from bench.peers import CLIENT_CPU, Server, running
from bench.programs import program
from bench.queries import SCAN, write_workload
from bench.tables import OURS

_RATE = 500  # looks a second
_TOP = 20
_FRAME = re.compile(r"(?P<function>.+) \((?P<file>.+):(?P<line>\d+)\)")


@dataclass(frozen=True)
class Profile:
    """What was seen."""

    samples: int
    lines: list[tuple[str, float]]  # "file:line (function)", and the share of all samples in which it was running
    functions: list[tuple[str, float]]  # "function (file)", likewise
    flame_graph: Path


def profile(workload_name: str, seconds: float, output: Path, entries: int = 10_000, tcp: bool = False) -> Profile:
    """Load ours with a workload, look at its worker, and write the flame graph (SVG) to `output`."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        dataset = write_dataset(Path(name) / "data", 1_000_000 if workload_name == SCAN else entries)
        workload = write_workload(workload_name, dataset, Path(name))
        arguments = ("-m", "tcp", "-c", "8", "-q", "200") if tcp else dnsperf.SATURATING
        with running(OURS, dataset) as server:
            words = dnsperf.command(server.port, workload, 2 * seconds + 5, arguments)
            with subprocess.Popen(_pinned(words), stdout=subprocess.DEVNULL) as load:
                try:
                    return _look(_worker(server), seconds, output, Path(name) / "raw")
                finally:
                    load.terminate()


def _worker(server: Server) -> int:
    return next(pid for pid in server.pids if processes.name_of(pid).startswith("guard-worker"))


def _pinned(words: list[str]) -> list[str]:
    return [program("taskset"), "--cpu-list", str(CLIENT_CPU), *words]


def _look(pid: int, seconds: float, output: Path, raw: Path) -> Profile:
    output.parent.mkdir(parents=True, exist_ok=True)
    for form, path in (("raw", raw), ("flamegraph", output)):
        words = [program("py-spy"), "record", "--pid", str(pid), "--rate", str(_RATE), "--duration", f"{seconds:.0f}"]
        done = subprocess.run(
            _pinned([*words, "--format", form, "--output", str(path)]), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"py-spy: {done.stderr}")
    samples, lines, functions = count_stacks(raw.read_text().splitlines())
    return Profile(samples, lines, functions, output)


def count_stacks(stacks: Iterable[str]) -> tuple[int, list[tuple[str, float]], list[tuple[str, float]]]:
    """Count what was running, the last frame of each stack, in py-spy's raw format: `frame;frame;frame count`.

    Returns:
        the number of samples; lines, and functions, with their shares, the most frequent first.
    """
    lines: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for stack in stacks:
        frames, _, count = stack.rpartition(" ")
        last = _FRAME.fullmatch(frames.split(";")[-1])
        if last is None:
            continue  # a thread without a frame of Python
        lines[f"{last['file']}:{last['line']} ({last['function']})"] += int(count)
        functions[f"{last['function']} ({last['file']})"] += int(count)
    total = sum(lines.values())
    return total, _shares(lines, total), _shares(functions, total)


def _shares(counted: Counter[str], total: int) -> list[tuple[str, float]]:
    return [(name, count / total) for name, count in counted.most_common(_TOP)]
