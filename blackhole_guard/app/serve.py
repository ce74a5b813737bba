"""`serve`: settings, sockets, privileges, shared memory, and then the supervisor.

The order is the point. What needs privileges comes before the drop: the lock, the sockets, the log's descriptor. What
another user must be able to use later comes after it, or is made as that user.
"""

import os
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from blackhole_guard import __version__
from blackhole_guard.app.board import Board
from blackhole_guard.app.leak_counts import UNCOUNTED, CountsPipe, CountsSender
from blackhole_guard.app.leak_sockets import LeakSockets, open_leak_sockets
from blackhole_guard.app.loader import Loader
from blackhole_guard.app.observer import ApiSource, LeakSources, observe, preload
from blackhole_guard.app.own_servers import OwnServers
from blackhole_guard.app.responder import SnapshotResponder
from blackhole_guard.config.load import Overrides, load_settings
from blackhole_guard.config.problems import Problem, SettingsError
from blackhole_guard.config.settings import Settings
from blackhole_guard.counters.meter import PageMeter
from blackhole_guard.server import light_asyncio  # noqa: F401  # before whatever imports asyncio
from blackhole_guard.server.activation import take_activated
from blackhole_guard.server.control import ControlServer
from blackhole_guard.server.cpus import count_cpus
from blackhole_guard.server.listen import ListenError
from blackhole_guard.server.loads import Begun, LoadRequest, LoadResult
from blackhole_guard.server.notify import Notifier
from blackhole_guard.server.privileges import PrivilegeError, User, drop_privileges, find_user
from blackhole_guard.server.sockets import HeldSockets, local_endpoint, open_http_sockets, open_sockets
from blackhole_guard.server.statedir import StateDir, StateDirError, find_systemd_dir, open_state_dir
from blackhole_guard.server.supervisor import EXIT_NOTHING_TO_SERVE, Crew, Supervisor
from blackhole_guard.server.worker import WorkerContext, find_origin, run_worker
from blackhole_guard.store.snapshot import Snapshot, open_snapshot
from blackhole_guard.store.update import snapshot_path
from blackhole_guard.telemetry.logs import Log, open_log

METRICS_PORT = 9353


