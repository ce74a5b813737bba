"""What answers in a worker: an engine on the snapshot that is in force, and its successor when there is one."""

import sys
from collections.abc import Callable
from threading import Thread
from time import monotonic, sleep
from typing import NamedTuple

import msgspec

from blackhole_guard.answering.batch import Batch
from blackhole_guard.answering.engine import Engine
from blackhole_guard.answering.hot_path import HotPath
from blackhole_guard.answering.policy import Policy, make_policy
from blackhole_guard.answering.proxies import Proxies
from blackhole_guard.answering.tally import Tally
from blackhole_guard.app.leak_counts import CountsSender
from blackhole_guard.config.settings import ServerSettings, TcpSettings
from blackhole_guard.counters.control import GENERATION
from blackhole_guard.counters.meter import PageMeter
from blackhole_guard.server.roles import Transport
from blackhole_guard.store.snapshot import Snapshot

_AGAIN = 1.0  # seconds until a snapshot that could not be opened is tried again
_QUICK = 0.005  # seconds between two looks
_BUSY = 8  # quick looks one after the other, of a worker that is asked all the time
_AT_ONCE = 128  # cached responses that are let go of before others have their turn
_PAUSE = 0.002  # seconds of it
_SWITCH = 1e-4  # seconds that a thread may keep the one that answers waiting; of no account where there is none


def read_policy(server: ServerSettings) -> Policy:
    """Translate the settings that answers depend on."""
    return make_policy(
        allow_query=server.allow_query,
        recursive_clients=server.recursive_clients,
        udp_payload_size=server.udp_payload_size,
        version=server.version,
        identity=server.identity,
        nsid=server.nsid,
        trusted_resolvers=server.trusted_resolvers,
        trusted_proxies=server.trusted_proxies,
    )


class _Opened(NamedTuple):
    """A snapshot, and what answers out of it."""

    snapshot: Snapshot
    policy: Policy
    engine: Engine
    hot_path: HotPath
    tcp_limits: TcpSettings

    def close(self, pause: float = 0.0) -> None:
        """Give all of it back, bit by bit, with pauses of so many seconds.

        First what is cached: it looks into the mapped file, and once that is closed a look would kill the process.
        """
        while self.hot_path.forget(_AT_ONCE):
            sleep(pause)
        self.snapshot.close()


