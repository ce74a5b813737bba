"""Classic BPF programs that let through what has a sink's address as its source or destination, and nothing else.

McCanne and Jacobson, The BSD Packet Filter (1993); <linux/filter.h> for what the kernel adds. The prefixes are routed
to the sinks alone, so an address is enough: ports are looked at later, where extension headers and fragments can be
understood. One program a link type, for libpcap (files) and for the kernel (interfaces); an instruction is the same
eight octets for both. libpcap's own compiler is not asked: its `vlan` knows Ethernet only, and a watch needs no
libpcap.
"""

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from blackhole_guard.leaks.frames import (
    IPV4_HEADER,
    IPV4_TYPE,
    IPV6_HEADER,
    IPV6_TYPE,
    MAX_TAGS,
    TAGS,
    TYPED,
    UNTYPED,
    find_ip,
)
from blackhole_guard.reserved.addresses import Block
from blackhole_guard.reserved.sinks import PREFIXES, find_sink

ACCEPTED = 0xFFFF  # octets of a frame that are let through
# A packet socket of type SOCK_DGRAM: IP begins at once, its EtherType is known beside it, and the outermost tag is
# gone.
COOKED = -1

_INSTRUCTION = Struct("=HBBI")  # code, jump if true, jump if false, operand
# <linux/bpf_common.h>
_LD_WORD, _LD_HALF, _LD_WORD_AT_X, _LD_OCTET, _LD_OCTET_AT_X = 0x20, 0x28, 0x40, 0x30, 0x50
_LDX, _AND, _RETURN = 0x01, 0x54, 0x06
_JUMP, _JUMP_IF_EQUAL, _JUMP_IF_GREATER, _JUMP_IF_AT_LEAST = 0x05, 0x15, 0x25, 0x35
_ANCILLARY_PROTOCOL = 0xFFFFF000  # SKF_AD_OFF + SKF_AD_PROTOCOL: the EtherType

# Where an IP header has its source and destination.
_ADDRESSES = {4: (12, 16), 6: (8, 24)}
_WHOLE = 0xFFFFFFFF  # the mask of a word of which every bit counts
_HEADERS = {4: IPV4_HEADER, 6: IPV6_HEADER}


class _Step(NamedTuple):
    """An instruction whose jumps name labels; an empty name is the next instruction."""

    code: int
    operand: int = 0
    if_true: str = ""
    if_false: str = ""
    label: str = ""  # its own


class _Word(NamedTuple):
    """Four octets of a prefix."""

    value: int
    mask: int

    @property
    def highest(self) -> int:
        """What the last address of the prefix has there."""
        return self.value | self.mask ^ _WHOLE


def make_filter(link_type: int) -> bytes:
    """Assemble the program for a link type that `frames` knows, or `COOKED`: an array of struct sock_filter."""
    steps = [*_find_ip(link_type), *_match(4), *_match(6)]
    steps += [_Step(_RETURN, 0, label="reject"), _Step(_RETURN, ACCEPTED, label="accept")]
    return _assemble(steps)


def is_to_or_from_a_sink(link_type: int, octets: bytes) -> bool:
    """Say of a frame what its link type's program says, where no program can run."""
    start = find_ip(link_type, octets)
    if start is None:
        return False
    version = octets[start] >> 4
    source, destination = _ADDRESSES[version]
    size = destination - source
    source, destination = start + source, start + destination
    return (
        find_sink(octets[destination : destination + size]) is not None
        or find_sink(octets[source : source + size]) is not None
    )


