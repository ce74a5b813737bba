"""UDP in batches: up to 128 datagrams a system call, answered where they lie.

What holds for a whole batch is asked once: that no source is one that gets no answer, that nothing waited too long,
that every response leaves from the address that was asked. Only where that is not so is each datagram looked at by
itself.
"""

import socket
from time import monotonic

from blackhole_guard.answering.batch import Batch
from blackhole_guard.server.clients import UNANSWERED_PORTS, find_drop_reason, unmap_address
from blackhole_guard.server.datapath import Own, find_send_reason
from blackhole_guard.server.direct_loop import DirectLoop
from blackhole_guard.server.mmsg import SLOT, SLOTS, Slots
from blackhole_guard.server.roles import Meter, Responder, Transport
from blackhole_guard.server.udp_sockets import UdpSockets
from blackhole_guard.server.way_back import Reader, WayBack

BATCHES = 2  # of one socket before the loop gets its turn: about a millisecond of work
_KNOWN = 1 << 16  # sources that need no second look; then all are looked at anew
_DROP = -1  # the size of a datagram that must not be answered


class BatchDatapath(UdpSockets):
    """A Datapath of recvmmsg(2) and sendmmsg(2)."""

    def __init__(self, loop: DirectLoop, responder: Responder, meter: Meter, own: Own) -> None:
        super().__init__(loop, responder, meter, own)
        self._slots = Slots()
        self._known: set[int | bytes] = set()
        # As the kernel has them. Datagrams from these ports are looked at one by one.
        self._suspects = {socket.htons(port) for port in (*UNANSWERED_PORTS, *(port for _, port in own))}

    def add(self, sock: socket.socket) -> None:
        """Begin to serve a socket."""
        super().add(sock)
        port = self._readers[sock].wildcard_port
        if port is not None:
            self._suspects.add(socket.htons(port))

    def _serve(self, reader: Reader) -> bool:
        """Answer a few batches; returns whether there may be more."""
        self._responder.refresh()
        start = monotonic()
        for number in range(BATCHES):
            try:
                count = self._slots.receive(reader.sock.fileno())
            except BlockingIOError:
                reader.stop_stamps()
                return False
            except OSError:
                self._pause(reader)
                return False
            self.received += count
            sent = self._answer(reader, count)
            if not number and sent:
                # One sample a turn, and each one when there are few.
                self._meter.observe(monotonic() - start)
            self._responder.settle()
            if count < SLOTS:
                reader.stop_stamps()
                return False
        return True

    def _answer(self, reader: Reader, count: int) -> int:
        """Answer what is in the first slots; returns how many responses were sent."""
        slots, family = self._slots, reader.family
        batch = Batch(
            slots=slots.octets,
            sizes=slots.sizes(count),
            senders=slots.words(count) if family == socket.AF_INET else slots.addresses(count),
            is_ipv6=family == socket.AF_INET6,
            source=lambda slot: unmap_address(slots.source(slot, family)),
        )
        self._sort_out(reader, batch)
        try:
            self._responder.respond_batch(batch)
        except Exception as error:  # noqa: BLE001  # whatever it is, it shall cost one datagram, not 128
            self._go_on_singly(batch, error)
        errors = slots.send(reader.sock.fileno(), batch.responses)
        for number in errors:
            self._meter.add("responses_unsent", find_send_reason(number))
        return count - batch.responses.count(0) - len(errors)

    def _sort_out(self, reader: Reader, batch: Batch) -> None:
        """Mark what must not be answered, and have the responses leave from the addresses that were asked."""
        slots, count = self._slots, len(batch.sizes)
        uniform = slots.control_sizes(count).count(0) == count or slots.turn_addresses(count, reader.family)
        if (
            uniform
            and SLOT not in batch.sizes
            and self._suspects.isdisjoint(slots.ports(count))
            and self._known.issuperset(batch.senders)
        ):
            return
        if len(self._known) > _KNOWN:
            self._known.clear()
        for slot, sender in enumerate(batch.senders):
            way = reader.read_control(slots.control(slot))
            if not uniform:
                slots.set_control(slot, way.control)
            reason = self._find_drop_reason(reader, slot, batch.source(slot), way)
            if reason is None:
                self._known.add(sender)
            else:
                self._meter.add("datagrams_dropped", reason)
                batch.sizes[slot] = _DROP

    def _find_drop_reason(self, reader: Reader, slot: int, source: bytes, way: WayBack) -> str | None:
        if self._slots.is_cut(slot):
            return "truncated"
        if way.stale:
            return "stale"
        port = self._slots.port(slot)
        if (source, port) in self._own or (source == way.asked and port == reader.wildcard_port):
            return "own_address"
        return find_drop_reason(source, port)

    def _go_on_singly(self, batch: Batch, error: Exception) -> None:
        """Leave out the message at which the responder failed, and answer the rest of a batch one by one."""
        self._report(error)
        if len(batch.responses) < len(batch.sizes):  # else it failed after the last one
            batch.put(None)
        for number in range(len(batch.responses), len(batch.sizes)):
            response = None
            if batch.sizes[number] != _DROP:
                try:
                    response = self._responder.respond(batch.message(number), batch.source(number), Transport.UDP)
                except Exception as another:  # noqa: BLE001  # the next datagram may go better
                    self._report(another)
            batch.put(response)

    def _report(self, error: Exception) -> None:
        self._loop.call_exception_handler({"message": "the responder failed", "exception": error})
