"""The operator's own name servers: what resolvers send to them has not left, whatever its name."""

from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from blackhole_guard.server.listen import Interfaces, find_interfaces


class OwnServers:
    """Addresses and networks; those of us among them."""

    def __init__(
        self,
        networks: Iterable[str],
        endpoints: Iterable[str],
        interfaces: Callable[[], Interfaces] = find_interfaces,
    ) -> None:
        """Remember them.

        Args:
            networks: addresses or CIDRs, as settings have them.
            endpoints: where we listen ourselves: `127.0.0.1:53`, `[fe80::1%2]:53`. One that stands for all addresses
                is those that the machine has now.
            interfaces: asked once, where an endpoint stands for all addresses.
        """
        ours = [ip_address(endpoint.rpartition(":")[0].strip("[]").partition("%")[0]) for endpoint in endpoints]
        wildcards = {address.version for address in ours if address.is_unspecified}
        if wildcards:
            ours += [address for address in _all_addresses(interfaces()) if address.version in wildcards]
        self._networks = [ip_network(each) for each in (*networks, *ours)]

    def __contains__(self, address: bytes) -> bool:
        """Whether an address (4 or 16 octets) is one of them."""
        found = ip_address(address)
        return any(found in network for network in self._networks)


def _all_addresses(interfaces: Interfaces) -> Iterator[IPv4Address | IPv6Address]:
    return (address for addresses in interfaces.values() for address, _ in addresses)
