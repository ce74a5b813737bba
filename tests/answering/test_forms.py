from blackhole_guard.answering import forms
from blackhole_guard.answering.forms import Forms
from blackhole_guard.answering.tails import KINDS

HEAD = bytes(10)


def test_a_form_keeps_its_number_and_says_what_it_stands_for():
    known = Forms()
    hosts, edges = [0] * 4, [0] * 4  # equal, and not the same
    assert known.find(1, HEAD, hosts) == b"\0"
    assert known.find(1, HEAD, edges) == b"\1"
    assert known.find(1, HEAD[1:] + b"\1", hosts) == b"\2"
    assert known.find(1, HEAD, hosts) == b"\0"
    assert known.known[1][1][1] is edges
    assert known.known[1][2] == (HEAD[1:] + b"\1", hosts)


def test_kinds_are_numbered_apart():
    known, account = Forms(), [0] * 4
    assert [known.find(kind, HEAD, account) for kind in range(KINDS)] == [b"\0"] * KINDS


def test_there_are_no_more_than_an_octet_can_tell_apart():
    known, account = Forms(), [0] * 4
    numbers = [known.find(0, n.to_bytes(10), account) for n in range(forms._MOST + 1)]
    assert numbers[-2:] == [b"\xff", None]
    assert known.find(0, bytes(10), account) == b"\0"
    assert known.find(1, bytes(10), account) == b"\0"
