"""The slots: each has its sockets for ever and one worker at a time, which is started, watched, replaced and stopped.

A worker that is silent is suspected first: a neighbour reads its sockets besides it. If it stays silent, it is killed.
"""

import math
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from blackhole_guard.server.adoption import Adoptions
from blackhole_guard.server.backoff import Backoff
from blackhole_guard.server.channel import Channel, ChannelError, Kind, Message, open_channel
from blackhole_guard.server.poller import Poller
from blackhole_guard.server.processes import Exit, kill_child
from blackhole_guard.server.roles import Board, FullLog
from blackhole_guard.server.sockets import SlotSockets

LOOK = 1.0  # seconds between two looks at the workers' beats; a worker beats as often, at the full second
_LOOK_AFTER = 0.25  # seconds from the full second to the look
LOOK_AGAIN = 0.5  # seconds to the next look while a worker is silent
# Looks without a beat. They are counted, not timed: when the machine is short of CPU, the supervisor looks late, too.
_SUSPECT = 2  # 1.75 seconds after the last beat
_HANGS = 4
_HANGS_STARTING = 20
_OUTAGE = 1.0  # seconds at most until the next start where no worker is left to answer meanwhile

RunWorker = Callable[[int, socket.socket], int]  # slot, the worker's end of its channel -> exit code
ForkWorker = Callable[[int, Callable[[], int]], int]  # slot, what to run -> process id


@dataclass(slots=True)
class _Slot:
    """One slot and its worker."""

    number: int
    sockets: SlotSockets
    backoff: Backoff = field(default_factory=Backoff)
    start_at: float | None = None  # when to start the next worker; None: one runs, or none is wanted
    pid: int | None = None
    channel: Channel | None = None
    started: float = 0.0
    ready: bool = False
    beat: float = 0.0
    silent: int = 0  # looks without a beat

    @property
    def is_suspect(self) -> bool:
        return self.silent >= _SUSPECT

    @property
    def is_serving(self) -> bool:
        return self.ready and not self.is_suspect


