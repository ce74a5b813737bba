"""The operator's own name servers: what resolvers send to them has not left, whatever its name."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network


class OwnServers:
    """Addresses and networks; those of us among them."""

    def __init__(self, networks: Iterable[str], endpoints: Iterable[str]) -> None:
        """Remember them.

        Args:
            networks: addresses or CIDRs, as settings have them.
            endpoints: where we listen ourselves: `127.0.0.1:53`, `[fe80::1%2]:53`.
        """
        ours = [endpoint.rpartition(":")[0].strip("[]").partition("%")[0] for endpoint in endpoints]
        self._networks = [ip_network(each) for each in (*networks, *ours)]

    def __contains__(self, address: bytes) -> bool:
        """Whether an address (4 or 16 octets) is one of them."""
        found = ip_address(address)
        return any(found in network for network in self._networks)
