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
