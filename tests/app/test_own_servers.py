"""Which servers are the operator's own."""

from ipaddress import ip_address

import pytest

from blackhole_guard.app.own_servers import OwnServers

SERVERS = OwnServers(["192.0.2.53", "2001:db8:53::/48"], ["198.51.100.1:53", "[2001:db8:1::1]:5300", "[fe80::1%2]:53"])


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("192.0.2.53", True),
        ("192.0.2.54", False),
        ("2001:db8:53:1::1", True),
        ("198.51.100.1", True),
        ("2001:db8:1::1", True),
        ("2001:db8:1::2", False),
        ("fe80::1", True),
        ("8.8.8.8", False),
    ],
)
def test_networks_and_our_own_addresses_are(address, own):
    assert (ip_address(address).packed in SERVERS) is own


@pytest.mark.parametrize(
    ("listen", "own"),
    [
        (["0.0.0.0:53"], {"0.0.0.0", "127.0.0.1", "203.0.113.5"}),
        (["[::]:53"], {"::", "2001:db8:2::1"}),
        (["0.0.0.0:53", "[::]:53"], {"0.0.0.0", "::", "127.0.0.1", "203.0.113.5", "2001:db8:2::1"}),
        (["127.0.0.1:53"], {"127.0.0.1"}),
    ],
)
def test_who_listens_on_all_addresses_has_those_of_the_machine(listen, own):
    interfaces = {
        "lo": [(ip_address("127.0.0.1"), 0)],
        "eth0": [(ip_address("203.0.113.5"), 0), (ip_address("2001:db8:2::1"), 0)],
    }
    servers = OwnServers((), listen, lambda: interfaces)
    asked = ("0.0.0.0", "::", "127.0.0.1", "203.0.113.5", "203.0.113.6", "2001:db8:2::1")
    assert {address for address in asked if ip_address(address).packed in servers} == own


def test_the_interfaces_of_this_machine_are_looked_at():
    assert ip_address("127.0.0.1").packed in OwnServers((), ["0.0.0.0:53"])