class ServeError(Exception):
    """The server cannot start; each line says one reason, and what to do."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Started:
    """What there is to tell once the server serves."""

    addresses: tuple[str, ...]  # as `127.0.0.1:53`
    metrics: tuple[str, ...]  # the same
    state_dir: str
    result: LoadResult
    workers: int


def serve(config: str | None, overrides: Overrides, on_started: Callable[[Started], None]) -> int:
    """Be the server until told to stop; returns the process's exit code.

    Args:
        config: the settings file; None: there is none.
        overrides: what replaces parts of it.
        on_started: called in the supervisor when every worker serves.
    Raises:
        ServeError: it cannot start, or there is nothing to serve, and who reads the log is a person. Otherwise that is
            logged.
    """
    os.umask(os.umask(0o077) | 0o027)  # what is made here is nobody else's to read; a stricter mask stays
    notifier = Notifier(os.environ)
    try:
        settings = load_settings(config, overrides)
    except SettingsError as error:
        return _give_up(open_log("auto", "info", sys.stderr), _texts(error.problems))
    server = _Server(config, overrides, settings, notifier, on_started)
    try:
        with ExitStack() as stack:
            server.open(stack)
            stack.pop_all()  # the supervisor closes them from here on
    except ListenError as error:
        return _give_up(server.log, error.problems)
    except (PrivilegeError, StateDirError) as error:
        return _give_up(server.log, (str(error),))
    return server.run()


def _give_up(log: Log, lines: tuple[str, ...]) -> int:
    """Say why there is nothing to run: people get plain lines, who collects logs gets them as log lines."""
    if log.is_for_people:
        raise ServeError(lines)
    for line in lines:
        log.error("cannot start", reason=line)
    log.close()
    return EXIT_NOTHING_TO_SERVE


class _Server:
    """What is put together at the start."""

    def __init__(
        self,
        config: str | None,
        overrides: Overrides,
        settings: Settings,
        notifier: Notifier,
        on_started: Callable[[Started], None],
    ) -> None:
        self._config = config
        self._overrides = overrides
        self._settings = settings
        self._notifier = notifier
        self._on_started = on_started
        self.log = open_log(settings.log.format, settings.log.level, sys.stderr)
        workers = settings.server.workers
        self._workers = count_cpus() if workers == "auto" else workers
        self._state: StateDir
        self._held: HeldSockets
        self._metrics: tuple[str, ...] = ()
        self._counts: CountsPipe | None = None
        self._leaks = LeakSockets()

    def open(self, stack: ExitStack) -> None:
        """Open what must be open before the privileges are dropped, and drop them."""
        server, telemetry = self._settings.server, self._settings.telemetry
        user = find_user(server.user) if server.user is not None else None
        self._state = open_state_dir(server.state_dir or find_systemd_dir(os.environ), user)
        stack.callback(self._state.close)
        activated = take_activated(os.environ, self._workers)
        self._held = activated or open_sockets(server.listen, server.port, self._workers)
        stack.callback(self._held.close)
        self._http = open_http_sockets(telemetry.listen, METRICS_PORT) if telemetry.enabled else ()
        for sock in self._http:
            stack.callback(sock.close)
        if self._http and telemetry.tops.enabled:
            self._counts = CountsPipe()
            stack.callback(self._counts.close)
        self._metrics = tuple(local_endpoint(sock) for sock in self._http)
        self._open_leak_sockets(user)
        stack.callback(self._leaks.close)
        self._say_how_it_is(activated is not None)
        if user is not None and self._http:
            preload(
                user,
                with_rounds=self._settings.doctor.interval is not None,
                leaks=self._leaks,
                api=telemetry.api.enabled,
            )
        drop_privileges(user)
        if os.geteuid() == 0:
            self.log.warning("runs as root; set server.user to drop the privileges that serving does not need")
        try:
            self._control = ControlServer(self._state.control)
        except OSError as error:
            raise StateDirError(f"the control socket cannot be made in {self._state.path}: {error.strerror}") from error

    def _open_leak_sockets(self, user: User | None) -> None:
        """Make the sockets that evidence of leaks comes in by, if there is an observer to receive it."""
        leaks = self._settings.leaks
        if self._http:
            self._leaks = open_leak_sockets(leaks, self._state.path, user=user, environ=os.environ, log=self.log)
        elif leaks.dnstap.socket is not None:
            path = leaks.dnstap.socket
            self.log.warning("leaks.dnstap.socket does not count, because telemetry is off", socket=path)

    def run(self) -> int:
        """Serve until told to stop."""
        self._board = board = Board(self._workers)
        self.log.on_loss = partial(self._meter(board.supervisor_page).add, "log_lines_lost")
        self._supervisor = os.getpid()
        loader = Loader(self._config, self._overrides, self._state.path, self._settings)
        supervisor = Supervisor(
            Crew(
                held=self._held,
                state=self._state,
                control=self._control,
                notifier=self._notifier,
                board=board,
                log=self.log,
                run_worker=self._work,
                run_loader=partial(self._load, loader),
                run_observer=self._observe if self._http else None,
                on_serving=self._tell,
                leave=self._held.close,
            )
        )
        code = supervisor.run()
        self._leaks.unlink()
        if code == EXIT_NOTHING_TO_SERVE:
            last = supervisor.last_load
            return _give_up(self.log, (*_texts(last.problems), f"nothing to serve: {last.text}"))
        return code

    def _say_how_it_is(self, activated: bool) -> None:
        for warning in self._held.warnings:
            self.log.warning("sockets", warning=warning)
        if activated and self._settings.server.listen is not None:
            self.log.warning("systemd opened the sockets, so server.listen does not count")
        self.log.info(
            "starting",
            version=__version__,
            listen=", ".join(self._held.addresses),
            workers=self._workers,
            metrics=", ".join(self._metrics) or "off",
            state_dir=self._state.path,
            config=self._config or "none",
        )

    def _meter(self, page: int) -> PageMeter:
        return PageMeter(self._board.pages.page(page), self._board.pages.layout)

    def _open_newest(self) -> Snapshot:
        return open_snapshot(snapshot_path(self._state.path))

    def _work(self, slot: int, end: socket.socket) -> int:
        """Be a worker, in its process."""
        self._leave_to_the_observer()
        meter = self._meter(slot)
        self.log.on_loss = partial(meter.add, "log_lines_lost")
        counts = None
        if self._counts is not None:
            self._counts.reader.close()
            counts = CountsSender(self._counts.writer, lambda n: meter.add(UNCOUNTED, n=n))
        responder = SnapshotResponder(self._board.control.cells, self._open_newest, meter, self._report, counts)
        responder.refresh()  # without a first snapshot there is no worker: it fails here, and is started again
        return run_worker(
            WorkerContext(
                slot=slot,
                sockets=self._held.slots,
                control=end,
                supervisor=self._supervisor,
                responder=responder,
                meter=meter,
                log=self.log,
                beat=partial(self._board.control.beat, slot),
            )
        )

    def _load(self, loader: Loader, request: LoadRequest, begun: Begun) -> bytes:
        """Be a loader, in its process."""
        # A loader may outlive a supervisor that is killed by a moment, and its successor wants the addresses.
        self._leave_to_the_observer()
        if self._counts is not None:
            self._counts.close()
        return loader.run(request, begun)

    def _leave_to_the_observer(self) -> None:
        """Close what is the observer's, in another child."""
        for sock in self._http:
            sock.close()
        self._leaks.close()

    def _report(self, error: Exception) -> None:
        """Log an error that made an answer SERVFAIL; the log holds back those that are many."""
        self.log.warning("unexpected error in an answer", error=repr(error), where=find_origin(error))

    def _observe(self) -> int:
        """Be the observer, in its process."""
        meter = self._meter(self._board.observer_page)
        self.log.on_loss = partial(meter.add, "log_lines_lost")
        if self._counts is not None:
            self._counts.writer.close()
        settings = self._settings
        leaks = LeakSources(
            state_dir=self._state.path,
            clients=settings.telemetry.tops.clients,
            counts=None if self._counts is None else self._counts.reader,
            sockets=self._leaks,
            own_servers=OwnServers(settings.leaks.own_servers, self._held.addresses),
        )
        api = None
        if settings.telemetry.api.enabled:
            api = ApiSource(settings.telemetry.api, self._config, self._overrides)
        return observe(self._board, self._http, self._open_newest, self.log, settings.doctor, leaks, api=api)

    def _tell(self, result: LoadResult) -> None:
        self.log.info("serving", zones=result.zones, records=result.records)
        self._on_started(Started(self._held.addresses, self._metrics, self._state.path, result, self._workers))


def _texts(problems: tuple[Problem, ...]) -> tuple[str, ...]:
    return tuple(str(problem) for problem in problems if problem.severity == "error")
