"""What answering counts: closed sets of names, so that no client can make them grow.

`queries` are the messages that were answered; RCODE and QTYPE are those of our answers, not of the registries.
"""

from collections.abc import Mapping
from itertools import product
from typing import NamedTuple

from blackhole_guard.answering.answer import RCODES, Outcome, Refusal
from blackhole_guard.reserved.registry import BLOCKS
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.wire.codes import RCode, RRType

Key = tuple[str, ...]  # a family's name and the values of its labels


class Family(NamedTuple):
    """A counter and all that it can count."""

    name: str
    labels: tuple[str, ...]
    series: tuple[tuple[str, ...], ...]  # the values of the labels, one tuple each


_QTYPES = (
    *("A", "NS", "CNAME", "SOA", "PTR", "HINFO", "MX", "TXT", "AAAA", "SRV", "NAPTR"),
    *("DS", "DNSKEY", "TLSA", "SVCB", "HTTPS", "IXFR", "AXFR", "ANY"),
)
OTHER_TYPE = "other"
NO_TYPE = "none"  # no query: NOTIFY, UPDATE, an unknown opcode; or no question that could be read
_QTYPE_LABELS: Mapping[int, str] = {RRType[name]: name for name in _QTYPES}
PUBLIC = "public"  # the block of zones that are not reserved

# What the ledger calls the outcomes of queries in our zones.
LEDGER_OUTCOMES: Mapping[Outcome, str] = {
    Outcome.ANSWER: "answered",
    Outcome.NODATA: "nodata",
    Outcome.NXDOMAIN: "nxdomain",
    Outcome.REFERRAL: "referral",
    Outcome.REFUSED: "refused",
}
_RCODES = tuple(sorted({*RCODES.values(), RCode.NOTIMP, RCode.SERVFAIL}))


def _leaks() -> tuple[tuple[str, ...], ...]:
    anywhere = (Shape.DNS_SD, Shape.SOA_HUNT, Shape.OTHER)
    series = []
    for block, sink in BLOCKS.items():
        # A block that is a name (home.arpa) has no addresses.
        shapes = (Shape.HOST, Shape.NETWORK, Shape.JUNK, *anywhere) if "/" in block else anywhere
        series += [(block, sink, shape, outcome) for shape, outcome in product(shapes, LEDGER_OUTCOMES.values())]
        series.append((block, sink, Shape.UPDATE, LEDGER_OUTCOMES[Outcome.REFUSED]))
    return tuple(tuple(str(value) for value in values) for values in series)


def _one_label(*values: str) -> tuple[tuple[str, ...], ...]:
    return tuple((str(value),) for value in values)


FAMILIES = (
    Family(
        "queries",
        ("transport", "family", "qtype", "rcode"),
        tuple(
            product(
                ("udp", "tcp"),
                ("ipv4", "ipv6"),
                (*_QTYPES, OTHER_TYPE, NO_TYPE),
                tuple(rcode.name for rcode in _RCODES),
            )
        ),
    ),
    Family("leaks_averted", ("block", "sink", "shape", "outcome"), _leaks()),
    Family("refused", ("reason",), _one_label(*Refusal)),
    Family("unmapped_queries", ("block",), _one_label(*(block for block in BLOCKS if "/" in block), PUBLIC)),
    # NXDOMAIN for a name in between: there a resolver that minimises ends its search, and the address is never seen.
    Family(
        "searches_ended", ("block", "sink"), tuple((block, str(sink)) for block, sink in BLOCKS.items() if "/" in block)
    ),
    Family("updates", ("result",), _one_label("refused", "notauth", "formerr")),
    Family("unanswered", ("reason",), _one_label("short", "response")),  # messages that must not be answered
    Family("answer_errors", (), ((),)),  # exceptions nobody expected: bugs, answered SERVFAIL
)


def qtype_label(qtype: int) -> str:
    """Name a type as the counters do."""
    return _QTYPE_LABELS.get(qtype, OTHER_TYPE)


LANES = (("udp", "ipv4"), ("udp", "ipv6"), ("tcp", "ipv4"), ("tcp", "ipv6"))  # how a message came
# How often one kind of answer was given, by lane. Whoever holds an account counts with `account[lane] += 1`.
Account = list[int]


def find_lane(source: bytes, *, over_tcp: bool) -> int:
    """Give the lane of a message from an address of 4 or 16 octets."""
    return 2 * over_tcp + (len(source) != 4)


class Tally:
    """Counts since the last take, in plain integers."""

    def __init__(self) -> None:
        self._counts: dict[Key, int] = {}
        self._accounts: dict[tuple[str, str, tuple[Key, ...]], Account] = {}

    def add(self, *key: str) -> None:
        """Count one more of a family's name and the values of its labels."""
        self._counts[key] = self._counts.get(key, 0) + 1

    def open_account(self, qtype: str, rcode: str, others: tuple[Key, ...] = ()) -> Account:
        """Give the account of one kind of answer: a message that was answered, and what else it counts as.

        Args:
            qtype: as `qtype_label` has it, or NO_TYPE.
            rcode: of the answer, its name.
            others: the families and label values that count one more each, besides `queries`.
        """
        return self._accounts.setdefault((qtype, rcode, others), [0] * len(LANES))

    def take(self) -> Mapping[Key, int]:
        """Hand over what was counted, and begin anew."""
        counts, self._counts = self._counts, {}
        for (qtype, rcode, others), account in self._accounts.items():
            answers = sum(account)
            if not answers:
                continue
            for lane, n in zip(LANES, account, strict=True):
                if n:
                    _add(counts, ("queries", *lane, qtype, rcode), n)
            for key in others:
                _add(counts, key, answers)
            account[:] = [0] * len(LANES)  # in its place: others hold it
        return counts


def _add(counts: dict[Key, int], key: Key, n: int) -> None:
    counts[key] = counts.get(key, 0) + n
