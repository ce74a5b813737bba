"""Query logs: lines of BIND, Unbound, dnsmasq and systemd-resolved that tell of a query for a reserved name.

What a line proves:
- A client's query (BIND, Unbound): that it was asked for. The resolver may answer it itself, so it may leak.
- `forwarded NAME to ADDRESS` (dnsmasq), `Using DNS server ADDRESS` (systemd-resolved): a public server got it. What a
  client asked them is no line of its own here: they log whatever they send on.
- Which server was asked or replied (Unbound, verbosity 2 and up; BIND, debug level 11 and up): observed, if a sink.
- `RFC 1918 response from Internet` (BIND up to 9.18): observed. BIND logs it for responses out of its cache, too.
Lines depend on those before them, so a reader belongs to one file. It knows neither files nor clocks; lines that it
does not understand are nothing, and what a line costs is in proportion to its length, which has a limit.
"""

from ipaddress import ip_address
from typing import NamedTuple, TypeVar

from blackhole_guard.leaks.askers import Askers
from blackhole_guard.leaks.dnstap_join import is_public
from blackhole_guard.leaks.evidence import Certainty, Sighting, Via
from blackhole_guard.leaks.log_times import LogTimes
from blackhole_guard.reserved.registry import find_reserved_name
from blackhole_guard.reserved.sinks import find_sink
from blackhole_guard.wire.codes import RRClass, RRType
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.names import pack_name

K = TypeVar("K")
V = TypeVar("V")

LONGEST_LINE = 8192  # octets; what is behind them is not looked at
_MOST_OPEN = 1_000  # transactions or searches that are remembered at once
_CLASSES = {each.name: int(each) for each in RRClass}
# Parts of the lines that matter; all others are given up at once. Those of the second kind have no name in them.
_NAMED = b"arpa"
_NAMELESS = (b"sending packet to ", b"sending to target: ", b"Using DNS server ")
_LEAK_LINE = "RFC 1918 response from Internet for "


class LogSighting(NamedTuple):
    """What a line shows, and what it proves where the server is no sink by its address."""

    sighting: Sighting
    certainty: Certainty


class _Question(NamedTuple):
    name: bytes  # wire form, lower case
    qtype: int  # 0: one without a name here, or it is not told
    qclass: int