class Slots:
    """Runs the workers of all slots."""

    def __init__(
        self,
        sockets: Sequence[SlotSockets],
        poller: Poller,
        fork: ForkWorker,
        run_worker: RunWorker,
        *,
        board: Board,
        log: FullLog,
        clock: Callable[[], float],
    ) -> None:
        """Begin without workers; `start` starts them."""
        self._slots = [_Slot(each.slot, each) for each in sockets]
        self._poller = poller
        self._fork = fork
        self._run_worker = run_worker
        self._board = board
        self._log = log
        self._clock = clock
        self._adoptions = Adoptions(len(self._slots))
        self._next_look: float | None = None
        self._stopping = False

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers there are."""
        return [slot.pid for slot in self._slots if slot.pid is not None]

    @property
    def serving(self) -> int:
        """How many workers read their sockets and give signs of life."""
        return sum(slot.is_serving for slot in self._slots)

    @property
    def all_serving(self) -> bool:
        """Whether every slot's worker does."""
        return self.serving == len(self._slots)

    def start(self) -> None:
        """Have a worker in each slot from now on."""
        now = self._clock()
        self._next_look = now + LOOK_AGAIN
        for slot in self._slots:
            slot.start_at = now
        self.tick(now)

    def deadline(self) -> float | None:
        """When to call `tick` again; monotonic seconds."""
        due = [slot.start_at for slot in self._slots if slot.start_at is not None]
        if self._next_look is not None:
            due.append(self._next_look)
        return min(due, default=None)

    def tick(self, now: float) -> None:
        """Do what is due."""
        for slot in self._slots:
            if slot.start_at is not None and now >= slot.start_at:
                self._start(slot, now)
        if self._next_look is not None and now >= self._next_look:
            self._look()
            silent = any(slot.silent for slot in self._slots if slot.pid is not None)
            self._next_look = now + LOOK_AGAIN if silent else math.floor(now - _LOOK_AFTER) + LOOK + _LOOK_AFTER

    def take_exit(self, child: Exit) -> bool:
        """Take the end of a child, if it is a worker's; returns whether it was."""
        for slot in self._slots:
            if slot.pid == child.pid:
                self._bury(slot, child)
                return True
        return False

    def leave(self) -> None:
        """In a child: close the supervisor's ends of the channels."""
        for slot in self._slots:
            if slot.channel is not None:
                slot.channel.close()

    def stop(self) -> None:
        """Have the workers finish what is in hand and end; none is started any more."""
        self._stopping = True
        self._next_look = None
        for slot in self._slots:
            slot.start_at = None
            self._tell(slot, Message(Kind.STOP))

    def kill(self) -> None:
        """End the workers that are left."""
        for pid in self.pids:
            kill_child(pid, signal.SIGKILL)

    def _start(self, slot: _Slot, now: float) -> None:
        slot.start_at = None
        try:
            ours = self._fork_worker(slot)
        except OSError as error:  # no memory, no descriptors, or too many processes
            slot.start_at = slot.backoff.next_start(now, now)
            self._log.error("no worker could be started", slot=slot.number, error=error.strerror)
            return
        slot.channel = Channel(ours)
        slot.started = now
        slot.ready, slot.silent, slot.beat = False, 0, self._board.last_beat(slot.number)
        self._poller.watch(slot.channel, lambda: self._hear(slot))

    def _fork_worker(self, slot: _Slot) -> socket.socket:
        """Fork a slot's worker; returns our end of its channel. Raises OSError."""
        ours, theirs = open_channel()

        def run() -> int:
            ours.close()
            return self._run_worker(slot.number, theirs)

        try:
            slot.pid = self._fork(slot.number, run)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return ours

    def _hear(self, slot: _Slot) -> None:
        """Take what a worker says."""
        assert slot.channel is not None
        try:
            messages = slot.channel.receive()
        except ChannelError:
            self._poller.forget(slot.channel)
            # It is dead, and will be reaped; or it cannot be led any more, which is as good.
            if slot.pid is not None and not self._stopping:
                kill_child(slot.pid, signal.SIGKILL)
            return
        if any(message.kind is Kind.READY for message in messages):
            slot.ready, slot.silent = True, 0
            self._settle()

    def _look(self) -> None:
        """See who gives signs of life."""
        for slot in self._slots:
            if slot.pid is None:
                continue
            beat = self._board.last_beat(slot.number)
            slot.silent = slot.silent + 1 if beat == slot.beat else 0
            slot.beat = beat
            if slot.silent == _SUSPECT and slot.ready:
                slot.sockets.stamp_arrivals(True)
            if slot.silent == (_HANGS if slot.ready else _HANGS_STARTING):
                self._log.error("a worker hangs and is killed", slot=slot.number, pid=slot.pid)
                kill_child(slot.pid, signal.SIGKILL)
        self._settle()

    def _settle(self) -> None:
        """Have every slot read by somebody, and enter who serves."""
        serving = {slot.number for slot in self._slots if slot.is_serving}
        for slot in self._slots:
            self._board.set_serving(slot.number, slot.number in serving)
        for worker, kind, number in self._adoptions.settle(serving):
            self._tell(self._slots[worker], Message(kind, number))

    def _tell(self, slot: _Slot, message: Message) -> None:
        if slot.channel is None:
            return
        try:
            slot.channel.send(message)
        except ChannelError:
            if slot.pid is not None:
                kill_child(slot.pid, signal.SIGKILL)

    def _bury(self, slot: _Slot, child: Exit) -> None:
        """Take a worker's death: its sockets go to a neighbour, and a successor is started when it is time."""
        assert slot.channel is not None
        now = self._clock()
        self._poller.forget(slot.channel)
        slot.channel.close()
        slot.channel, slot.pid, slot.ready = None, None, False
        if self._stopping:
            self._board.set_serving(slot.number, False)
            return
        slot.sockets.stamp_arrivals(True)
        slot.start_at = slot.backoff.next_start(slot.started, now)
        if not self.pids:
            slot.start_at = min(slot.start_at, now + _OUTAGE)
        self._board.note_death(slot.number)
        self._settle()
        self._log.warning(
            "a worker died",
            slot=slot.number,
            pid=child.pid,
            how=str(child),
            adopted_by=self._adoptions.adopter(slot.number),
            restart_in=round(slot.start_at - now, 1),
        )
