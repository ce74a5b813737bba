"""Resource records as values.

RFC 2181 section 5: records of one owner, class and type are one RRset with one TTL. The class is always IN here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RRset:
    """The records of one type at one owner name, class IN."""

    owner: bytes  # uncompressed wire form, lower case
    rtype: int
    ttl: int  # seconds
    rdatas: tuple[bytes, ...]  # at least one; names inside are uncompressed
