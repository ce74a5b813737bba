"""The doctor's own names: a fresh one each time, which nobody has asked for, below an address of a reserved zone.

A probe must look to a resolver like any name of its zone, and to us like no client's, so that what we provoke is never
counted as a leak. Some resolvers look whether a name is an address before they answer it themselves (for dnsmasq's
`bogus-priv`, a label with a letter in it is none), so the marker is made of what addresses are made of:

    in-addr.arpa   a label of 18 digits, the first six always the same, in front of a whole, random address
    ip6.arpa       a whole address of which the lower half is always the same
    other zones, and those of a single IPv6 address: the label of 18 digits, in front of the apex

Nothing exists below a single address, and nobody asks for names there. What a resolver that minimises names asks on its
way to a probe (RFC 9156) has no marker; such names are `Shape.PARTIAL`, and no leaks of their own.
"""

from collections.abc import Callable, Collection

from blackhole_guard.reserved.addresses import Block, parse_reverse_name, reverse_name
from blackhole_guard.reserved.registry import ReservedZone, find_reserved_name
from blackhole_guard.wire.names import pack_name

INVALID = pack_name("invalid")
Draw = Callable[[int], bytes]  # so many octets that nobody can foresee

_DIGITS_LABEL = b"\x12112535"  # 12 more digits follow: 18 fit into a 64-bit integer, for those who read one
_RANDOM_DIGITS = 12
LOWER_HALF = bytes.fromhex("b1ac401e01125350")  # of an IPv6 address
# What probes begin with. Most names do not, and this is asked of all that nobody has asked for before: 80 ns.
_BEGINNINGS = (_DIGITS_LABEL, reverse_name(bytes(8) + LOWER_HALF)[: 4 * len(LOWER_HALF)])
_TRIES = 16  # to draw an address that is none of those to stay away from, before giving in


def make_probe(zone: ReservedZone, draw: Draw, avoid: Collection[Block] = ()) -> bytes:
    """Make a name that does not exist in a zone, and never did.

    Args:
        draw: the source of randomness.
        avoid: blocks that others answer for, because they are delegated.
    Returns:
        Wire form, lower case.
    """
    network = zone.network
    if network is None or network.prefixlen == 128:
        return _draw_label(draw) + zone.apex
    for _ in range(_TRIES):
        address = draw_address(network, draw)
        if not any(_holds(block, address) for block in avoid):
            break
    if network.version == 4:
        return _draw_label(draw) + reverse_name(address)
    return reverse_name(address[: len(LOWER_HALF)] + LOWER_HALF)


def make_invalid_name(draw: Draw) -> bytes:
    """Make a name below `invalid`, which exists nowhere (RFC 6761 section 6.4); wire form."""
    return _draw_label(draw) + INVALID


def draw_address(network: Block, draw: Draw) -> bytes:
    """Draw an address of a network; 4 or 16 octets."""
    size = network.max_prefixlen // 8
    offset = int.from_bytes(draw(size), "big") % network.num_addresses
    return (int(network.network_address) + offset).to_bytes(size, "big")


def is_probe(name: bytes) -> bool:
    """Say whether a name (wire form, lower case) is one that `make_probe` makes, here or on another machine."""
    if not name.startswith(_BEGINNINGS) or find_reserved_name(name) is None:
        return False
    return parse_reverse_name(name) is not None or name[len(_DIGITS_LABEL) : 1 + name[0]].isdigit()


def _draw_label(draw: Draw) -> bytes:
    number = int.from_bytes(draw(8), "big") % 10**_RANDOM_DIGITS
    return _DIGITS_LABEL + f"{number:0{_RANDOM_DIGITS}}".encode()


def _holds(block: Block, address: bytes) -> bool:
    size = block.max_prefixlen // 8
    return (
        size == len(address)
        and (int.from_bytes(address, "big") ^ int(block.network_address)) >> (block.max_prefixlen - block.prefixlen)
        == 0
    )
