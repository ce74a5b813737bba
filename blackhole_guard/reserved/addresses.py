"""Address blocks, addresses, and the reverse names that stand for them.

RFC 1035 section 3.5 (in-addr.arpa), RFC 3596 section 2.5 (ip6.arpa). A zone holds the addresses below one name, so a
block is exactly one zone where its prefix ends between two labels (octets, or nibbles in IPv6), else several.
Left out: names for classless delegation (RFC 2317), which are the operator's choice, not arithmetic.
"""

from ipaddress import IPv4Network, IPv6Network

Block = IPv4Network | IPv6Network

IN_ADDR_ARPA = b"\x07in-addr\x04arpa\x00"
IP6_ARPA = b"\x03ip6\x04arpa\x00"

_OCTET_LABELS = tuple(bytes((len(str(octet)),)) + str(octet).encode() for octet in range(256))
_OCTETS = {label: bytes((octet,)) for octet, label in enumerate(_OCTET_LABELS)}  # "01" and "256" are not among them
_NIBBLE_LABELS = tuple(f"\x01{octet & 15:x}\x01{octet >> 4:x}".encode() for octet in range(256))  # the low one first
_NIBBLES = frozenset(b"0123456789abcdef")
_DOTS = b"\x01" * 32  # the lengths of the labels of an IPv6 address


class BlockError(ValueError):
    """A block for which there are no zones that cover it and nothing else."""


def reverse_name(address: bytes) -> bytes:
    """Name the owner of an address's PTR.

    Args:
        address: 4 or 16 octets.
    Returns:
        Wire form, lower case.
    """
    if len(address) == 4:
        return b"".join([_OCTET_LABELS[octet] for octet in reversed(address)]) + IN_ADDR_ARPA
    return b"".join([_NIBBLE_LABELS[octet] for octet in reversed(address)]) + IP6_ARPA


def parse_reverse_name(name: bytes) -> bytes | None:
    """Read the whole address that a name stands for.

    Args:
        name: wire form, lower case.
    Returns:
        4 or 16 octets; None: the name stands for a block, for nothing, or is not canonical (`01`, `256`).
    """
    found = parse_reverse_range(name)
    return found[0] if found is not None and found[1] == 8 * len(found[0]) else None


def parse_reverse_prefix(name: bytes) -> Block | None:
    """Read the block that a name stands for: `0.10.in-addr.arpa` gives 10.0.0.0/16, `d.f.ip6.arpa` fd00::/8.

    Args:
        name: wire form, lower case.
    Returns:
        None: the name stands for no block, is not canonical, or is in-addr.arpa or ip6.arpa itself.
    """
    found = parse_reverse_range(name)
    if found is None:
        return None
    return IPv4Network(found) if len(found[0]) == 4 else IPv6Network(found)


def is_reverse_prefix(name: bytes) -> bool:
    """Say whether a name (wire form, lower case) stands for a block or an address."""
    return parse_reverse_range(name) is not None


def parse_reverse_range(name: bytes) -> tuple[bytes, int] | None:
    """Read the block that a name stands for, as `parse_reverse_prefix` does: its first address and prefix length."""
    if name.endswith(IN_ADDR_ARPA):
        return _read_octets(name, len(name) - len(IN_ADDR_ARPA))
    if name.endswith(IP6_ARPA):
        labels = name[: -len(IP6_ARPA)]
        nibbles = labels[1::2]
        if nibbles and labels[::2] == _DOTS[: len(nibbles)] and _NIBBLES.issuperset(nibbles):
            return bytes.fromhex(nibbles[::-1].decode().ljust(32, "0")), 4 * len(nibbles)
    return None


def _read_octets(name: bytes, end: int) -> tuple[bytes, int] | None:
    octets, position = b"", 0
    while position < end:
        start, position = position, position + 1 + name[position]
        octet = _OCTETS.get(name[start:position])
        if octet is None or len(octets) == 4:
            return None
        octets = octet + octets
    return (octets.ljust(4, b"\0"), 8 * len(octets)) if octets and position == end else None


def split_block(block: Block) -> tuple[Block, ...]:
    """Divide a block into the fewest blocks that are one reverse name each.

    Returns:
        1 to 128 blocks in address order that hold the addresses of `block` and no others: 172.20.0.0/14 gives 4,
        10.6.84.0/26 gives 64 single addresses.
    Raises:
        BlockError: the block is a whole address space.
    """
    if block.prefixlen == 0:
        raise BlockError(f"{block} is a whole address space")
    step = _bits_of_a_label(block)
    # A label is `step` bits, so a prefix that ends inside one needs a name for each value that the label may take.
    return tuple(block.subnets(new_prefix=-(-block.prefixlen // step) * step))


def apexes(block: Block) -> tuple[bytes, ...]:
    """Name the apexes of the zones that cover a block and nothing else.

    Returns:
        1 to 128 wire names in address order, lower case: 172.16.0.0/12 gives 16, from 16.172.in-addr.arpa up.
    Raises:
        BlockError: the block is a whole address space, or an IPv4 block of /25 to /31: it would need a zone for each
            address, so it lives in the zone that covers it (`enclosing_zone_block`).
    Source: RFC 1035 section 3.5; RFC 6303 section 4.1.
    """
    if block.version == 4 and 24 < block.prefixlen < 32:
        raise BlockError(f"{block} is no zone, but a part of {enclosing_zone_block(block)}")
    return tuple(_prefix_name(part) for part in split_block(block))


def enclosing_zone_block(block: Block) -> Block:
    """Find the smallest block that is one zone and holds all of `block`: 10.6.84.0/26 gives 10.6.84.0/24.

    Raises:
        BlockError: none does but the whole address space.
    """
    step = _bits_of_a_label(block)
    if block.prefixlen < step:
        raise BlockError(f"{block} is in no smaller zone than the whole address space")
    return block.supernet(new_prefix=block.prefixlen // step * step)


def _bits_of_a_label(block: Block) -> int:
    return 8 if block.version == 4 else 4


def _prefix_name(block: Block) -> bytes:
    """Name a block whose prefix ends between two labels."""
    name = reverse_name(block.network_address.packed)
    for _ in range((block.max_prefixlen - block.prefixlen) // _bits_of_a_label(block)):
        name = name[1 + name[0] :]
    return name