class LogReader:
    """Reads the lines of one log, in their order."""

    def __init__(self, times: LogTimes) -> None:
        """Begin.

        Args:
            times: reads the times of this file.
        """
        self._times = times
        self._askers = Askers()
        self._types: dict[bytes, _Question] = {}  # dnsmasq: what was asked last for a name
        self._transactions: dict[str, _Question] = {}  # systemd-resolved: by number
        self._sending: _Question | None = None  # Unbound: what is about to be sent
        self._responding: _Question | None = None  # Unbound: what the next `reply from` is about
        self._told: dict[bytes, None] = {}  # Unbound: searches whose reply from a sink was seen
        self._packet_to: bytes | None = None  # BIND: the server whose packet is printed in the next lines
        self._sees_queries = self._sees_sending = False  # Unbound: so replies tell nothing new

    def read(self, line: bytes) -> LogSighting | None:
        """Read one line, with or without its end; None: it shows nothing."""
        if len(line) > LONGEST_LINE:
            line = line[:LONGEST_LINE]
        if _NAMED not in line and not any(part in line for part in _NAMELESS) and _NAMED not in line.lower():
            return None
        text = line.decode("ascii", "replace")
        for part, read in _READERS:
            before, found, rest = text.partition(part)
            if found:
                return read(self, before, rest, text)
        return None

    def _see(
        self,
        question: _Question,
        certainty: Certainty,
        line: str,
        *,
        client: bytes | None = None,
        server: bytes | None = None,
    ) -> LogSighting:
        at = self._times.read(line)
        if client is not None:
            self._askers.add(question.name, client, at)
        elif certainty is not Certainty.POSSIBLE:
            client = self._askers.find(question.name, at)
        name, qtype, qclass = question
        return LogSighting(Sighting(at, Via.LOG, name, qtype, qclass, client=client, server=server), certainty)

    def _read_bind_query(self, before: str, rest: str, line: str) -> LogSighting | None:
        """Read `client @0x7f 10.0.0.5#50161 (NAME): view inside: query: NAME IN PTR +E(0)K (10.0.0.53)`."""
        words = rest.split(None, 3)
        client = _find_bind_client(before)
        if client is None or len(words) < 3:
            return self._read_unbound_query(before, rest, line)  # `query: ` is Unbound's word, too
        question = _make_question(words[0], words[2], words[1])
        return None if question is None else self._see(question, Certainty.POSSIBLE, line, client=client)

    def _read_bind_leak(self, before: str, rest: str, line: str) -> LogSighting | None:
        question = _make_question(rest.strip(), "PTR", "IN")
        if question is None:
            return None
        return self._see(question, Certainty.OBSERVED, line, client=_find_bind_client(before))

    def _read_bind_packet(self, before: str, rest: str, line: str) -> LogSighting | None:
        """Read `sending packet to 192.175.48.6#53`; the message follows, a line each."""
        self._packet_to = _parse_address(rest.split(None, 1)[0]) if rest.strip() else None
        return None

    def _read_bind_question(self, before: str, rest: str, line: str) -> LogSighting | None:
        """Read `;NAME. IN PTR` of a message that is printed."""
        words = line.lstrip("; \t").split()
        if self._packet_to is None or len(words) != 3 or not line.startswith(";") or line.startswith(";;"):
            return None
        question, server, self._packet_to = _make_question(words[0], words[2], words[1]), self._packet_to, None
        if question is None or find_sink(server) is None:
            return None
        return self._see(question, Certainty.OBSERVED, line, server=server)

    def _read_unbound_info(self, before: str, rest: str, line: str) -> LogSighting | None:
        """Read what stands behind `info: `: a query, or a step of a search."""
        verb, _, after = rest.partition(" ")
        if verb == "response" and after.startswith("for "):
            self._responding = _read_step(after[4:])
        elif verb == "resolving":
            question = _read_step(after)
            if question is not None:
                self._told.pop(question.name, None)
        elif verb == "reply" and after.startswith("from "):
            return self._read_unbound_reply_from(after, line)
        else:
            return self._read_unbound_query(before, rest, line)
        return None

    def _read_unbound_sending(self, before: str, rest: str, line: str) -> LogSighting | None:
        """Read `sending query: NAME. PTR IN`: the next line has the server."""
        self._sending = _read_step(rest)
        return None

    def _read_unbound_target(self, before: str, rest: str, line: str) -> LogSighting | None:
        """Read `sending to target: <10.in-addr.arpa.> 192.175.48.6#53`."""
        self._sees_sending = True
        question, self._sending = self._sending, None
        server = _parse_address(rest.rpartition("> ")[2].strip())
        if question is None or server is None or find_sink(server) is None:
            return None
        return self._see(question, Certainty.OBSERVED, line, server=server)

    def _read_unbound_reply_from(self, after: str, line: str) -> LogSighting | None:
        """Read `reply from <10.in-addr.arpa.> 192.175.48.6#53`, once for each search."""
        question, self._responding = self._responding, None
        server = _parse_address(after.rpartition("> ")[2].strip())
        if question is None or server is None or self._sees_sending:
            return None
        if find_sink(server) is None or question.name in self._told:
            return None
        _remember(self._told, question.name, None)
        return self._see(question, Certainty.OBSERVED, line, server=server)

    def _read_unbound_query(self, before: str, rest: str, line: str) -> LogSighting | None:
        """Read `10.0.0.5 NAME. PTR IN` of a query, or the same and more of a reply."""
        words = rest.split(None, 5)
        if len(words) < 4 or (client := _parse_address(words[0])) is None:
            return None
        is_reply = len(words) > 4
        if is_reply and self._sees_queries:
            return None  # its query has been read
        self._sees_queries = self._sees_queries or not is_reply
        question = _make_question(words[1], words[2], words[3])
        return None if question is None else self._see(question, Certainty.POSSIBLE, line, client=client)

    def _read_dnsmasq_query(self, before: str, rest: str, line: str) -> LogSighting | None:
        """Read `query[PTR] NAME from 10.0.0.5`: for the line that says where it was forwarded to."""
        qtype, _, after = rest.partition("] ")
        words = after.split()
        question = _make_question(words[0], qtype, "IN") if len(words) >= 3 and words[1] == "from" else None
        client = _parse_address(words[2]) if question is not None else None
        if question is not None and client is not None:
            _remember(self._types, question.name, question)
            self._askers.add(question.name, client, self._times.read(line))
        return None

    def _read_dnsmasq_forward(self, before: str, rest: str, line: str) -> LogSighting | None:
        """Read `forwarded NAME to 8.8.8.8`."""
        words = rest.split()
        question = _make_question(words[0], "PTR", "IN") if len(words) >= 3 and words[1] == "to" else None
        server = _parse_address(words[2]) if question is not None else None
        if question is None or server is None or not is_public(server):
            return None
        return self._see(self._types.get(question.name, question), Certainty.LIKELY, line, server=server)

    def _read_resolved_transaction(self, before: str, rest: str, line: str) -> LogSighting | None:
        """Read `transaction 38041 for <NAME IN PTR> scope dns on eth0/*`."""
        number, _, after = rest.partition(" for <")
        words = after.partition(">")[0].split()
        question = _make_question(words[0], words[2], words[1]) if len(words) == 3 else None
        if question is not None and number.isdecimal():
            _remember(self._transactions, number, question)
        return None

    def _read_resolved_server(self, before: str, rest: str, line: str) -> LogSighting | None:
        """Read `Using DNS server 8.8.8.8 for transaction 38041.`"""
        address, _, number = rest.partition(" for transaction ")
        question = self._transactions.get(number.strip().rstrip("."))
        server = _parse_address(address)
        if question is None or server is None or not is_public(server):
            return None
        return self._see(question, Certainty.LIKELY, line, server=server)