def _find_ip(link_type: int) -> Iterator[_Step]:
    """Set X to where IP begins, and go on at `ip4` or `ip6`."""
    if link_type in UNTYPED:
        start = UNTYPED[link_type]
        yield _Step(_LDX, start)
        yield _Step(_LD_OCTET, start)
        yield _Step(_AND, 0xF0)
        yield _Step(_JUMP_IF_EQUAL, 0x40, "ip4")
        yield _Step(_JUMP_IF_EQUAL, 0x60, "ip6", "reject")
        return
    where, start = (_ANCILLARY_PROTOCOL, 0) if link_type == COOKED else TYPED[link_type]
    for tags in range(MAX_TAGS + 1):
        yield _Step(_LDX, start, label=f"tag{tags}")
        yield _Step(_LD_HALF, where)
        yield _Step(_JUMP_IF_EQUAL, int.from_bytes(IPV4_TYPE), "ip4")
        yield _Step(_JUMP_IF_EQUAL, int.from_bytes(IPV6_TYPE), "ip6")
        if tags < MAX_TAGS:
            for tag in sorted(TAGS):
                yield _Step(_JUMP_IF_EQUAL, int.from_bytes(tag), f"tag{tags + 1}")
        yield _Step(_JUMP, if_true="reject")
        where, start = start + 2, start + 4


def _match(version: int) -> Iterator[_Step]:
    """From `ip4` or `ip6` on: go to `whole4` or `whole6` if one of the two addresses lies in a prefix.

    Nearly all packets are turned away by the first word of each address, which is loaded once for all prefixes.
    """
    prefixes = [_words(prefix) for prefix in PREFIXES if prefix.version == version]
    (mask,) = {words[0].mask for words in prefixes}
    label = f"ip{version}"
    for start in _ADDRESSES[version]:
        other = f"not{version}.{start}"
        yield _Step(_LD_WORD_AT_X, start, label=label)
        if mask != _WHOLE:
            # Two comparisons turn away most of what must else be masked first.
            yield _Step(_JUMP_IF_AT_LEAST, min(words[0].value for words in prefixes), "", other)
            yield _Step(_JUMP_IF_GREATER, max(words[0].highest for words in prefixes), other)
            yield _Step(_AND, mask)
        label = ""
        for number, words in enumerate(prefixes, 1):
            following = f"not{version}.{start}.{number}" if number < len(prefixes) else other
            yield _Step(_JUMP_IF_EQUAL, words[0].value, "" if words[1:] else f"whole{version}", following, label)
            yield from _match_further(version, start, words, other)
            label = following
    yield _Step(_RETURN, 0, label=label)
    yield from _check_header(version)


def _match_further(version: int, start: int, words: list[_Word], other: str) -> Iterator[_Step]:
    """Compare the words behind the first one of an address."""
    for number, word in enumerate(words[1:], 1):
        yield _Step(_LD_WORD_AT_X, start + 4 * number)
        if word.mask != _WHOLE:
            yield _Step(_AND, word.mask)
        yield _Step(_JUMP_IF_EQUAL, word.value, f"whole{version}" if word is words[-1] else "", other)


def _words(prefix: Block) -> list[_Word]:
    """A prefix as the words in which it says something."""
    values, masks = prefix.network_address.packed, prefix.netmask.packed
    words = [
        _Word(int.from_bytes(values[place : place + 4]), int.from_bytes(masks[place : place + 4]))
        for place in range(0, len(values), 4)
    ]
    return [word for word in words if word.mask]


def _check_header(version: int) -> Iterator[_Step]:
    """See that the header is whole, and of the version that brought us here; last, because few frames come so far."""
    yield _Step(_LD_OCTET_AT_X, _HEADERS[version] - 1, label=f"whole{version}")
    yield _Step(_LD_OCTET_AT_X, 0)
    yield _Step(_AND, 0xF0)
    yield _Step(_JUMP_IF_EQUAL, version << 4, "accept", "reject")


def _assemble(steps: list[_Step]) -> bytes:
    places = {step.label: place for place, step in enumerate(steps) if step.label}
    program = bytearray()
    for place, step in enumerate(steps):
        if_true, if_false = (places[name] - place - 1 if name else 0 for name in (step.if_true, step.if_false))
        if step.code == _JUMP:
            program += _INSTRUCTION.pack(_JUMP, 0, 0, if_true)
        else:
            program += _INSTRUCTION.pack(step.code, if_true, if_false, step.operand)
    return bytes(program)
