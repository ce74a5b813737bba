"""What the lines of query logs have in common, whatever program wrote them: names, addresses, times, who asked."""

from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple, TypeVar

from blackhole_guard.leaks.askers import Askers
from blackhole_guard.leaks.evidence import Certainty, Sighting, Via
from blackhole_guard.leaks.log_times import LogTimes
from blackhole_guard.reserved.registry import find_reserved_name
from blackhole_guard.wire.codes import RRClass, RRType
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.names import pack_name

K = TypeVar("K")
V = TypeVar("V")

_LONGEST_ADDRESS = 45  # octets of text: IPv6 with IPv4's notation at its end
_REMEMBERED = 300  # octets of text of a question that is remembered: a name that needs no escapes, type, class
_MOST_OPEN = 1_000  # transactions or searches that are remembered at once
_CLASSES = {each.name: int(each) for each in RRClass}


class LogSighting(NamedTuple):
    """What a line shows, and what it proves where the server is no sink by its address."""

    sighting: Sighting
    certainty: Certainty


class Shown(NamedTuple):
    """A line that was understood."""

    sighting: LogSighting | None  # None: it is of no reserved name, or tells nothing by itself


NOTHING = Shown(None)


class Question(NamedTuple):
    """What a reserved name is asked for."""

    name: bytes  # wire form, lower case
    qtype: int  # 0: one without a name here, or it is not told
    qclass: int


class Sightings:
    """Makes sightings of one program's lines in one log: knows its times, and who asked it for what."""

    def __init__(self, times: LogTimes) -> None:
        """Begin.

        Args:
            times: reads the times of this file.
        """
        self._times = times
        self._askers = Askers()

    def note_asker(self, question: Question, client: bytes, line: str) -> None:
        """Remember that a client (4 or 16 octets) asked."""
        self._askers.add(question.name, client, self._times.read(line))

    def see(
        self,
        question: Question,
        certainty: Certainty,
        line: str,
        *,
        client: bytes | None = None,
        server: bytes | None = None,
    ) -> Shown:
        """Make one; a client (4 or 16 octets) that is not told is the last one that asked."""
        at = self._times.read(line)
        if client is not None:
            self._askers.add(question.name, client, at)
        elif certainty is not Certainty.POSSIBLE:
            client = self._askers.find(question.name, at)
        name, qtype, qclass = question
        sighting = Sighting(at, Via.LOG, name, qtype, qclass, client=client, server=server)
        return Shown(LogSighting(sighting, certainty))


def parse_address(text: str) -> bytes | None:
    """Read an address; a port behind `#` or `@`, a scope behind `%` and what follows them are not looked at."""
    for mark in "#@%":
        text = text.partition(mark)[0]
    return _pack_address(text) if len(text) <= _LONGEST_ADDRESS else None


@lru_cache(4096)  # the same few clients and servers all the time, and `ip_address` takes 3 us
def _pack_address(text: str) -> bytes | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return (mapped or address).packed


def make_question(name: str, qtype: str, qclass: str) -> Question | None:
    """Read a name, a type and a class as logs write them; None: the name is none, or in no reserved zone."""
    make = _read_question if len(name) + len(qtype) + len(qclass) <= _REMEMBERED else _read_question.__wrapped__
    return make(name, qtype, qclass)


@lru_cache(8192)  # the same few names, too; 7 MB at most
def _read_question(name: str, qtype: str, qclass: str) -> Question | None:
    try:
        wire = pack_name(name).lower()
    except WireError:
        return None
    number = _CLASSES.get(qclass)
    if number is None or find_reserved_name(wire) is None:
        return None
    known = RRType.__members__.get(qtype)
    if known is not None:
        return Question(wire, int(known), number)
    value = qtype[4:].removeprefix("=")  # `TYPE65`; dnsmasq: `type=65`
    has_number = qtype[:4] in ("TYPE", "type") and value.isascii() and value.isdecimal() and len(value) <= 5
    return Question(wire, int(value) & 0xFFFF if has_number else 0, number)


def remember(table: dict[K, V], key: K, value: V) -> None:
    """Enter something; when there is too much, what was entered first is forgotten."""
    table.pop(key, None)
    if len(table) >= _MOST_OPEN:
        del table[next(iter(table))]
    table[key] = value
