"""The lines of each program that writes query logs: BIND, Unbound, dnsmasq, systemd-resolved.

A reader for each program: it knows its lines by their form, so that lines of several may stand in one log, and what it
must remember from one line to the next. What a line costs is in proportion to its length.
"""

import re
from typing import Protocol

from blackhole_guard.leaks.evidence import Certainty
from blackhole_guard.leaks.log_lines import NOTHING, Question, Shown, Sightings, make_question, parse_address, remember
from blackhole_guard.reserved.registry import is_public_address
from blackhole_guard.reserved.sinks import find_sink


class ProgramLines(Protocol):
    """Reads the lines of one program."""

    def read(self, line: str) -> Shown | None:
        """Read a line; None: it is none of this program's that tell of queries."""


class BindLines:
    """Lines of BIND 9."""

    def __init__(self, sightings: Sightings) -> None:
        """Begin. `sightings`: its own in this log."""
        self._sightings = sightings
        # The server whose packet is printed in the next lines, which have no time, and the line that has it.
        self._packet: tuple[bytes, str] | None = None

    def read(self, line: str) -> Shown | None:
        """Read a line; None: it is none of BIND's that tell of queries."""
        before, found, rest = line.rpartition(": query: ")
        if found:
            return self._read_query(before, rest, line)
        before, found, rest = line.partition("RFC 1918 response from Internet for ")
        if found:
            question = make_question(rest.strip(), "PTR", "IN")
            if question is None:
                return NOTHING
            return self._sightings.see(question, Certainty.OBSERVED, line, client=_find_client(before))
        _, found, rest = line.partition("sending packet to ")
        if found:
            server = parse_address(rest.split(None, 1)[0]) if rest.strip() else None
            self._packet = None if server is None else (server, line)
            return None if server is None else NOTHING
        if self._packet is not None and line.startswith(";"):
            return self._read_printed(*self._packet, line)
        return None

    def _read_query(self, before: str, rest: str, line: str) -> Shown | None:
        """Read `client @0x7f 10.0.0.5#50161 (NAME): view inside: query: NAME IN PTR +E(0)K (10.0.0.53)`."""
        words = rest.split(None, 3)
        client = _find_client(before)
        if client is None or len(words) < 3:
            return None
        question = make_question(words[0], words[2], words[1])
        return NOTHING if question is None else self._sightings.see(question, Certainty.POSSIBLE, line, client=client)

    def _read_printed(self, server: bytes, sent: str, line: str) -> Shown:
        """Read a line of the message to a server; its question is `;NAME. IN PTR`. `sent`: the line with its time."""
        words = line.lstrip("; \t").split()
        if len(words) != 3 or line.startswith(";;"):
            return NOTHING
        self._packet = None
        question = make_question(words[0], words[2], words[1])
        if question is None or find_sink(server) is None:
            return NOTHING
        return self._sightings.see(question, Certainty.OBSERVED, sent, server=server)


def _find_client(before: str) -> bytes | None:
    """Find the address in `client @0x7f 10.0.0.5#50161 (NAME)`, or `client 10.0.0.5#50161` of older versions."""
    for word in before.rpartition("client ")[2].split(None, 2)[:2]:
        address, found, _ = word.partition("#")
        if found:
            return parse_address(address)
    return None


