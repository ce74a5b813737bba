"""A million PTR records through the whole program: `check`, a cold `serve` up to its first answer, reloads.

    .venv/bin/python -m bench.million                      # a million; prints a table
    .venv/bin/python -m bench.million --entries 100000 --workers 2

Times are those an operator waits; memory is each process's peak (VmHWM), and for what stays its share (PSS), too, since
workers share the snapshot's pages. The maps are the same for the same number of entries.
"""

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

from bench.peers import ask, free_port

FILES = 16  # a file may have 64 MiB
_FIRST = int(IPv4Address("10.0.0.0"))
_MEBI = 1024


@dataclass
class Peaks:
    """The most memory that each process of a tree had at once, in KiB, by the process's name."""

    peaks: dict[str, int] = field(default_factory=dict)

    @contextlib.contextmanager
    def watching(self, pid: int) -> Iterator[None]:
        """Watch a process and its children while the body runs."""
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(pid, done))
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()

    def _watch(self, pid: int, done: threading.Event) -> None:
        while not done.wait(0.01):
            for each in (pid, *children_of(pid)):
                name, peak = memory_of(each, "VmHWM:")
                # A child has its parent's name until it has one of its own.
                if each == pid or name.startswith("guard-"):
                    shown = "main" if each == pid else name
                    self.peaks[shown] = max(self.peaks.get(shown, 0), peak)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def memory_of(pid: int, what: str) -> tuple[str, int]:
    """A process's name, and a line of its status in KiB; ("", 0) when it has ended."""
    with contextlib.suppress(OSError):
        lines = [line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
        values = {words[0]: words[1] for words in lines if len(words) > 1}
        return values["Name:"], int(values.get(what, 0))
    return "", 0


def share_of(pid: int) -> int:
    """A process's proportional share of memory (PSS) in KiB."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def write_maps(directory: Path, entries: int, *, changed: int = 0) -> set[int]:
    """Write the maps; `changed` of the entries, which are returned, have another name than at first."""
    directory.mkdir(exist_ok=True)
    chance = random.Random(1918)
    other = set(chance.sample(range(entries), changed))
    for number in range(FILES):
        first, after = entries * number // FILES, entries * (number + 1) // FILES
        with (directory / f"{number:02}.yaml").open("w") as file:
            file.write("zone: 10.0.0.0/8\nptr:\n")
            for entry in range(first, after):
                suffix = "-new" if entry in other else ""
                file.write(f"  {IPv4Address(_FIRST + entry)}: host{entry}{suffix}.rack{entry % 997}.example.com\n")
    return other


def query_for(entry: int) -> bytes:
    """A query for the PTR of an entry."""
    labels = IPv4Address(_FIRST + entry).reverse_pointer.split(".")
    name = b"".join(bytes((len(label),)) + label.encode() for label in labels)
    return b"\x12\x34\0\0\0\1\0\0\0\0\0\0" + name + b"\0\0\x0c\0\1"


class Run:
    """One measurement, in a directory of its own."""

    def __init__(self, directory: Path, entries: int, workers: int) -> None:
        self._directory = directory
        self._entries = entries
        self._port = free_port()
        self._config = directory / "config.yaml"
        self._config.write_text(
            f"server:\n  listen: [127.0.0.1:{self._port}]\n  workers: {workers}\n  state_dir: {directory}/state\n"
            f"telemetry: {{listen: 127.0.0.1:{free_port()}}}\ninclude: [maps/*.yaml]\n"
        )

    def measure(self) -> None:
        """Do everything once and print it."""
        write_maps(self._directory / "maps", self._entries)
        size = sum(path.stat().st_size for path in (self._directory / "maps").iterdir())
        print(f"{self._entries} entries, {size / 1e6:.1f} MB of YAML in {FILES} files, {os.cpu_count()} CPUs")
        print(f"{'':34}{'seconds':>8}  peak MiB of each process")
        self._command("check", "check")
        self._serve("serve, cold, to the first answer", reloads=True)
        self._serve("serve again, nothing has changed", reloads=False)
        for name in sorted(os.listdir(self._directory / "state")):
            print(f"{name}: {(self._directory / 'state' / name).stat().st_size / 1e6:.1f} MB")

    def _command(self, label: str, *words: str) -> None:
        command = [sys.executable, "-m", "blackhole_guard", *words, "--config", str(self._config)]
        peaks, begun = Peaks(), time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        with process, peaks.watching(process.pid):
            output, _ = process.communicate(timeout=600)
        self._print(label, time.monotonic() - begun, peaks)
        if process.returncode:
            raise SystemExit(f"{label}: exit code {process.returncode}\n{output.decode(errors='replace')[-2000:]}")

    def _serve(self, label: str, *, reloads: bool) -> None:
        command = [sys.executable, "-m", "blackhole_guard", "serve", "--config", str(self._config)]
        last = self._entries - 1
        peaks, begun = Peaks(), time.monotonic()
        with (self._directory / "log").open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            with peaks.watching(process.pid):
                self._await_answer(process, last, f"host{last}".encode(), 600)
            self._print(label, time.monotonic() - begun, peaks)
            if reloads:
                self._reloads(process)
            self._print_shares(process.pid)
        finally:
            process.terminate()
            process.wait(20)

    def _reloads(self, process: subprocess.Popen[bytes]) -> None:
        for label, changed in (
            ("reload, nothing has changed", 0),
            ("reload, 1 in 1000 has changed", self._entries // 1000),
        ):
            others = write_maps(self._directory / "maps", self._entries, changed=changed)
            peaks = Peaks()
            with peaks.watching(process.pid):
                begun = time.monotonic()
                self._reload()
                for entry in sorted(others)[:1]:
                    self._await_answer(process, entry, b"-new", 10)
                seconds = time.monotonic() - begun
            self._print(label, seconds, peaks)

    def _await_answer(self, process: subprocess.Popen[bytes], entry: int, wanted: bytes, seconds: float) -> None:
        """Ask until an answer has `wanted` in it."""
        deadline = time.monotonic() + seconds
        while wanted not in (response := ask(self._port, query_for(entry), 0.05)):
            if process.poll() is not None or time.monotonic() > deadline:
                log = (self._directory / "log").read_text(errors="replace")[-2000:]
                raise SystemExit(f"no answer with {wanted!r}: {response!r}, exit code {process.returncode}\n{log}")
            time.sleep(0.005 if response else 0)

    def _reload(self) -> None:
        command = [sys.executable, "-m", "blackhole_guard", "reload", "--config", str(self._config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            raise SystemExit(f"reload: {done.stdout}{done.stderr}")

    def _print(self, label: str, seconds: float, peaks: Peaks) -> None:
        memory = ", ".join(
            f"{name.removeprefix('guard-')} {peak // _MEBI}" for name, peak in sorted(peaks.peaks.items())
        )
        print(f"{label:34}{seconds:8.2f}  {memory}", flush=True)

    def _print_shares(self, pid: int) -> None:
        """Ask for all entries, so that each worker has touched the whole snapshot, then print what stays."""
        for entry in range(0, self._entries, max(1, self._entries // 20_000)):
            ask(self._port, query_for(entry), 0.5)
        shares = {f"{memory_of(each, 'VmRSS:')[0]}": share_of(each) for each in children_of(pid)} | {
            "main": share_of(pid)
        }
        memory = ", ".join(f"{name.removeprefix('guard-')} {share // _MEBI}" for name, share in sorted(shares.items()))
        print(f"{'':34}{'PSS':>8}  {memory}", flush=True)


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="million-") as directory:
        Run(Path(directory), arguments.entries, arguments.workers).measure()


if __name__ == "__main__":
    main()
