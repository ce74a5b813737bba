"""The client subnet option: on whose behalf a resolver asks.

RFC 7871 section 6. Left out: the scope of a response, for none of our answers depends on who asks.
"""

from typing import NamedTuple

from blackhole_guard.wire.errors import WireError

_SIZES = {1: 4, 2: 16}  # address family numbers of IANA -> octets of an address
_HEAD = 4  # octets: family, source prefix length, scope prefix length


class ClientSubnet(NamedTuple):
    """A network, or an address if the prefix is as long as one."""

    address: bytes  # 4 or 16 octets; those behind the prefix are 0
    prefix_length: int  # 0: the client shall not be known


def parse_client_subnet(data: bytes) -> ClientSubnet:
    """Read the data of the option in a query.

    Raises:
        WireError: it is none that a query may have; the offset is that in `data`.
    """
    if len(data) < _HEAD:
        raise WireError("a client subnet that is too short", offset=len(data))
    size = _SIZES.get(int.from_bytes(data[:2]))
    if size is None:
        raise WireError("a client subnet of an unknown family", offset=0)
    prefix_length, address = data[2], data[_HEAD:]
    if prefix_length > 8 * size or data[3] or len(address) != -(-prefix_length // 8):
        raise WireError("a client subnet whose lengths do not fit", offset=2)
    unused = -prefix_length % 8
    if unused and address[-1] & (1 << unused) - 1:
        raise WireError("a client subnet with bits behind its prefix", offset=len(data) - 1)
    return ClientSubnet(address.ljust(size, b"\0"), prefix_length)
