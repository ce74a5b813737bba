"""Messages that a path which knows octets alone could take for each other, and batches of them."""

import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from mmap import mmap
from struct import pack

from hypothesis import strategies as st
from raw_messages import opt, option, question, record, tsig
from shelved_zones import NAMES, ODD_NAMES

from blackhole_guard.answering.batch import Batch
from blackhole_guard.answering.engine import Engine
from blackhole_guard.answering.hot_path import HotPath
from blackhole_guard.answering.policy import Policy, make_policy
from blackhole_guard.answering.tally import Key, Tally
from blackhole_guard.store.snapshot import Snapshot
from blackhole_guard.wire.codes import RRClass, RRType
from blackhole_guard.wire.names import pack_name

NSID, ECS, COOKIE, PADDING = 3, 8, 10, 12
_SOA = record(b"\xc0\x0c", RRType.SOA, RRClass.IN, 0, b"\0\0" + bytes(20))
_ECS = (bytes.fromhex("0001180a0101"), bytes.fromhex("0001180a0102"), bytes.fromhex("00023800fd000000000001"))

# What stands behind the question, and NSCOUNT and ARCOUNT. Most messages have one of the first.
PLAIN_TAILS = (
    (b"", 0, 0),
    *((opt(size=size), 0, 1) for size in (0, 512, 1232, 4096, 65535)),
    (opt(do=True), 0, 1),
    (opt(option(NSID)), 0, 1),
    (opt(option(NSID), do=True), 0, 1),
    *((opt(option(COOKIE, bytes((n,)) * size)), 0, 1) for n in (1, 2) for size in (8, 24)),
    *((opt(option(ECS, data)), 0, 1) for data in _ECS),
    (opt(option(ECS, _ECS[0]), do=True), 0, 1),
    (opt(option(COOKIE, b"12345678") + option(ECS, _ECS[0])), 0, 1),
    (opt(option(COOKIE, b"12345678") + option(NSID)), 0, 1),
    (opt(option(NSID) + option(COOKIE, b"12345678"), do=True), 0, 1),
    *((opt(option(PADDING, bytes(size))), 0, 1) for size in (58, 200, 286)),
    (opt(option(NSID, b"asks")), 0, 1),
)
_PLAIN = opt()
ODD_TAILS = (
    (b"", 0, 1),  # ARCOUNT says more than there is
    (_PLAIN, 0, 0),  # and less
    (_PLAIN + b"\0", 0, 1),
    (_PLAIN + bytes(11), 0, 1),
    (_PLAIN[:-1], 0, 1),
    (_PLAIN, 1, 0),
    (_PLAIN, 0, 2),
    (_PLAIN * 2, 0, 2),
    (_PLAIN + tsig(), 0, 2),
    (opt(option(COOKIE, b"12345678")) + tsig(), 0, 2),
    (tsig(), 0, 1),
    (b"\0" + tsig()[1:], 0, 1),
    (opt(version=1), 0, 1),
    (opt(option(NSID), version=255), 0, 1),
    (b"\0" + pack("!HHIH", RRType.OPT, 1232, 0x07000000, 0), 0, 1),  # an extended RCODE
    (b"\0" + pack("!HHIH", RRType.OPT, 1232, 0x7FFF, 0), 0, 1),  # other flags
    (opt(owner=b"\xc0\x0c"), 0, 1),
    (opt(length=1), 0, 1),
    (opt(option(NSID, b"ab", length=3)), 0, 1),
    (opt(option(COOKIE, b"12345678", length=7)), 0, 1),
    (opt(option(COOKIE, b"12345678", length=4) + option(NSID)), 0, 1),
    (opt(option(COOKIE, b"12345678"), length=8), 0, 1),
    (opt(b"\0\x03\0"), 0, 1),
    (opt(b"".join(option(code) for code in range(64))), 0, 1),
    (opt(b"".join(option(code) for code in range(65))), 0, 1),
    (record(b"\0", RRType.A, RRClass.IN, 0, bytes(4)), 0, 1),
    (_SOA, 1, 0),
    (_SOA + _PLAIN, 1, 1),
    (b"trailing", 0, 0),
    (bytes(1), 0, 0),
)
TAILS = PLAIN_TAILS + ODD_TAILS
# RD, AD, CD, Z; flags whose octets are letters; TC, an RCODE; NOTIFY, UPDATE, others; responses.
FLAGS = (0, 0x0100, 0x0120, 0x0110, 0x0010, 0x0141, 0x0161, 0x0050, 0x0070, 0x4100, 0x6100, 0x0300, 0x0003)
OPCODES = (0x2000, 0x2800, 0x2900, 0x0800, 0x7800, 0x8000, 0x8400)
TYPES = (
    *(RRType.PTR, RRType.A, RRType.NS, RRType.SOA, RRType.CNAME, RRType.TXT, RRType.DS, RRType.ANY),
    *(RRType.AXFR, RRType.IXFR, RRType.OPT, RRType.TSIG, 64, 65, 97, 0x410C, 0x610C, 0x000D, 0x0C00),
)
CLASSES = (RRClass.IN, RRClass.CH, RRClass.ANY, RRClass.NONE, 0x4101, 0x6101, 0)

