"""Keys of `ptr:`: whole addresses, and last octets that the map's block completes.

A key of last octets has as many as the block leaves open, so that it can only mean one address: `3` in a /24, `0.3` in
a /16, `20.0.3` in 172.16.0.0/12, where the second octet is open in part.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network

from blackhole_guard.config.problems import FileProblems, ValueProblem, quote
from blackhole_guard.config.values import Address, Block
from blackhole_guard.reserved.addresses import parse_reverse_name
from blackhole_guard.reserved.registry import find_reserved_network
from blackhole_guard.wire.columns import Addresses
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.names import pack_name


def complete_address(key: str, block: Block) -> bytes:
    """Put a block's fixed octets before the last octets of an address.

    Raises:
        ValueProblem: there are more or fewer than the block leaves open, an octet is none, or the block is IPv6.
    """
    shown = quote(key)
    if not isinstance(block, IPv4Network):
        raise ValueProblem(f"`{shown}` is no IPv6 address", f"write the whole address, such as `{block[1]}`")
    octets = [int(octet) for octet in key.split(".")]
    if max(octets) > 255:
        raise ValueProblem(f"`{shown}` has an octet above 255", "octets go from 0 to 255")
    plain = ".".join(map(str, octets))
    if plain != key:
        raise ValueProblem(f"`{shown}` has a leading zero, which some programs read as octal", f"write `{plain}`")
    fixed = block.network_address.packed[: block.prefixlen // 8]
    if len(fixed) + len(octets) != 4:
        left = 4 - len(fixed)
        guess = IPv4Address(block.network_address.packed[: 4 - len(octets)] + bytes(octets))
        what = f"`{shown}` has {_count(len(octets))}, but {block} leaves {left or 'none'} open"
        last = f", or the last {_count(left)}" if left else ""
        raise ValueProblem(what, f"write the whole address, such as `{guess}`{last}")
    return fixed + bytes(octets)


def _count(octets: int) -> str:
    return "1 octet" if octets == 1 else f"{octets} octets"


def check_addresses(
    addresses: Addresses | Sequence[bytes], lines: Sequence[int], block: Block, problems: FileProblems
) -> set[int]:
    """Note the rows whose address lies outside the block, and those whose address another row has.

    Args:
        addresses: b"" in a row that is passed over.
        lines: of the rows.
    Returns:
        The rows that lie outside.
    """
    outside: set[int] = set()
    if not len(addresses):
        return outside
    first, last = block.network_address.packed, block.broadcast_address.packed
    # A million rows that are all well are told by their ends, family and order; only else each is looked at.
    if (
        isinstance(addresses, Addresses)
        and addresses.width == len(first)
        and first <= addresses[0]
        and addresses[len(addresses) - 1] <= last
        and addresses.is_ascending()
    ):
        return outside
    ordered = sorted(addresses)
    if ordered[0] < first or ordered[-1] > last or set(map(len, ordered)) != {len(first)}:
        for row, address in enumerate(addresses):
            if address and not (len(address) == len(first) and first <= address <= last):
                explained = ("", "") if problems.is_full else _explain_outside(ip_address(address), block)
                problems.error(lines[row], *explained)
                outside.add(row)
    if any(map(bytes.__eq__, ordered, ordered[1:])):
        _note_twice(addresses, lines, problems)
    return outside


def _explain_outside(address: Address, block: Block) -> tuple[str, str]:
    what = f"{address} lies outside {block}"
    home = find_reserved_network(ip_network(address))
    if home is not None and home.network is not None:
        return what, f"give it a map of its own: `zone: {home.network}`"
    near = ip_network((address, 24 if address.version == 4 else 64), strict=False)
    return what, f"give it a map of its own: `zone: {near}`, with `allow_public: true` as it is not reserved"


def _note_twice(addresses: Iterable[bytes], lines: Sequence[int], problems: FileProblems) -> None:
    seen: dict[bytes, int] = {}
    for address, line in zip(addresses, lines, strict=True):
        first = seen.setdefault(address, line)
        if first != line and address:
            what = f"{ip_address(address)} is given twice, first on line {first}"
            problems.error(line, what, "write one entry with a list of names, or delete one of the two")


_RANGE = re.compile(r"[0-9a-fA-F:.]+ *(?:-|\.\.) *[0-9a-fA-F:.]+")


def explain_key(key: str, problem: ValueProblem) -> tuple[str, str]:
    """Say why a key is no address, and what it looks like instead."""
    shown = quote(key)
    if "*" in key:
        return f"`{shown}` is a wildcard", "write one line for each address"
    if key.lower().removesuffix(".").endswith((".in-addr.arpa", ".ip6.arpa")):
        return f"`{shown}` is a reverse name, not an address", _explain_reverse_name(key)
    if _RANGE.fullmatch(key):
        return f"`{shown}` is a range, not an address", "write one line for each address"
    if "/" in key:
        return f"`{shown}` is a block, not an address", "write one address; blocks of other servers stand in `delegate`"
    if is_name(key):
        return f"`{shown}` is a name where an address belongs", f"write it the other way round: `10.0.0.3: {shown}`"
    return problem.what, problem.hint


def is_name(key: str) -> bool:
    """Say whether a key is likely a name: then it changed places with the address, which is no mistake of its own."""
    return ":" not in key and any(character.isalpha() for character in key)


def _explain_reverse_name(key: str) -> str:
    try:
        address = parse_reverse_name(pack_name(key).lower())
    except WireError:
        address = None
    return f"write `{ip_address(address)}`" if address else "write the address"
