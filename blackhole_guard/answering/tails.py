"""What stands behind the question, as far as the response depends on it: the kind of OPT.

RFC 6891 section 6.1.2 for the octets. A response of up to 512 octets fits whatever size a client names, and options
that we do not answer change nothing, so a handful of kinds is all there is.
"""

from struct import Struct

from blackhole_guard.wire.codes import OptionCode, RRType
from blackhole_guard.wire.edns import Edns, parse_opt
from blackhole_guard.wire.errors import WireError

KINDS = 5  # none; an OPT; with DO; with NSID asked for; with both
UNKNOWN = (KINDS + 1, 0, False)
_NONE = {b"": (0, 2, True)}
# A tail of each kind, as most messages have it.
_USUAL = (
    b"",
    bytes.fromhex("00 0029 04d0 00000000 0000"),
    bytes.fromhex("00 0029 04d0 00008000 0000"),
    bytes.fromhex("00 0029 04d0 00000000 0004 0003 0000"),
    bytes.fromhex("00 0029 04d0 00008000 0004 0003 0000"),
)
HEAD = 15  # octets: the OPT up to and with the length of its first option

_MOST_KNOWN = 4096
_LONGEST = 64  # octets of a usual tail: a cookie or a client subnet have their place in it
_OPT = Struct("!xHHIH")  # root, type, payload size, extended RCODE and version and flags, RDLENGTH


class Tails:
    """Recognises tails by their first octets."""

    def __init__(self, *, answers_nsid: bool) -> None:
        self._answers_nsid = answers_nsid
        # First HEAD octets of a tail -> its kind; how many octets the whole tail then has, and 2 for the ID; whether
        # they are the usual one as a whole, which is in lower case, too. With one option at most, those octets say that
        # everything fits together, whatever stands in the option, if the message is that long.
        self.known: dict[bytes, tuple[int, int, bool]] = dict(_NONE)
        self.usual = list(_USUAL)  # by kind: the one that keys have, whatever the message has

    def kind_of(self, edns: Edns | None) -> int:
        """Give the kind of an OPT that was read; its version is 0."""
        if edns is None:
            return 0
        return 1 + edns.dnssec_ok + 2 * (self._answers_nsid and OptionCode.NSID in edns.options)

    def find_kind(self, tail: bytes) -> int:
        """Give the kind of any tail.

        Returns:
            That of UNKNOWN where it is no OPT of version 0 with nothing behind it.
        """
        kind, size, _ = self.known.get(tail[:HEAD], UNKNOWN)
        if size == len(tail) + 2:
            return kind
        if len(tail) < _OPT.size or tail[0]:
            return UNKNOWN[0]
        rtype, payload_size, ttl, length = _OPT.unpack_from(tail)
        if rtype != RRType.OPT or ttl >> 16 & 0xFF or _OPT.size + length != len(tail):
            return UNKNOWN[0]
        try:
            edns = parse_opt(tail, _OPT.size, len(tail), payload_size=payload_size, ttl=ttl)
        except WireError:
            return UNKNOWN[0]
        kind = self.kind_of(edns)
        if not length or length == 4 + int.from_bytes(tail[HEAD - 2 : HEAD]):
            if len(self.known) == _MOST_KNOWN:
                self._forget()
            is_usual = tail == self.usual[kind] == tail.lower() and len(tail) <= HEAD
            self.known[tail[:HEAD]] = (kind, len(tail) + 2, is_usual)
        return kind

    def choose(self, tail: bytes) -> int | None:
        """Take a tail for the usual one of its kind, if it is short; returns the kind, None if all is as it was."""
        kind = self.find_kind(tail)
        if kind == UNKNOWN[0] or len(tail) > _LONGEST or tail == self.usual[kind]:
            return None
        self.usual[kind] = tail
        self._forget()
        return kind

    def _forget(self) -> None:
        self.known.clear()
        self.known.update(_NONE)