CLIENT = ip_address("10.9.9.9").packed
CLIENTS = tuple(ip_address(each).packed for each in ("10.9.9.9", "10.9.9.10", "fd00::9", "fd00::a", "192.168.0.1"))
STRANGERS = tuple(ip_address(each).packed for each in ("192.0.2.1", "2001:db8::1", "8.8.8.8"))
_MAPPED = bytes(10) + b"\xff\xff"


@dataclass(frozen=True)
class Sent:
    """A message and how it came."""

    octets: bytes
    source: bytes = CLIENT
    dropped: bool = False


def compose(name, qtype=RRType.PTR, qclass=RRClass.IN, flags=0x0100, tail=PLAIN_TAILS[0], number=0x1234, qd=1, an=0):
    """Make a message of parts that need not fit."""
    octets, ns, ar = tail
    return pack("!HHHHHH", number, flags, qd, an, ns, ar) + question(name, qtype, qclass) + octets


def recase(octets, bits):
    """Turn letters of a name to upper case, where bits say so."""
    return bytes(
        octet - 32 if 97 <= octet <= 122 and bits >> (at % 64) & 1 else octet for at, octet in enumerate(octets)
    )


def _mostly(usual, rare):
    return st.one_of(*[st.sampled_from(usual)] * 4, st.sampled_from(rare))


_composed = st.builds(
    compose,
    st.builds(recase, _mostly(NAMES, ODD_NAMES), st.sampled_from((0, 0, 0x5555555555555555, 0xFFFF0F0F12345678))),
    qtype=_mostly((RRType.PTR,), TYPES),
    qclass=_mostly((RRClass.IN,), CLASSES),
    flags=_mostly((0x0100, 0), FLAGS + OPCODES),
    tail=_mostly(PLAIN_TAILS, ODD_TAILS),
    number=st.sampled_from((0, 0x1234, 0x4142, 0xFFFF)),
    qd=_mostly((1,), (0, 2)),
    an=_mostly((0,), (1,)),
)
_begun = st.builds(lambda octets, end: octets[:end], _composed, st.integers(0, 250))
messages = st.one_of(*[_composed] * 4, _begun, st.binary(max_size=30))
sources = _mostly(CLIENTS, STRANGERS)
sent = st.builds(Sent, messages, sources, dropped=_mostly((False,), (True,)))


@st.composite
def sequences(draw, most=64):
    """Batches in which messages come again, in other company and from others."""
    pool = draw(st.lists(messages, min_size=1, max_size=12))
    one = st.builds(Sent, st.sampled_from(pool), sources, dropped=_mostly((False,), (True,)))
    return draw(st.lists(st.lists(one, min_size=1, max_size=most), min_size=1, max_size=5))


