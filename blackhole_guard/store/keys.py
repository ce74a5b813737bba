"""The key of an address, under which its records stand. `shelves` says how, in the snapshot's file.

A key is one octet for the family, then the 4 or 16 octets of the address. Keys sort as addresses do, so what is below a
reverse name is one range.
"""

from typing import Final

IPV4: Final = b"\x04"
IPV6: Final = b"\x06"

_IN_ADDR_ARPA = b"\x07in-addr\x04arpa\x00"
_IP6_ARPA = b"\x03ip6\x04arpa\x00"
_OCTETS = {str(octet).encode(): octet for octet in range(256)}  # "01" and "256" are not among them
_OCTET_LABELS = tuple(bytes((len(str(octet)),)) + str(octet).encode() for octet in range(256))
_NIBBLES = frozenset(b"0123456789abcdef")
_WHOLE_IPV6 = 2 * 32 + len(_IP6_ARPA)  # octets of the name of an IPv6 address
_DOTS = b"\x01" * 32  # the length octets before its nibbles


def make_key(address: bytes) -> bytes:
    """Give the key of an address of 4 or 16 octets."""
    return (IPV4 if len(address) == 4 else IPV6) + address


def find_key(name: bytes) -> bytes | None:
    """Give the key of the address whose reverse name this is (wire form, lower case); None: it is none's."""
    if name.endswith(_IN_ADDR_ARPA):
        octets = _read_octets(name)
        return IPV4 + bytes(octets[::-1]) if octets is not None and len(octets) == 4 else None
    if len(name) == _WHOLE_IPV6 and name.endswith(_IP6_ARPA) and name[0:64:2] == _DOTS:
        nibbles = name[1:64:2]
        return IPV6 + bytes.fromhex(nibbles[::-1].decode()) if _NIBBLES.issuperset(nibbles) else None
    return None


def find_range(name: bytes) -> tuple[bytes, bytes] | None:
    """Give the first and last key that may stand below a reverse name; None: it is none, or a whole address.

    Args:
        name: wire form, lower case; labels that are not canonical (`01`, `256`) make it no reverse name.
    """
    if name.endswith(_IN_ADDR_ARPA):
        octets = _read_octets(name)
        if not octets or len(octets) == 4:
            return None
        prefix = IPV4 + bytes(octets[::-1])
        return prefix.ljust(5, b"\0"), prefix.ljust(5, b"\xff")
    if name.endswith(_IP6_ARPA) and 2 + len(_IP6_ARPA) <= len(name) < _WHOLE_IPV6:
        labels = name[: -len(_IP6_ARPA)]
        nibbles = labels[1::2]
        if labels[0::2] == _DOTS[: len(nibbles)] and _NIBBLES.issuperset(nibbles):
            text = nibbles[::-1].decode()
            return IPV6 + bytes.fromhex(text.ljust(32, "0")), IPV6 + bytes.fromhex(text.ljust(32, "f"))
    return None


def _read_octets(name: bytes) -> list[int] | None:
    """Read the octets of a name under in-addr.arpa, leftmost label first; None: there are others than octets."""
    octets: list[int] = []
    position, end = 0, len(name) - len(_IN_ADDR_ARPA)
    while position < end:
        next_one = position + 1 + name[position]
        octet = _OCTETS.get(name[position + 1 : next_one])
        if octet is None or len(octets) == 4:
            return None
        octets.append(octet)
        position = next_one
    return octets if position == end else None


def owner_of(key: bytes) -> bytes:
    """Name the owner of the records under a key."""
    if key[:1] == IPV4:
        return b"".join([_OCTET_LABELS[octet] for octet in key[:0:-1]]) + _IN_ADDR_ARPA
    nibbles = key[1:].hex().encode()[::-1]
    return b"".join([b"\x01%c" % nibble for nibble in nibbles]) + _IP6_ARPA
