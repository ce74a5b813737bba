"""Who causes averted leaks, and for which addresses: counted message by message while they are few, else from a sample.

The sample: of each N messages in a row, over UDP and TCP alike, one is looked at, drawn by chance, and counts N times.
N is a power of two that grows at once when there are more messages than time for them, and shrinks by and by when there
are less: else after each pause thousands would be looked at until it had grown again, each at 10 us. Which message is
drawn never decides that, so no message is more likely to be looked at than its neighbours, and all counts are right on
average (`leaks.tops` says how far they may be off).

A drawn message is set aside, with what its response begins with. Over UDP it is looked at once that has left, with a
few others, which costs less each than one by one: the next query waits for some 50 us of it, after a pause for a
batch's.
Measured: python -m bench.averted_leaks
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from blackhole_guard.answering.batch import Batch
from blackhole_guard.answering.policy import Clients
from blackhole_guard.reserved.addresses import parse_reverse_name
from blackhole_guard.reserved.probes import is_probe
from blackhole_guard.reserved.registry import is_reserved_address
from blackhole_guard.wire.client_subnet import parse_client_subnet
from blackhole_guard.wire.codes import OptionCode, RCode, RRClass, RRType
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.header import AA, HEADER, TC
from blackhole_guard.wire.query import parse_query

ALL = 2000  # messages a second that are all looked at: the time for it is there
LOOKS = 400  # a second, at most, when there are more: 5 to 15 us each, and as much in the observer
_MOST_BITS = 16  # of N
_LEAST_SECONDS = 0.25  # a rate over less time says little
_FALL = 2  # bits of N at once, so that a pause of a second or two is no new beginning
_AT_ONCE = 8  # messages at least, that `settle` looks at
_MOST_NOTED = 64  # messages that wait for it, of those that came by themselves: over TCP nobody calls it
_MOST_KEYS = 4096  # counts that wait to be taken, when nobody takes them; what is beyond is lost
_MOST_RESOLVERS = 4096  # that are known to be listed or not

_PTR_IN = int(RRType.PTR).to_bytes(2) + int(RRClass.IN).to_bytes(2)
_OPCODE = 0x78  # in the third octet of a header
_RCODE = 0x0F  # in the fourth
_AA = AA >> 8  # in the third
_BEGIN = slice(2, 10)  # of a response: flags, numbers of questions, answers, and records of authority

LeakKey = tuple[bytes, bytes, bool]  # client, address asked for or nothing, whether it has no PTR


class Ledger(Protocol):
    """Says what the ledger of averted leaks has of a message (`Engine`)."""

    def find_averted(self, octets: bytes, source: bytes, *, over_tcp: bool) -> "tuple[bytes, bool] | None":
        """Find the whole address that was asked for, if any, and whether it has no PTR; None: no averted leak."""


class Counted(NamedTuple):
    """What was counted since the last time."""

    counts: dict[LeakKey, int]
    passed: int  # messages that were not looked at, leaks or not
    one_in: int  # the largest N
    lost: int  # leaks for which there was no room


# A message, the begin of its response (_BEGIN), who sent it, how many messages it counts as, whether it came over TCP.
_Drawn = tuple[bytes, bytes, bytes, int, bool]


class AvertedLeaks:
    """Draws messages and counts. One to a worker; it outlives the snapshots."""

    def __init__(self, draw: Callable[[int], int], most: int = ALL, looks: int = LOOKS) -> None:
        """Begin with nothing.

        Args:
            draw: gives so many random bits; none for 0.
            most: how many messages a second are all looked at.
            looks: how many of them when there are more.
        """
        self._draw = draw
        self._most = most
        self._looks = looks
        self._ledger: Ledger
        self._resolvers = Clients(())
        self._listed: dict[bytes, bool] = {}
        self._bits = 0  # N is 2 to that
        self.ahead = 0  # messages before the next one that is drawn; whoever passes them counts down
        self._next_at = 0  # how many messages there will have been before that one
        self._behind = 0  # messages after that one until its N are full
        self._left = most  # looks until N is doubled
        self._looked = 0  # those of them that were drawn
        self._one_in = 1  # the largest N since the counts were taken
        self._chosen_at = 0.0  # monotonic seconds
        self._seen_then = 0
        self._passed_then = 0  # messages that were not drawn, when the counts were taken
        self._drawn: list[_Drawn] = []
        self._counts: dict[LeakKey, int] = {}
        self._lost = 0

    def follow(self, ledger: Ledger, resolvers: Clients) -> None:
        """Judge by what is in force from now on.

        Args:
            resolvers: who is believed on whose behalf it asks.
        """
        self._ledger, self._resolvers = ledger, resolvers
        self._listed.clear()

    def is_drawn(self, count: int) -> bool:
        """Say whether one of so many messages in a row is drawn, and `draw_from` comes next; else pass them."""
        if self.ahead < count:
            return True
        self.ahead -= count
        return False

    def draw_from(self, batch: Batch) -> list[tuple[int, bytes, int]]:
        """Take out the messages of a batch that are drawn, before they are answered: number, octets, weight."""
        drawn, count, at = [], len(batch.sizes), self.ahead
        while at < count:
            drawn.append((at, batch.message(at), 1 << self._bits))
            at += 1 + self._next()
        self.ahead = at - count
        return drawn

    def set_aside(self, drawn: list[tuple[int, bytes, int]], batch: Batch) -> None:
        """Set the messages aside that `draw_from` gave, now that they are answered, in place."""
        responses, slots = batch.responses, batch.slots
        for number, message, weight in drawn:
            if responses[number]:
                self._drawn.append((message, slots[number][_BEGIN], batch.source(number), weight, False))

    def settle(self) -> None:
        """Look at what was set aside, if it is enough. Called after each batch, when the responses have left."""
        if len(self._drawn) >= _AT_ONCE:
            self._look()

    def note(self, message: bytes, response: bytes | None, source: bytes, *, over_tcp: bool) -> None:
        """Take note of a message that came by itself."""
        if not self.is_drawn(1):
            return
        weight = 1 << self._bits
        self.ahead = self._next()
        if response is not None:
            self._drawn.append((message, response[_BEGIN], source, weight, over_tcp))
            if len(self._drawn) >= _MOST_NOTED:
                self._look()

    def adapt(self, now: float) -> None:
        """Look at what was set aside, and choose N by how many messages there were; `now`: monotonic seconds."""
        self._look()
        seconds = now - self._chosen_at
        if seconds < _LEAST_SECONDS:
            return
        seen = self._next_at - self.ahead
        rate = int((seen - self._seen_then) / seconds)
        bits = min((rate // self._looks).bit_length(), _MOST_BITS) if rate > self._most else 0
        bits = max(bits, self._bits - _FALL)
        if bits != self._bits:
            self._choose(bits)
            self.ahead = self._begin_row()  # in the midst of a row, whatever was drawn in it
            self._next_at = seen + self.ahead
        self._seen_then, self._chosen_at = seen, now
        self._left = self._looks if bits else self._most

    def take(self) -> Counted:
        """Hand over what was counted, and begin anew."""
        passed_by_now = self._next_at - self.ahead - self._looked
        passed = passed_by_now - self._passed_then
        counted = Counted(self._counts, passed, self._one_in if passed else 1, self._lost)
        self._counts, self._passed_then, self._one_in, self._lost = {}, passed_by_now, 1 << self._bits, 0
        return counted

    def _choose(self, bits: int) -> None:
        self._bits = bits
        self._one_in = max(self._one_in, 1 << bits)

    def _next(self) -> int:
        """Go on behind a message that was drawn; returns how many are passed by until the next one."""
        passed = self._behind
        self._looked += 1
        self._left -= 1
        if self._left < 0:
            self._choose(min(self._bits + 1, _MOST_BITS))
            self._left = self._looks // 2
        passed += self._begin_row()
        self._next_at += 1 + passed
        return passed

    def _begin_row(self) -> int:
        """Draw one of the next N messages; returns how many of them stand before it."""
        before = self._draw(self._bits)
        self._behind = (1 << self._bits) - 1 - before
        return before

    def _look(self) -> None:
        """Look at what was set aside."""
        drawn, self._drawn = self._drawn, []
        counts, find_client = self._counts, self._find_client
        for message, begin, source, weight, over_tcp in drawn:
            found = _find_address(message, begin) or self._ledger.find_averted(message, source, over_tcp=over_tcp)
            if found is None:
                continue
            key = (find_client(message, source), *found)
            if key in counts:
                counts[key] += weight
            elif len(counts) < _MOST_KEYS:
                counts[key] = weight
            else:
                self._lost += weight

    def _find_client(self, message: bytes, source: bytes) -> bytes:
        """Say who asks, as `find_client` does: the source, or on whose behalf a resolver asks that is listed."""
        listed = self._listed.get(source)
        if listed is None:
            if len(self._listed) >= _MOST_RESOLVERS:
                self._listed.clear()
            listed = self._listed[source] = source in self._resolvers
        return (find_client(message) or source) if listed else source


def find_client(message: bytes) -> bytes | None:
    """Find on whose behalf a message asks: 4 or 16 octets, or a network's and an octet for the length of its prefix.

    Returns:
        None: it does not say, or not so that it can be read.
    """
    try:
        edns = parse_query(message).edns
        option = edns.options.get(OptionCode.CLIENT_SUBNET) if edns is not None else None
        if option is None:
            return None
        address, prefix_length = parse_client_subnet(option)
    except WireError:
        return None
    if prefix_length == 8 * len(address):
        return address
    return address + bytes((prefix_length,)) if prefix_length else None


def _find_address(message: bytes, begin: bytes) -> tuple[bytes, bool] | None:
    """Find what most averted leaks ask for: the PTR of a whole address. None: the ledger must say.

    The response tells that a zone of ours holds the name: it has AA and an answer or a denial.
    """
    end = message.find(0, HEADER.size) + 1
    if message[end : end + len(_PTR_IN)] != _PTR_IN or message[2] & _OPCODE or not begin[0] & _AA or begin[0] & TC >> 8:
        return None
    rcode = begin[1] & _RCODE
    name = message[HEADER.size : end].lower()
    address = parse_reverse_name(name)
    if address is None or rcode not in (RCode.NOERROR, RCode.NXDOMAIN) or not is_reserved_address(address):
        return None
    has_answer, has_authority = begin[4:6] != b"\0\0", begin[6:8] != b"\0\0"
    # With both it is an alias, whose end is not there or has no PTR.
    if is_probe(name) or (has_answer and has_authority):
        return None
    return address, rcode == RCode.NXDOMAIN or not has_answer