def every_question(seed):
    """Each name with a few of everything, and all of everything with a few names, in some order."""
    chance = random.Random(seed)
    made = [
        compose(recase(name, chance.getrandbits(64) * (n % 3 == 0)), flags=chance.choice((0, 0x0100)), tail=tail)
        for name in (*NAMES, *ODD_NAMES)
        for n, tail in enumerate(chance.sample(PLAIN_TAILS, 4))
    ]
    few = (pack_name("10.in-addr.arpa"), *chance.sample(NAMES, 6), *chance.sample(ODD_NAMES, 2))
    for name in few:
        made += [compose(name, tail=tail) for tail in TAILS]
        made += [compose(name, flags=flags, tail=chance.choice(PLAIN_TAILS)) for flags in FLAGS + OPCODES]
        made += [compose(name, qtype=qtype, tail=chance.choice(PLAIN_TAILS)) for qtype in TYPES]
        made.append(compose(name, RRType.SOA, flags=0x2800))
        made += [compose(name, qclass=qclass) for qclass in CLASSES]
        made += [compose(name)[: chance.randrange(60)] for _ in range(5)]
    chance.shuffle(made)
    return made


def make_slots():
    return tuple(mmap(-1, 4096 + 64) for _ in range(64))


def send_batch(hot, batch: Sequence[Sent], slots, *, is_ipv6) -> list[bytes | None]:
    """Have a batch answered as a datapath does."""
    for slot, each in zip(slots, batch, strict=False):
        slot[: len(each.octets)] = each.octets
    asked = Batch(
        slots=slots,
        sizes=[-1 if each.dropped else len(each.octets) for each in batch],
        senders=[_key(each.source, is_ipv6) for each in batch],
        is_ipv6=is_ipv6,
        source=lambda number: batch[number].source,
    )
    hot.respond_batch(asked)
    assert len(asked.responses) == len(batch)
    return [slot[:size] or None for slot, size in zip(slots, asked.responses, strict=False)]


def _key(source, is_ipv6):
    """What the datapath has for a source: a word, or 16 octets in a socket for IPv6."""
    if is_ipv6:
        return _MAPPED + source if len(source) == 4 else source
    return int.from_bytes(source, sys.byteorder)


def split_families(batch: Sequence[Sent]) -> Iterator[tuple[bool, list[Sent]]]:
    """What of a batch comes through a socket for IPv4, and then all of it through one for both."""
    yield False, [each for each in batch if len(each.source) == 4]
    yield True, list(batch)


def policy(**changes: object) -> Policy:
    settings: dict[str, object] = {"allow_query": ("local",), "recursive_clients": "refuse", "udp_payload_size": 1232}
    texts = {"version": "1", "identity": None, "nsid": "here"}
    return make_policy(**(settings | texts | changes))


class Both:
    """A hot path, and an engine without one that is asked the same."""

    def __init__(self, snapshot: Snapshot, slots, **changes: object) -> None:
        rules = policy(**changes)
        self._slots = slots
        self._tally, self._plain_tally = Tally(), Tally()
        self.hot = HotPath(Engine(snapshot, rules, self._tally, _fail), snapshot, rules, self._tally)
        self._engine = Engine(snapshot, rules, self._plain_tally, _fail)

    def ask(self, octets: bytes, source: bytes = CLIENT, *, over_tcp: bool = False) -> bytes | None:
        """Ask both for one message; they say the same."""
        expected = self._engine.respond(octets, source, over_tcp=over_tcp)
        response = self.hot.respond(octets, source, over_tcp=over_tcp)
        assert response == expected, octets
        return response

    def ask_batch(self, batch: Sequence[Sent], *, is_ipv6: bool) -> list[bytes | None]:
        """Ask both for a batch; they say the same."""
        expected = [
            None if each.dropped else self._engine.respond(each.octets, each.source, over_tcp=False) for each in batch
        ]
        responses = send_batch(self.hot, batch, self._slots, is_ipv6=is_ipv6)
        assert responses == expected, next(
            each for each, ours, theirs in zip(batch, responses, expected, strict=True) if ours != theirs
        )
        return responses

    def check_counts(self) -> Mapping[Key, int]:
        """They have counted the same; gives it."""
        counts = self._tally.take()
        assert counts == self._plain_tally.take()
        return counts

    def forbid_engine(self) -> None:
        """Have the hot path fail where it does not know an answer by itself."""
        self.hot._engine = None


def _fail(error: Exception) -> None:
    raise error
