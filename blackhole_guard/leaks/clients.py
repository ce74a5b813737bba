"""Who asked, as a key: an address, or a network where no more is known or no more shall be.

4 or 16 octets are an address; one octet more, and it is a network: its first address and the length of its prefix.
"""

from ipaddress import ip_address, ip_network
from typing import NamedTuple

_ADDRESSES = (4, 16)
_NETWORKS = (5, 17)


class ClientFold(NamedTuple):
    """How many bits of a client's address are kept."""

    ipv4: int
    ipv6: int


ADDRESSES = ClientFold(32, 128)
NETWORKS = ClientFold(24, 56)  # what a site has, mostly; and what resolvers tell of a client (RFC 7871 section 11.1)


def is_client(key: bytes) -> bool:
    """Say whether a key is a client's."""
    return len(key) in _ADDRESSES or (len(key) in _NETWORKS and 1 <= key[-1] < 8 * (len(key) - 1))


def network_key(address: bytes, prefix_length: int) -> bytes:
    """Give the key of the network that an address is in; with all bits it is the address itself.

    Args:
        address: 4 or 16 octets.
        prefix_length: at least 1.
    """
    host_bits = 8 * len(address) - prefix_length
    if host_bits <= 0:
        return address
    return (int.from_bytes(address) >> host_bits << host_bits).to_bytes(len(address)) + bytes((prefix_length,))


def fold_client(key: bytes, fold: ClientFold) -> bytes:
    """Give the network that a client is counted as; a wider one stays what it is."""
    size = len(key)
    if size in _NETWORKS:
        address, known = key[:-1], key[-1]
    else:
        address, known = key, 8 * size
    kept = fold.ipv4 if len(address) == 4 else fold.ipv6
    return key if known <= kept else network_key(address, kept)


def format_client(key: bytes) -> str:
    """Show a client: `10.1.2.3`, `10.1.2.0/24`."""
    if len(key) in _NETWORKS:
        return str(ip_network((key[:-1], key[-1])))
    return str(ip_address(key))
