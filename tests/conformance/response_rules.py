"""What of two responses must be equal, and the exceptions, which are the rules in docs/conformance.md."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "conformance.md"
FIELDS = ("rcode", "aa", "tc", "flags", "answer", "authority", "additional", "edns", "options")


@dataclass(frozen=True)
class View:
    """A response as it is compared: sections are sets of records, owner and RDATA without case."""

    rcode: str
    aa: bool
    tc: bool
    flags: str  # the others: rd ra ad cd
    answer: frozenset[tuple[object, ...]]
    authority: frozenset[tuple[object, ...]]
    additional: frozenset[tuple[object, ...]]
    edns: str  # version, size, DO; empty without OPT
    options: str  # `EDE 20`, or code and octets

    def differences(self, other: "View") -> frozenset[str]:
        return frozenset(name for name in FIELDS if getattr(self, name) != getattr(other, name))


def view(octets: bytes) -> View:
    """Decode a response with dnspython. Raises dns.exception.DNSException."""
    message = dns.message.from_wire(octets)
    others = (dns.flags.RD, dns.flags.RA, dns.flags.AD, dns.flags.CD)
    return View(
        rcode=dns.rcode.to_text(message.rcode()),
        aa=bool(message.flags & dns.flags.AA),
        tc=bool(message.flags & dns.flags.TC),
        flags=" ".join(flag.name for flag in others if message.flags & flag),
        answer=_records(message.answer),
        authority=_records(message.authority),
        additional=_records(message.additional),
        edns=f"{message.edns} {message.payload} {message.ednsflags:#x}" if message.edns >= 0 else "",
        options=" ".join(sorted(_format_option(option) for option in message.options)),
    )


def _format_option(option: dns.edns.Option) -> str:
    if isinstance(option, dns.edns.EDEOption):
        return f"EDE {int(option.code)}" + (f" {option.text}" if option.text else "")
    return f"{int(option.otype)} {(option.to_wire() or b'').hex()}"


def _records(section: Iterable[dns.rrset.RRset]) -> frozenset[tuple[object, ...]]:
    return frozenset(
        (rrset.name.canonicalize().to_wire(), int(rrset.rdclass), int(rrset.rdtype), rrset.ttl, rdata.to_digestable())
        for rrset in section
        for rdata in rrset
    )


def faults(query: bytes, response: bytes) -> list[str]:
    """What is wrong with a response of ours whatever the peers say."""
    found = []
    if response[:2] != query[:2]:
        found.append("another ID")
    if not response[2] & 0x80:
        found.append("QR is 0")
    counted = int.from_bytes(response[4:6], "big")
    question = query[12 : query.index(b"\0", 12) + 5] if counted else b""
    if counted and not response[12:].startswith(_question_of(query)):
        found.append(f"the question is not echoed octet for octet: {question!r}")
    message = dns.message.from_wire(response)
    for index, section in enumerate((message.answer, message.authority, message.additional)):
        records = sum(len(rrset) for rrset in section) + (index == 2 and message.edns >= 0)
        if records != int.from_bytes(response[6 + 2 * index : 8 + 2 * index], "big"):
            found.append(f"section {index + 1} has a record twice")
    return found


def _question_of(query: bytes) -> bytes:
    position = 12
    while query[position]:
        position += 1 + query[position]
    return query[12 : position + 5]


@dataclass(frozen=True)
class Rule:
    """An exception: in queries of `kind` the field may be `ours` where both peers have something else."""

    kind: str
    field: str
    ours: str  # an RCODE, a number of records, `set`, `clear`, `*`
    reason: str

    def allows(self, kind: str, name: str, ours: View) -> bool:
        if (kind, name) != (self.kind, self.field):
            return False
        value = getattr(ours, name)
        if isinstance(value, bool):
            return self.ours == ("set" if value else "clear")
        if isinstance(value, frozenset):
            return self.ours in ("*", str(len(value)))
        return self.ours in ("*", str(value))


def read_rules(document: Path = DOCUMENT) -> tuple[Rule, ...]:
    """The rows of the table of exceptions."""
    lines = document.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| kind | field |"))
    rules = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        kind, name, ours, reason = (cell.strip().strip("`") for cell in line.strip().strip("|").split("|"))
        assert name in FIELDS, line
        rules.append(Rule(kind, name, ours, reason))
    return tuple(rules)


@dataclass
class Verdicts:
    """The outcome of a comparison."""

    rules: tuple[Rule, ...]
    equal: Counter[str] = field(default_factory=Counter)  # to whom: "both", "knot", "nsd"
    used: Counter[Rule] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def enter(self, kind: str, label: str, ours: View, peers: dict[str, View]) -> None:
        """Hold one response of ours against the peers'."""
        differences = {name: ours.differences(theirs) for name, theirs in peers.items()}
        same = [name for name, fields in differences.items() if not fields]
        if same:
            self.equal["both" if len(same) == len(peers) else same[0]] += 1
            return
        nearest = min(differences, key=lambda name: len(differences[name]))
        used = []
        for name in differences[nearest]:
            rule = next((rule for rule in self.rules if rule.allows(kind, name, ours)), None)
            if rule is None:
                self.wrong.append(f"{label}\n{describe(ours, peers, differences[nearest])}")
                return
            used.append(rule)
        self.equal["by rule"] += 1
        self.used.update(used)


def describe(ours: View, peers: dict[str, View], names: Iterable[str]) -> str:
    """The fields that differ, for people."""
    lines = []
    for name in sorted(names):
        for who, seen in (("ours", ours), *peers.items()):
            value = getattr(seen, name)
            shown = sorted(map(str, value))[:6] if isinstance(value, frozenset) else value
            lines.append(f"    {name:10} {who:5} {shown}{f' ({len(value)})' if isinstance(value, frozenset) else ''}")
    return "\n".join(lines)
