"""One worker process: reads the sockets of its slot, and those of dead neighbours' slots while the supervisor says so.

It ends with its supervisor, on SIGTERM or when told to stop; then it finishes what is in hand first. All else that may
go wrong in it is counted and survived.
"""

import asyncio
import gc
import math
import signal
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from blackhole_guard.config.settings import TcpSettings
from blackhole_guard.server import system
from blackhole_guard.server.batch_datapath import BatchDatapath
from blackhole_guard.server.channel import Channel, ChannelError, Kind, Message
from blackhole_guard.server.clients import pack_address
from blackhole_guard.server.datapath import Datapath, MakeDatapath, Own
from blackhole_guard.server.direct_loop import DirectLoop
from blackhole_guard.server.mmsg import is_available
from blackhole_guard.server.plain_datapath import PlainDatapath
from blackhole_guard.server.priority import be_prompt
from blackhole_guard.server.roles import Beat, Log, Meter, Responder
from blackhole_guard.server.sockets import SlotSockets, is_wildcard
from blackhole_guard.server.tcp import TcpService

EXIT_STOPPED = 0
EXIT_ORPHANED = 1  # the supervisor is gone

TICK = 1.0  # seconds between signs of life
_FOLD = 0.5  # seconds until what is counted is brought out, so that any scrape sees all but the last half second
_EARLY = 0.1  # seconds by which a timer may come too early and still count as the next one
_DRAIN_UDP = 0.5  # seconds for what waits in the sockets when the worker ends
_DRAIN_TCP = 4.0  # seconds for clients to take their responses then; both stay under the supervisor's 5
_DESCRIPTORS = 64  # left to snapshots and the like when TCP connections are at their most
_ERRORS_TOLD = 16  # different unexpected errors that are logged; all are counted


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """All that a worker is handed. Made in the supervisor, used in the child."""

    slot: int
    sockets: tuple[SlotSockets, ...]  # of all slots
    control: socket.socket  # the worker's end of its channel; the other ends are closed in this process
    supervisor: int  # process id
    responder: Responder
    meter: Meter
    log: Log
    beat: Beat
    make_datapath: MakeDatapath = BatchDatapath if is_available() else PlainDatapath


def run_worker(context: WorkerContext) -> int:
    """Be a worker, in a child of the supervisor, until told to stop; returns the process's exit code."""
    signal.set_wakeup_fd(-1)  # the supervisor's, inherited: its signals are not ours
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until the loop takes it
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        # A terminal sends the first two to the whole group: what they mean is the supervisor's to say.
        signal.signal(number, signal.SIG_IGN)
    if not system.die_with_parent(context.supervisor):
        return EXIT_ORPHANED
    be_prompt()
    system.map_large_blocks()  # the tables of a snapshot's caches: 3 MB less after reloads (python -m bench memory)
    loop = DirectLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(_Worker(context, loop).run())


