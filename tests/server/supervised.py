"""A real supervisor in a process of its own, with workers that echo and loaders that do what files tell them."""

import contextlib
import json
import mmap
import os
import signal
import socket
import struct
import time
from pathlib import Path

import msgspec
from doubles import QUERY, EchoResponder, response_to
from supervisors import SharedMeter, wait_until

from blackhole_guard.server import watch
from blackhole_guard.server.control import ControlServer, ReloadRequest, ask_reload
from blackhole_guard.server.loads import Purpose
from blackhole_guard.server.notify import Notifier
from blackhole_guard.server.processes import fork_child
from blackhole_guard.server.sockets import open_sockets
from blackhole_guard.server.statedir import open_state_dir
from blackhole_guard.server.supervisor import Crew, Supervisor
from blackhole_guard.server.worker import WorkerContext, run_worker


class SharedBoard:
    """A Board in shared memory: generation, loads by result, then beat, serving, deaths of each slot."""

    RESULTS = ("loaded", "unchanged", "failed", "refused")

    def __init__(self, slots):
        self.cells = memoryview(mmap.mmap(-1, 8 * (8 + 3 * slots))).cast("Q")

    def last_beat(self, slot):
        return self.cells[8 + 3 * slot] / 1e9

    def beat(self, slot, now):
        self.cells[8 + 3 * slot] = int(now * 1e9)

    def set_serving(self, slot, serving):
        self.cells[8 + 3 * slot + 1] = serving

    def note_death(self, slot):
        self.cells[8 + 3 * slot + 2] += 1

    def note_load(self, result, generation):
        self.cells[0] = generation
        self.cells[1 + self.RESULTS.index(result)] += 1

    def loads(self, result):
        return self.cells[1 + self.RESULTS.index(result)]

    def serving(self, slot):
        return bool(self.cells[8 + 3 * slot + 1])

    def deaths(self, slot):
        return self.cells[8 + 3 * slot + 2]


class FileLog:
    """Appends lines of JSON to a file."""

    def __init__(self, path):
        self._path = path

    def _say(self, level, event, fields):
        with open(self._path, "a") as file:
            file.write(json.dumps({"level": level, "event": event, **fields}, default=str) + "\n")

    def info(self, event, **fields):
        self._say("info", event, fields)

    def warning(self, event, **fields):
        self._say("warning", event, fields)

    def error(self, event, **fields):
        self._say("error", event, fields)


class GenerationResponder(EchoResponder):
    """Echoes, with the generation behind it; obeys poison in the query."""

    def __init__(self, board):
        super().__init__()
        self._board = board

    def respond(self, octets, source, transport):
        if b"POISON" in octets:
            os.kill(os.getpid(), signal.SIGKILL)
        return response_to(octets) + struct.pack(">Q", self._board.cells[0])


