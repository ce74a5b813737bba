"""Who asked for what, and for how long that is known."""

import pytest

from blackhole_guard.leaks.askers import CLIENTS, JOIN_SECONDS, SLACK_SECONDS, Askers

NAME, OTHER, THIRD = b"\x011\x00", b"\x012\x00", b"\x013\x00"
CLIENT, LATER = b"\x0a\0\0\x05", b"\x0a\0\0\x06"


@pytest.mark.parametrize(
    ("at", "found"),
    [
        (100.0, CLIENT),
        (100.0 + JOIN_SECONDS, CLIENT),
        (100.1 + JOIN_SECONDS, None),
        (100.0 - SLACK_SECONDS, CLIENT),
        (99.9 - SLACK_SECONDS, None),
    ],
)
def test_a_client_is_joined_to_what_happens_soon_after_it_asked(at, found):
    askers = Askers()
    askers.add(NAME, CLIENT, 100.0)
    assert askers.find(NAME, at) == found
    assert askers.find(OTHER, at) is None


@pytest.mark.parametrize(
    ("at", "found"), [(101.5, LATER), (101.0, LATER), (100.5, CLIENT), (100.0, CLIENT), (99.5, CLIENT), (98.9, None)]
)
@pytest.mark.parametrize("order", [1, -1])
def test_the_last_one_that_asked_before_counts_in_whatever_order_they_are_told(at, found, order):
    askers = Askers()
    for client, asked in [(CLIENT, 100.0), (LATER, 101.0)][::order]:
        askers.add(NAME, client, asked)
    assert askers.find(NAME, at) == found


def test_who_asks_on_and_on_does_not_push_out_the_others():
    askers = Askers()
    askers.add(NAME, CLIENT, 100.0)
    for number in range(100):
        askers.add(NAME, LATER, 100.5 + number / 1000)
    assert askers.find(NAME, 100.2) == CLIENT


def test_a_name_has_some_clients_only():
    askers = Askers()
    for number in range(CLIENTS + 1):
        askers.add(NAME, bytes((10, 0, 0, number)), 100.0 + number)
    assert askers.find(NAME, 100.5) == bytes((10, 0, 0, 1))  # the nearest that is left


def test_when_it_is_full_the_name_asked_for_longest_ago_is_forgotten():
    askers = Askers(capacity=2)
    for name in (NAME, OTHER, NAME, THIRD):
        askers.add(name, CLIENT, 100.0)
    assert [askers.find(name, 100.0) for name in (NAME, OTHER, THIRD)] == [CLIENT, None, CLIENT]
    assert len(askers) == 2


def test_each_resolver_has_clients_of_its_own():
    askers = Askers()
    askers.add(NAME, CLIENT, 100.0, resolver=1)
    askers.add(NAME, LATER, 100.5, resolver=2)
    assert [askers.find(NAME, 101.0, resolver) for resolver in (1, 2, 3)] == [CLIENT, LATER, None]
