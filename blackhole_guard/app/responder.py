"""What answers in a worker: an engine on the snapshot that is in force, and its successor when there is one."""

from collections.abc import Callable
from time import monotonic

import msgspec

from blackhole_guard.answering.batch import Batch
from blackhole_guard.answering.engine import Engine
from blackhole_guard.answering.hot_path import HotPath
from blackhole_guard.answering.policy import Policy, make_policy
from blackhole_guard.answering.tally import Tally
from blackhole_guard.config.settings import ServerSettings, TcpSettings
from blackhole_guard.counters.control import GENERATION
from blackhole_guard.counters.meter import PageMeter
from blackhole_guard.server.roles import Transport
from blackhole_guard.store.snapshot import Snapshot

_AGAIN = 1.0  # seconds until a snapshot that could not be opened is tried again


def read_policy(server: ServerSettings) -> Policy:
    """Translate the settings that answers depend on."""
    return make_policy(
        allow_query=server.allow_query,
        recursive_clients=server.recursive_clients,
        udp_payload_size=server.udp_payload_size,
        version=server.version,
        identity=server.identity,
        nsid=server.nsid,
    )


class SnapshotResponder:
    """The server's `Responder`: each answer is wholly of one snapshot, zones and settings alike."""

    def __init__(
        self,
        cells: memoryview,
        open_newest: Callable[[], Snapshot],
        meter: PageMeter,
        on_error: Callable[[Exception], None],
    ) -> None:
        """Begin without a snapshot; `refresh` opens it.

        Args:
            cells: of the control page; GENERATION among them says which snapshot is in force.
            open_newest: opens the snapshot that stands by now.
            meter: where counts go.
            on_error: told of errors that nobody expected, where they cost one answer alone.
        """
        self.tcp_limits = TcpSettings()
        self._cells = cells
        self._open_newest = open_newest
        self._meter = meter
        self._on_error = on_error
        self._tally = Tally()
        self._generation = 0
        self._retry_at = 0.0
        self._snapshot: Snapshot | None = None
        self._before: Snapshot | None = None  # to be closed in another turn than the one that replaced it
        self._hot_path: HotPath | None = None

    def respond(self, octets: bytes, source: bytes, transport: Transport) -> bytes | None:
        """Answer one message."""
        assert self._hot_path is not None  # refresh() raised before the worker said that it is ready
        return self._hot_path.respond(octets, source, over_tcp=transport is Transport.TCP)

    def respond_batch(self, batch: Batch) -> None:
        """Answer the messages of a batch over UDP."""
        assert self._hot_path is not None  # as in respond()
        self._hot_path.respond_batch(batch)

    def refresh(self) -> None:
        """Follow the generation in force.

        Raises:
            StoreError: the new snapshot cannot be read, or says what this program does not know; the old one stays.
        """
        generation = self._cells[GENERATION]
        if generation != self._generation:
            self._follow(generation)
        elif self._before is not None:
            # Not in the turn that opened its successor: each takes some milliseconds, and queries wait.
            self._before.close()
            self._before = None

    def fold(self, now: float) -> None:
        """Bring what was counted to the page."""
        self._meter.add_counts(self._tally.take())

    def _follow(self, generation: int) -> None:
        if self._snapshot is not None and self._snapshot.generation == generation:
            # A worker that was started between a load's end and its announcement had the new one already.
            self._generation = generation
            return
        now = monotonic()
        if now < self._retry_at:
            return
        self._retry_at = now + _AGAIN  # a file that cannot be read must not be tried before each batch
        snapshot = self._open_newest()
        try:
            server = msgspec.json.decode(snapshot.attachment, type=ServerSettings)
            policy = read_policy(server)
            engine = Engine(snapshot, policy, self._tally, self._on_error)
            hot_path = HotPath(engine, snapshot, policy, self._tally)
        except Exception:
            snapshot.close()
            raise
        if self._before is not None:
            self._before.close()
        self._before, self._snapshot, self._hot_path = self._snapshot, snapshot, hot_path
        self.tcp_limits = server.tcp
        self._generation, self._retry_at = generation, 0.0