class _Worker:
    """The state of a running worker."""

    def __init__(self, context: WorkerContext, loop: DirectLoop) -> None:
        self._context = context
        self._channel = Channel(context.control)
        self._loop = loop
        self._stop = asyncio.Event()
        self._exit_code = EXIT_STOPPED
        self._adopted: set[int] = set()
        self._udp: set[socket.socket] = set()
        self._tcp: set[socket.socket] = set()
        self._folded = 0
        self._errors: set[str] = set()
        self._responder = _CarefulResponder(context.responder, self._report, self._fold_soon)
        self._datapath: Datapath = context.make_datapath(
            self._loop, self._responder, context.meter, _own_addresses(context.sockets)
        )
        self._service = TcpService(self._loop, self._responder, context.meter, system.spare_descriptors(_DESCRIPTORS))

    async def run(self) -> int:
        """Serve until told to stop."""
        loop = self._loop
        loop.set_exception_handler(self._on_error)
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_reader(self._channel.fileno(), self._on_control)
        self._responder.follow()
        self._follow()
        self._tick()
        # What lives by now lives until the end: the collector need not walk it, nor touch pages shared with the others.
        gc.collect()
        gc.freeze()
        self._say_ready()
        await self._stop.wait()
        await self._finish()
        return self._exit_code

    def _say_ready(self) -> None:
        try:
            self._channel.send(Message(Kind.READY, self._context.slot))
        except ChannelError:
            self._be_orphan()

    def _on_control(self) -> None:
        try:
            messages = self._channel.receive()
        except ChannelError:
            self._be_orphan()
            return
        for kind, slot in messages:
            if kind is Kind.STOP:
                self._stop.set()
            elif kind is Kind.ADOPT and slot < len(self._context.sockets):
                self._adopted.add(slot)
            elif kind is Kind.RELEASE:
                self._adopted.discard(slot)
        self._follow()

    def _be_orphan(self) -> None:
        self._loop.remove_reader(self._channel.fileno())
        self._exit_code = EXIT_ORPHANED
        self._stop.set()

    def _follow(self) -> None:
        """Serve the sockets of the slots that are ours by now, each once: one from systemd may be in all of them."""
        slots = [self._context.sockets[slot] for slot in (self._context.slot, *sorted(self._adopted))]
        udp = {sock for slot in slots for sock in slot.udp}
        tcp = {sock for slot in slots for sock in slot.tcp}
        for sock in self._udp - udp:
            self._datapath.remove(sock)
        for sock in udp - self._udp:
            self._datapath.add(sock)
        for sock in self._tcp - tcp:
            self._service.remove(sock)
        for sock in tcp - self._tcp:
            self._service.add(sock)
        self._udp, self._tcp = udp, tcp
        self._context.meter.set("adopted_slots", len(self._adopted))

    def _tick(self) -> None:
        """Give a sign of life.

        All workers do so at the full second of the monotonic clock, so the supervisor, who looks a little later, has
        each one's newest sign with one look, and an idle machine wakes up once a second for all of them.
        """
        now = self._loop.time()
        self._loop.call_at(math.floor(now + _EARLY) + TICK, self._tick)
        self._context.beat(now)
        self._responder.follow()  # an idle worker follows, too, so that the old snapshot's memory goes back
        self._fold()  # connections without a query are counted, too

    def _fold_soon(self) -> None:
        """Bring out in a while what is counted from now on: so an idle worker need not wake up for it."""
        self._loop.call_later(_FOLD, self._fold_used)

    def _fold_used(self) -> None:
        self._responder.is_used = False
        self._fold()

    def _fold(self) -> None:
        self._service.fold()
        received = self._datapath.received + self._service.received
        if received != self._folded:
            self._folded = received
            self._responder.fold(self._loop.time())
            self._context.meter.set("receive_buffer_drops", _count_drops(self._context.sockets, self._context.slot))

    async def _finish(self) -> None:
        """Finish what is in hand; an orphan has no time for it: its supervisor's successor wants the address."""
        if self._exit_code == EXIT_STOPPED:
            try:
                self._datapath.drain(_DRAIN_UDP)
            except Exception as error:  # noqa: BLE001  # the responder's; TCP clients and counters still have their turn
                self._report(error)
            await self._service.finish(_DRAIN_TCP)
        self._fold()

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take an exception that came out of a callback. The loop goes on after it."""
        self._report(context.get("exception") or RuntimeError(context.get("message")))

    def _report(self, error: BaseException) -> None:
        """Count an error that nobody expected, and log each kind of it once."""
        self._context.meter.add("worker_errors")
        where = find_origin(error)
        kind = f"{type(error).__name__} at {where}"
        if kind not in self._errors and len(self._errors) < _ERRORS_TOLD:
            self._errors.add(kind)
            slot = self._context.slot
            self._context.log.warning("unexpected error in a worker", slot=slot, error=repr(error), where=where)


class _CarefulResponder:
    """A Responder that keeps answering out of its old snapshot when it fails to open a new one.

    Without it an exception in refresh() would come before each batch, and so instead of each batch.
    It also tells when it is used for the first time since `is_used` was set to False.
    """

    def __init__(
        self, responder: Responder, report: Callable[[BaseException], None], on_first_use: Callable[[], None]
    ) -> None:
        self.is_used = False
        self._responder = responder
        self._report = report
        self._on_first_use = on_first_use
        self.respond = responder.respond  # no step between: this is called for each message
        self.respond_batch = responder.respond_batch
        self.settle = responder.settle
        self.fold = responder.fold
        self.is_proxy = responder.is_proxy

    @property
    def tcp_limits(self) -> TcpSettings:
        return self._responder.tcp_limits

    def refresh(self) -> None:
        if not self.is_used:
            self.is_used = True
            self._on_first_use()
        self.follow()

    def follow(self) -> None:
        """Look for a new snapshot, without a message to answer."""
        try:
            self._responder.refresh()
        except Exception as error:  # noqa: BLE001  # whatever it is, TCP and the counters have their turn
            self._report(error)


def find_origin(error: BaseException) -> str:
    """Say which line raised an exception, as `file:line`."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "nowhere"


def _own_addresses(slots: tuple[SlotSockets, ...]) -> Own:
    """Find what we send from; what comes from there is a loop. Wildcards are the datapath's to tell."""
    names = (sock.getsockname() for slot in slots for sock in slot.udp if not is_wildcard(sock))
    return frozenset((pack_address(name[0]), name[1]) for name in names)


def _count_drops(slots: tuple[SlotSockets, ...], slot: int) -> int:
    """Add up what the kernel dropped at a slot's sockets; one that several slots share counts for the first of them."""
    before = {sock for other in slots[:slot] for sock in other.udp}
    return sum(system.receive_drops(sock) for sock in slots[slot].udp if sock not in before)