class UnboundLines:
    """Lines of Unbound."""

    # Process and thread, in hexadecimal, and what follows; so in a file and in syslog.
    _FORM = re.compile(r"\[[0-9]+:[0-9a-f]+\] (query|reply|info|debug): ")

    def __init__(self, sightings: Sightings) -> None:
        """Begin. `sightings`: its own in this log."""
        self._sightings = sightings
        self._sending: Question | None = None  # what is about to be sent
        self._responding: Question | None = None  # what the next `reply from` is about
        self._told: dict[bytes, None] = {}  # searches whose reply from a sink was seen
        self._sees_queries = self._sees_sending = False  # so replies tell nothing new

    def read(self, line: str) -> Shown | None:
        """Read a line; None: it is none of Unbound's that tell of queries."""
        form = self._FORM.search(line)
        if form is None:
            return None
        kind, rest = form[1], line[form.end() :]
        verb, _, after = rest.partition(" ")
        if kind in ("query", "reply"):  # with log-tag-queryreply
            return self._read_query(rest, line)
        if verb == "sending" and after.startswith("query: "):  # the next line has the server
            self._sending = _read_step(after[7:])
        elif verb == "sending" and after.startswith("to target: "):
            return self._read_target(after, line)
        elif verb == "response" and after.startswith("for "):
            self._responding = _read_step(after[4:])
        elif verb == "reply" and after.startswith("from "):
            return self._read_reply_from(after, line)
        elif verb == "resolving":
            question = _read_step(after)
            if question is not None:
                self._told.pop(question.name, None)
        else:
            return self._read_query(rest, line)
        return NOTHING

    def _read_target(self, after: str, line: str) -> Shown:
        """Read `to target: <10.in-addr.arpa.> 192.175.48.6#53`."""
        self._sees_sending = True
        question, self._sending = self._sending, None
        server = parse_address(after.rpartition("> ")[2].strip())
        if question is None or server is None or find_sink(server) is None:
            return NOTHING
        return self._sightings.see(question, Certainty.OBSERVED, line, server=server)

    def _read_reply_from(self, after: str, line: str) -> Shown:
        """Read `from <10.in-addr.arpa.> 192.175.48.6#53`, once for each search."""
        question, self._responding = self._responding, None
        server = parse_address(after.rpartition("> ")[2].strip())
        if question is None or server is None or self._sees_sending:
            return NOTHING
        if find_sink(server) is None or question.name in self._told:
            return NOTHING
        remember(self._told, question.name, None)
        return self._sightings.see(question, Certainty.OBSERVED, line, server=server)

    def _read_query(self, rest: str, line: str) -> Shown | None:
        """Read `10.0.0.5 NAME. PTR IN` of a query, or the same and more of a reply."""
        words = rest.split(None, 5)
        if len(words) < 4 or (client := parse_address(words[0])) is None:
            return None
        is_reply = len(words) > 4
        if is_reply and self._sees_queries:
            return NOTHING  # its query has been read
        self._sees_queries = self._sees_queries or not is_reply
        question = make_question(words[1], words[2], words[3])
        return NOTHING if question is None else self._sightings.see(question, Certainty.POSSIBLE, line, client=client)


def _read_step(text: str) -> Question | None:
    """Read `NAME. PTR IN`."""
    words = text.split(None, 3)
    return make_question(words[0], words[1], words[2]) if len(words) == 3 else None


class DnsmasqLines:
    """Lines of dnsmasq."""

    def __init__(self, sightings: Sightings) -> None:
        """Begin. `sightings`: its own in this log."""
        self._sightings = sightings
        self._questions: dict[bytes, Question] = {}  # what was asked last for a name

    def read(self, line: str) -> Shown | None:
        """Read a line; None: it is none of dnsmasq's that tell of queries."""
        _, found, rest = line.partition("query[")
        if found:
            return self._read_query(rest, line)
        _, found, rest = line.partition("forwarded ")
        return self._read_forward(rest, line) if found else None

    def _read_query(self, rest: str, line: str) -> Shown | None:
        """Read `PTR] NAME from 10.0.0.5`: for the line that says where it was forwarded to."""
        qtype, _, after = rest.partition("] ")
        words = after.split(None, 3)
        if len(words) < 3 or words[1] != "from" or (client := parse_address(words[2])) is None:
            return None
        question = make_question(words[0], qtype, "IN")
        if question is not None:
            remember(self._questions, question.name, question)
            self._sightings.note_asker(question, client, line)
        return NOTHING

    def _read_forward(self, rest: str, line: str) -> Shown | None:
        """Read `NAME to 8.8.8.8`."""
        words = rest.split(None, 3)
        if len(words) < 3 or words[1] != "to" or (server := parse_address(words[2])) is None:
            return None
        question = make_question(words[0], "PTR", "IN")
        if question is None or not is_public_address(server):
            return NOTHING
        question = self._questions.get(question.name, question)
        return self._sightings.see(question, Certainty.LIKELY, line, server=server)


class ResolvedLines:
    """Lines of systemd-resolved."""

    def __init__(self, sightings: Sightings) -> None:
        """Begin. `sightings`: its own in this log."""
        self._sightings = sightings
        self._transactions: dict[str, Question] = {}  # by number

    def read(self, line: str) -> Shown | None:
        """Read a line; None: it is none of systemd-resolved's that tell of queries."""
        _, found, rest = line.partition("Using DNS server ")
        if found:
            return self._read_server(rest, line)
        _, found, rest = line.partition("ransaction ")
        return self._read_transaction(rest) if found else None

    def _read_transaction(self, rest: str) -> Shown | None:
        """Read `38041 for <NAME IN PTR> scope dns on eth0/*`."""
        number, _, after = rest.partition(" for <")
        words = after.partition(">")[0].split()
        if len(words) != 3 or not number.isdecimal():
            return None
        question = make_question(words[0], words[2], words[1])
        if question is not None:
            remember(self._transactions, number, question)
        return NOTHING

    def _read_server(self, rest: str, line: str) -> Shown | None:
        """Read `8.8.8.8 for transaction 38041.`"""
        address, _, number = rest.partition(" for transaction ")
        server = parse_address(address)
        if server is None:
            return None
        question = self._transactions.get(number.strip().rstrip("."))
        if question is None or not is_public_address(server):
            return NOTHING
        return self._sightings.see(question, Certainty.LIKELY, line, server=server)
