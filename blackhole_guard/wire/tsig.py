"""TSIG as far as who has no keys needs it: to see one in a query, and to say that its key is not known.

RFC 8945 sections 4.2 and 5.3.2. Left out: keys, and with them MACs.
"""

from dataclasses import dataclass
from struct import Struct

from blackhole_guard.wire.codes import RRClass, RRType
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.names import find_name_end

_BADKEY = 17  # an error of TSIG, not an RCODE
_FIXED = Struct("!HHIH")  # type, class, TTL, RDLENGTH
_TIMES = 8  # octets: Time Signed and Fudge
_MAC_SIZE = Struct("!H")
_TAIL = Struct("!HHH")  # Original ID, Error, Other Len


@dataclass(frozen=True, slots=True)
class Tsig:
    """A signature that we cannot check."""

    key: bytes  # the key's name as it was sent, uncompressed
    algorithm: bytes  # its name as it was sent, uncompressed
    times: bytes  # Time Signed and Fudge as they were sent: 8 octets
    original_id: int


def parse_tsig(octets: bytes, owner: int, position: int, end: int) -> Tsig:
    """Read a TSIG record.

    Args:
        owner: where the record begins.
        position: where its RDATA begins; `end`: where it ends.
    Raises:
        WireError: a name is compressed or malformed, or the RDATA is not as long as its fields.
    """
    algorithm_end = find_name_end(octets, position)
    size_at = algorithm_end + _TIMES
    if size_at + 2 > end:
        raise WireError("a TSIG that ends before its MAC", offset=position)
    tail = size_at + 2 + _MAC_SIZE.unpack_from(octets, size_at)[0]
    if tail + _TAIL.size > end:
        raise WireError("a TSIG that ends within its MAC", offset=size_at)
    original_id, _, other_length = _TAIL.unpack_from(octets, tail)
    if tail + _TAIL.size + other_length != end:
        raise WireError("a TSIG of another length than its fields", offset=tail)
    return Tsig(
        key=octets[owner : find_name_end(octets, owner)],
        algorithm=octets[position:algorithm_end],
        times=octets[algorithm_end:size_at],
        original_id=original_id,
    )


def render_unknown_key(tsig: Tsig) -> bytes:
    """Render the TSIG of a NOTAUTH response: BADKEY, unsigned. It is never longer than the query's.

    Source: RFC 8945 sections 5.2.1 and 5.3.2.
    """
    rdata = tsig.algorithm + tsig.times + _MAC_SIZE.pack(0) + _TAIL.pack(tsig.original_id, _BADKEY, 0)
    return tsig.key + _FIXED.pack(RRType.TSIG, RRClass.ANY, 0, len(rdata)) + rdata