class Supervised:
    """Runs the supervisor; the test tells loaders by files in `folder` what to do.

    maps: JSON that the loader's report is made of (LoadResult), plus `sleep`, `hold`, `die`, `garbage`.
    """

    def __init__(self, folder: Path, slots=1, environ=None, state_dir=None, maps=None, observer=True, observe=None):
        self.folder = folder
        self.board = SharedBoard(slots)
        self.meters = [SharedMeter() for _ in range(slots)]
        self.held = open_sockets(["127.0.0.1:0"], 53, slots)
        self.address = self.held.slots[0].udp[0].getsockname()
        self.state_dir = state_dir or str(folder / "state")
        self._environ = environ or {}
        self._observe = (observe or self._sleep) if observer else None
        self.write_maps(maps or {"result": "loaded", "text": "fine", "generation": 1, "serving": True})
        self.pid = 0
        self.exit_code = None
        self.make_responder = GenerationResponder

    def write_maps(self, maps):
        new = self.folder / "maps.new"
        new.write_text(json.dumps(maps))
        new.rename(self.folder / "maps")

    def __enter__(self):
        self.pid = fork_child("supervisor", self._supervise)
        return self

    def __exit__(self, *_):
        self.held.close()
        if self.exit_code is None:
            os.kill(self.pid, signal.SIGTERM)
            self.await_exit()

    def _supervise(self):
        state = open_state_dir(self.state_dir, None)
        log = FileLog(self.folder / "log")
        crew = Crew(
            held=self.held,
            state=state,
            control=ControlServer(state.control),
            notifier=Notifier(self._environ),
            board=self.board,
            log=log,
            run_worker=lambda slot, end: self._work(slot, end, log),
            run_loader=self._load,
            run_observer=self._observe,
            on_serving=lambda result: log.info("serving", text=result.text),
            leave=self.held.close,
        )
        self.supervisor = os.getpid()
        return Supervisor(crew).run()

    def _work(self, slot, end, log):
        return run_worker(
            WorkerContext(
                slot=slot,
                sockets=self.held.slots,
                control=end,
                supervisor=self.supervisor,
                responder=self.make_responder(self.board),
                meter=self.meters[slot],
                log=log,
                beat=lambda now: self.board.beat(slot, now),
            )
        )

    def _load(self, request, begun):
        with open(self.folder / "requests", "a") as file:
            file.write(f"{request.purpose.name} {request.force} {os.getpid()}\n")
        maps = self.folder / "maps"
        if request.purpose is Purpose.WATCH:
            known = json.loads(request.known)["seen"]
            watch.await_change(lambda: maps.stat().st_mtime_ns, known, time.sleep)
            begun()
        seen = maps.stat().st_mtime_ns
        told = json.loads(maps.read_text())
        time.sleep(told.pop("sleep", 0))
        if told.pop("hold", False):
            (self.folder / "holding").touch()
            wait_until((self.folder / "release").exists)
        if told.pop("die", False) and request.purpose is not Purpose.LOOK:
            os.kill(os.getpid(), signal.SIGKILL)
        if told.pop("garbage", False):
            return b"garbage"
        return json.dumps({**told, "seen": seen}).encode()

    @staticmethod
    def _sleep():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        time.sleep(600)
        return 0

    # What a test asks.

    @property
    def holding(self):
        """Whether a loader has read its maps, and waits for `release`."""
        return (self.folder / "holding").exists()

    def release(self):
        (self.folder / "release").touch()

    def requests(self):
        try:
            lines = (self.folder / "requests").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [tuple(line.split()) for line in lines]

    def log(self):
        try:
            return [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def events(self, event):
        return [line for line in self.log() if line["event"] == event]

    def await_serving(self, seconds=10):
        wait_until(lambda: self.events("serving"), seconds)

    def await_exit(self, seconds=10.0):
        deadline = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.exit_code = os.waitstatus_to_exitcode(status)
                return self.exit_code
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                self.exit_code = -9
                raise AssertionError("the supervisor does not end")
            time.sleep(0.01)

    def children(self):
        """Name -> process id of each child that lives."""
        return children_of(self.pid)

    def reload(self, force=False):
        return msgspec.json.decode(
            ask_reload(os.path.join(self.state_dir, "control.sock"), ReloadRequest("reload", force))
        )

    def ask(self, count=1, seconds=5.0, query=QUERY):
        """Ask from `count` ports; returns the generations of the answers that came."""
        clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
        generations = []
        for client in clients:
            client.sendto(query, self.address)
        deadline = time.monotonic() + seconds
        for client in clients:
            client.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                answer = client.recv(65536)
                assert answer[:-8] == response_to(query)
                generations.append(struct.unpack(">Q", answer[-8:])[0])
            except TimeoutError:
                pass
            client.close()
        return generations


def children_of(parent):
    """Name -> process id of each living child of a process (proc(5))."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = Path("/proc", entry, "stat").read_text()
        except OSError:
            continue
        name = stat[stat.index("(") + 1 : stat.rindex(")")]
        state, ppid = stat[stat.rindex(")") + 2 :].split()[:2]
        if int(ppid) == parent and state != "Z":
            found[name] = int(entry)
    return found


def open_files(pid):
    """Number and kind or path of each descriptor that a process has open (proc(5))."""
    found = set()
    for entry in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed by now, as the listing's own is
            found.add((entry, os.readlink(f"/proc/{pid}/fd/{entry}")))
    return found
