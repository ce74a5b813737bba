"""A server of ours in a directory that outlives it: started, killed, started again, reloaded, looked into."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import dns.message
import yaml
from peer_processes import HERE, Peer, ask, free_port, responds, scratch, stop

T = TypeVar("T")
Children = dict[str, list[int]]  # `worker`, `loader`, `observer` -> process ids


@dataclass
class Reload:
    """The outcome of a reload."""

    returncode: int | None = None  # None: it has not ended
    output: str = ""


class Installation:
    """A directory with configuration, maps and state, and the server that runs on them, if it does.

    Where to listen stands on the command line, so config.yaml is the test's alone. Relative paths begin here.
    """

    def __init__(self, directory: Path, settings: Mapping[str, object], *, workers: int) -> None:
        self.directory = directory
        self.address = ("127.0.0.1", free_port())
        self.metrics_port = free_port()
        self.control = directory / "state" / "control.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._words = ["--config", "config.yaml", "--state-dir", "state", "--workers", str(workers)]
        self._words += ["--listen", f"127.0.0.1:{self.address[1]}", "--metrics", f"127.0.0.1:{self.metrics_port}"]
        (directory / "zones").mkdir()
        (directory / "config.yaml").write_text(yaml.safe_dump({"include": ["zones/*.yaml"], **settings}))

    @property
    def pid(self) -> int:
        """The supervisor's."""
        assert self._process is not None
        return self._process.pid

    def write_map(self, text: str, name: str = "map.yaml") -> None:
        """Put a map in its place by rename, as an editor or a deployment does."""
        fresh = self.directory / f"{name}.new"
        fresh.write_text(text)
        fresh.rename(self.directory / "zones" / name)

    def start(self, seconds: float = 30.0) -> float:
        """Start the server; returns how many seconds passed until it answered."""
        command = [sys.executable, "-m", "blackhole_guard", "serve", *self._words]
        begun = time.monotonic()
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                HERE.command(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
            )
        peer = Peer("blackhole-guard", HERE, *self.address, self.directory, self._process)
        while not responds(peer):
            assert self._process.poll() is None, f"it ended with {self._process.returncode}"
            assert time.monotonic() < begun + seconds, "it does not answer"
            time.sleep(0.02)
        return time.monotonic() - begun

    def stop(self) -> int:
        """End the server as an operator does; returns its exit code."""
        assert self._process is not None
        stop(self._process)
        return self._process.returncode

    def kill(self) -> None:
        """End the supervisor as no operator should."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        if self._process is not None:
            stop(self._process)

    def run(self, *words: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command of ours to its end."""
        command = [sys.executable, "-m", "blackhole_guard", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, cwd=self.directory)

    def reload(self, *options: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        return self.run("reload", "--state-dir", "state", *options, seconds=seconds)

    @contextmanager
    def reloading(self) -> Iterator["Reload"]:
        """Run a reload besides the body, which may do to the server what it likes; the result is there after it."""
        words = [sys.executable, "-m", "blackhole_guard", "reload", "--state-dir", "state"]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "cwd": self.directory}
        with subprocess.Popen(words, **streams) as process:
            result = Reload()
            try:
                yield result
                result.output, _ = process.communicate(timeout=60)
            finally:
                process.kill()
            result.returncode = process.returncode

    def ask(self, name: str, rtype: str) -> dns.message.Message:
        """Ask once, as a resolver that iterates."""
        query = dns.message.make_query(name, rtype, use_edns=False, flags=0)
        return ask(HERE, *self.address, query)

    def children(self) -> Children:
        """The processes that the supervisor has started, by their kind."""
        found: Children = {}
        for child in children_of(self.pid):
            try:
                name = Path(f"/proc/{child}/comm").read_text().strip()
            except OSError:
                continue  # it has just ended
            found.setdefault(name.removeprefix("guard-").partition("-")[0], []).append(child)
        return found

    def await_children(self, kind: str, count: int, besides: int = 0, seconds: float = 10.0) -> list[int]:
        """Wait until there are so many of a kind, `besides` none of them."""
        return wait_for(
            lambda: pids if len(pids := self.children().get(kind, [])) == count and besides not in pids else None,
            seconds,
            f"{count} of {kind}",
        )

    def metrics(self) -> dict[str, float]:
        """The samples of /metrics, by name and labels as they stand there."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as response:
            lines = response.read().decode().splitlines()
        samples = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}


@contextmanager
def installed(
    maps: Mapping[str, str], *, workers: int = 2, settings: Mapping[str, object] | None = None
) -> Iterator[Installation]:
    """An installation whose server has not been started yet; whatever the test did, nothing of it is left running."""
    with scratch("guard") as directory:
        built = Installation(directory, settings or {}, workers=workers)
        for name, text in maps.items():
            built.write_map(text, name)
        try:
            yield built
        finally:
            built.close()


def children_of(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def wait_for(condition: Callable[[], T | None], seconds: float, what: str) -> T:
    """Wait until the condition has a value that counts as true; returns it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not in {seconds} seconds"
        time.sleep(0.005)
    return value
