import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_messages import opt, option

from blackhole_guard.answering import tails
from blackhole_guard.answering.tails import KINDS, UNKNOWN, Tails
from blackhole_guard.wire.codes import OptionCode
from blackhole_guard.wire.edns import parse_opt
from blackhole_guard.wire.errors import WireError

COOKIE = option(OptionCode.COOKIE, b"8 octets")
NSID = option(OptionCode.NSID, b"")
DO = 0x8000


@pytest.mark.parametrize(
    ("tail", "kind"),
    [
        (b"", 0),
        (opt(), 1),
        (opt(COOKIE), 1),
        (opt(NSID), 3),
        (opt(COOKIE + NSID), 3),
        (opt(NSID + COOKIE), 3),
        (opt() + b"x", None),  # something behind it
        (opt(COOKIE)[:-1], None),
        (opt(COOKIE[:-1]), None),  # an option that runs over the end of its record
        (opt(COOKIE + b"\0"), None),
        (b"\1a" + opt(), None),  # not at the root
        (b"\0\0\x01" + opt()[3:], None),  # another type
        (opt()[:10], None),
        (b"\0", None),
    ],
)
def test_a_tail_has_the_kind_of_its_opt(tail, kind):
    known = Tails(answers_nsid=True)
    for _ in range(2):  # by itself, and as one that is known
        assert known.find_kind(tail) == (UNKNOWN[0] if kind is None else kind)


@pytest.mark.parametrize(("flags", "kinds"), [(0, (1, 3)), (DO, (2, 4))])
def test_do_is_a_kind_of_its_own(flags, kinds):
    plain, asking = (with_ttl(opt(options), flags) for options in (b"", NSID))
    known = Tails(answers_nsid=True)
    assert (known.find_kind(plain), known.find_kind(asking)) == kinds
    silent = Tails(answers_nsid=False)
    assert silent.find_kind(plain) == silent.find_kind(asking) == kinds[0]


def test_another_version_is_unknown():
    assert Tails(answers_nsid=False).find_kind(with_ttl(opt(), 1 << 16)) == UNKNOWN[0]


def test_what_an_option_holds_makes_no_new_tail():
    known = Tails(answers_nsid=False)
    for n in range(100):
        assert known.find_kind(opt(option(OptionCode.COOKIE, n.to_bytes(8)))) == 1
    assert len(known.known) == 2


def test_their_number_is_bounded(monkeypatch):
    monkeypatch.setattr(tails, "_MOST_KNOWN", 4)
    known = Tails(answers_nsid=False)
    for size in range(20):
        assert known.find_kind(opt(option(OptionCode.COOKIE, bytes(size)))) == 1
        assert known.find_kind(b"") == 0
    assert len(known.known) <= 4


@given(st.lists(st.one_of(st.binary(max_size=40).map(opt), st.binary(max_size=40)), max_size=6))
def test_a_known_tail_is_what_it_would_be_if_it_were_read(some):
    known = Tails(answers_nsid=True)
    for tail in (*some, *some):
        kind = known.find_kind(tail)
        assert kind == Tails(answers_nsid=True).find_kind(tail)
        assert (kind == 0) == (not tail)
        if 0 < kind < KINDS:
            edns = read(tail)
            assert edns is not None
            assert kind == known.kind_of(edns)


def with_ttl(tail, ttl):
    return tail[:5] + ttl.to_bytes(4) + tail[9:]


def read(tail):
    try:
        return parse_opt(tail, 11, len(tail), payload_size=512, ttl=int.from_bytes(tail[5:9]))
    except WireError:
        return None