class _Opening:
    """A snapshot that is opened in a thread, while queries are answered out of the one before."""

    def __init__(self, generation: int, make: Callable[[], _Opened]) -> None:
        self.generation = generation
        self._make = make
        self._made: _Opened | Exception | None = None
        self._thread = Thread(target=self._run, name="opening", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._made = self._make()
        except Exception as error:  # noqa: BLE001  # raised again by `take`, where it is told of
            self._made = error

    @property
    def is_done(self) -> bool:
        """Whether `take` may be called."""
        return self._made is not None

    def take(self) -> _Opened:
        """Give what was opened; raises what opening it raised."""
        self._thread.join()
        if isinstance(self._made, Exception):
            raise self._made
        assert self._made is not None
        return self._made


class SnapshotResponder:
    """The server's `Responder`: each answer is wholly of one snapshot, zones and settings alike.

    To open a snapshot and to give up the one before takes some milliseconds each. Where queries come all the time, a
    thread does it: the answers are the old ones for as long, and no query waits (python -m bench reloads). Else it is
    done before the next answer. The threads touch nothing that is in force, so they need not be waited for at the end.
    """

    def __init__(
        self,
        cells: memoryview,
        open_newest: Callable[[], Snapshot],
        meter: PageMeter,
        on_error: Callable[[Exception], None],
        counts: CountsSender | None = None,
    ) -> None:
        """Begin without a snapshot; `refresh` opens it.

        Args:
            cells: of the control page; GENERATION among them says which snapshot is in force.
            open_newest: opens the snapshot that stands by now.
            meter: where counts go.
            on_error: told of errors that nobody expected, where they cost one answer alone.
            counts: takes the averted leaks for the tops; None: nobody wants to know.
        """
        self.tcp_limits = TcpSettings()
        self._cells = cells
        self._open_newest = open_newest
        self._meter = meter
        self._on_error = on_error
        self._counts = counts
        self._averted = None if counts is None else counts.averted
        self._tally = Tally()
        self._generation = 0
        self._looked_at = 0.0  # monotonic seconds
        self._quick_looks = 0
        self._retry_at = 0.0
        self._opened: _Opened | None = None
        self._opening: _Opening | None = None
        self._hot_path: HotPath | None = None
        self._proxies: Proxies | None = None  # those that are listed, if any

    def respond(self, octets: bytes, source: bytes, transport: Transport) -> bytes | None:
        """Answer one message."""
        assert self._hot_path is not None  # refresh() raised before the worker said that it is ready
        over_tcp = transport is Transport.TCP
        if self._proxies is not None and not over_tcp:
            unwrapped = self._proxies.unwrap(octets, source)
            if unwrapped is None:
                return None
            octets, source = unwrapped
        response = self._hot_path.respond(octets, source, over_tcp=over_tcp)
        if self._averted is not None:
            self._averted.note(octets, response, source, over_tcp=over_tcp)
        return response

    def respond_batch(self, batch: Batch) -> None:
        """Answer the messages of a batch over UDP."""
        assert self._hot_path is not None  # as in respond()
        if self._proxies is not None:
            self._proxies.unwrap_batch(batch)
        averted = self._averted
        if averted is not None:
            count = len(batch.sizes)
            if averted.ahead < count:
                drawn = averted.draw_from(batch)
                self._hot_path.respond_batch(batch)
                averted.set_aside(drawn, batch)
                return
            averted.ahead -= count  # as `is_drawn`, without a call for each batch
        self._hot_path.respond_batch(batch)

    def settle(self) -> None:
        """Look at messages that were set aside for the tops, if it is time."""
        if self._averted is not None:
            self._averted.settle()

    def is_proxy(self, source: bytes) -> bool:
        """Whether streams from there may begin with a header that says on whose behalf."""
        return self._proxies is not None and self._proxies.is_listed(source)

    def refresh(self) -> None:
        """Follow the generation in force.

        Raises:
            StoreError: the new snapshot cannot be read, or says what this program does not know; the old one stays.
        """
        now = monotonic()
        generation = self._cells[GENERATION]
        self._quick_looks = self._quick_looks + 1 if now - self._looked_at < _QUICK else 0
        self._looked_at = now
        if generation != self._generation:
            self._follow(generation, now)

    def fold(self, now: float) -> None:
        """Bring what was counted to the page, and to the observer."""
        if self._counts is not None:
            self._counts.fold(now)
        self._meter.add_counts(self._tally.take())

    def _follow(self, generation: int, now: float) -> None:
        opening = self._opening
        if opening is not None:
            if opening.is_done:
                self._opening = None
                self._put_in_force(opening.take(), opening.generation, in_background=True)
        elif self._opened is not None and self._opened.snapshot.generation == generation:
            # A worker that was started between a load's end and its announcement had the new one already.
            self._generation = generation
        elif now >= self._retry_at:
            self._retry_at = now + _AGAIN  # a file that cannot be read must not be tried before each batch
            if self._opened is None or self._quick_looks < _BUSY:
                self._put_in_force(self._open(), generation, in_background=False)
            else:
                sys.setswitchinterval(_SWITCH)
                try:
                    self._opening = _Opening(generation, self._open)
                except RuntimeError:  # no thread can be started: then queries wait
                    self._put_in_force(self._open(), generation, in_background=False)

    def _open(self) -> _Opened:
        snapshot = self._open_newest()
        try:
            server = msgspec.json.decode(snapshot.attachment, type=ServerSettings)
            policy = read_policy(server)
            engine = Engine(snapshot, policy, self._tally, self._on_error)
            return _Opened(snapshot, policy, engine, HotPath(engine, snapshot, policy, self._tally), server.tcp)
        except Exception:
            snapshot.close()
            raise

    def _put_in_force(self, opened: _Opened, generation: int, *, in_background: bool) -> None:
        before, self._opened = self._opened, opened
        self._hot_path, self.tcp_limits = opened.hot_path, opened.tcp_limits
        self._proxies = Proxies(opened.policy.proxies) if opened.policy.proxies else None
        if self._averted is not None:
            self._averted.follow(opened.engine, opened.policy.resolvers)
        self._generation, self._retry_at = generation, 0.0
        if before is None:
            return
        if in_background:
            try:
                Thread(target=self._close, args=(before,), name="closing", daemon=True).start()
                return
            except RuntimeError:  # as in `_follow`
                pass
        before.close()

    def _close(self, before: _Opened) -> None:
        """Give up what was in force before, in a thread."""
        try:
            before.close(_PAUSE)
        except Exception as error:  # noqa: BLE001  # the edge of a thread: told of, and over
            self._on_error(error)
