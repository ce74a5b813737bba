"""Which of our addresses a resolver is told, and which it cannot be."""

from ipaddress import ip_address

import pytest

from blackhole_guard.integrations.endpoints import check_servers, choose_server
from blackhole_guard.integrations.plan import IntegrationError
from blackhole_guard.server.listen import parse_listen


@pytest.mark.parametrize(
    ("listen", "chosen", "notes"),
    [
        (["127.0.0.1:5300"], "127.0.0.1:5300", []),
        (
            ["10.0.0.53", "127.0.0.1:5300"],
            "127.0.0.1:5300",
            ["we listen on 10.0.0.53:53, too; these lines name 127.0.0.1"],
        ),
        (["10.0.0.53", "10.0.0.54:5300"], "10.0.0.53:53", []),
        (["fe80::1%1", "fd00::53"], "[fd00::53]:53", []),  # link-local means another host on each link
        (["0.0.0.0:5300"], "127.0.0.1:5300", ["we listen on all addresses"]),
        (["[::]:5300"], "[::1]:5300", ["we listen on all addresses"]),
        (["127.0.0.1", "::1"], "127.0.0.1:53", ["127.0.0.1 port 53 is where most resolvers listen, too"]),
        (["0.0.0.0"], "127.0.0.1:53", ["we listen on all addresses", "127.0.0.1 port 53 is where"]),
        (["127.0.0.53"], "127.0.0.53:53", []),
    ],
)
def test_one_address_is_chosen(listen, chosen, notes):
    server, found = choose_server(parse_listen(listen, 53))
    assert str(server) == chosen
    assert len(found) == len(notes)
    assert all(note.what.startswith(start) and note.hint for note, start in zip(found, notes, strict=True))


@pytest.mark.parametrize(
    ("listen", "towards", "chosen"),
    [
        (["127.0.0.1:5300", "10.0.0.5:5300"], "10.0.0.5", "10.0.0.5:5300"),
        (["127.0.0.1:5300", "192.0.2.5", "10.0.0.5"], "10.0.0.5", "10.0.0.5:53"),  # by which we reach it, if possible
        (["127.0.0.1:5300", "fd00::5", "10.0.0.6"], "10.0.0.5", "10.0.0.6:53"),
        (["127.0.0.1:5300", "fd00::5"], "10.0.0.5", "[fd00::5]:53"),
        (["0.0.0.0:5300"], "10.0.0.5", "10.0.0.5:5300"),
        (["::", "0.0.0.0"], "fd00::5", "[fd00::5]:53"),
    ],
)
def test_for_a_resolver_on_another_machine_it_is_none_of_loopback(listen, towards, chosen):
    server, (note,) = choose_server(parse_listen(listen, 53), ip_address(towards))
    assert str(server) == chosen
    assert note.what.startswith(f"the resolver is on another machine: {server.address} must lead from there to us")
    assert "--server" in note.hint


@pytest.mark.parametrize(
    ("listen", "towards"),
    [(["127.0.0.1:5300", "::1"], "10.0.0.5"), (["[::]:53"], "10.0.0.5"), (["[::]:53"], "fe80::5")],
)
def test_where_another_machine_reaches_none_the_operator_must_say_one(listen, towards):
    with pytest.raises(IntegrationError) as caught:
        choose_server(parse_listen(listen, 53), ip_address(towards))
    assert caught.value.what.startswith("the resolver is on another machine, and does not reach us at ")
    assert "--server ADDRESS" in caught.value.hint


@pytest.mark.parametrize("listen", [["127.0.0.1:0"], ["fe80::1%1"]])
def test_where_there_is_none_the_operator_must_say_one(listen):
    with pytest.raises(IntegrationError) as caught:
        choose_server(parse_listen(listen, 53))
    assert "--server" in caught.value.hint


def test_what_is_given_is_taken_in_its_order():
    endpoints = parse_listen(["10.0.0.53", "[fd00::53]:5300", "10.0.0.53:53"], 53)
    assert [str(server) for server in check_servers(endpoints)] == ["10.0.0.53:53", "[fd00::53]:5300"]


@pytest.mark.parametrize("given", ["0.0.0.0", "::", "127.0.0.1:0", "fe80::1%1"])
def test_what_nobody_can_send_to_is_an_error(given):
    with pytest.raises(IntegrationError):
        check_servers(parse_listen([given], 53))