# What a line is, by a part of it; the first one counts. `_read_bind_question` takes what has none.
_READERS = (
    (_LEAK_LINE, LogReader._read_bind_leak),
    ("sending query: ", LogReader._read_unbound_sending),
    ("query: ", LogReader._read_bind_query),
    ("query[", LogReader._read_dnsmasq_query),
    ("forwarded ", LogReader._read_dnsmasq_forward),
    ("sending to target: ", LogReader._read_unbound_target),
    ("sending packet to ", LogReader._read_bind_packet),
    ("Using DNS server ", LogReader._read_resolved_server),
    ("ransaction ", LogReader._read_resolved_transaction),
    ("info: ", LogReader._read_unbound_info),
    ("reply: ", LogReader._read_unbound_query),
    (";", LogReader._read_bind_question),
)


def _find_bind_client(before: str) -> bytes | None:
    """Find the address in `client @0x7f 10.0.0.5#50161 (NAME)`, or `client 10.0.0.5#50161` of older versions."""
    for word in before.rpartition("client ")[2].split(None, 2)[:2]:
        address, found, _ = word.partition("#")
        if found:
            return _parse_address(address)
    return None


def _parse_address(text: str) -> bytes | None:
    """Read an address; a port behind `#` or `@`, a scope behind `%` and what follows them are not looked at."""
    for mark in "#@%":
        text = text.partition(mark)[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return (mapped or address).packed


def _make_question(name: str, qtype: str, qclass: str) -> _Question | None:
    """Read a name, a type and a class as logs write them; None: the name is none, or in no reserved zone."""
    try:
        wire = pack_name(name).lower()
    except WireError:
        return None
    number = _CLASSES.get(qclass)
    if number is None or find_reserved_name(wire) is None:
        return None
    known = RRType.__members__.get(qtype)
    if known is not None:
        return _Question(wire, int(known), number)
    value = qtype[4:]
    has_number = qtype[:4] in ("TYPE", "type") and value.isascii() and value.isdecimal() and len(value) <= 5
    return _Question(wire, int(value) & 0xFFFF if has_number else 0, number)


def _read_step(text: str) -> _Question | None:
    """Read `NAME. PTR IN`."""
    words = text.split(None, 3)
    return _make_question(words[0], words[1], words[2]) if len(words) == 3 else None


def _remember(table: dict[K, V], key: K, value: V) -> None:
    """Enter something; when there is too much, what was entered first is forgotten."""
    table.pop(key, None)
    if len(table) >= _MOST_OPEN:
        del table[next(iter(table))]
    table[key] = value
