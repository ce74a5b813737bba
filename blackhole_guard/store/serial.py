"""SOA serial numbers.

RFC 1982: a circle of 2**32 numbers, on which some pairs have no order.
"""

from dataclasses import dataclass

_CIRCLE = 2**32
_HALF = 2**31


@dataclass(frozen=True, slots=True)
class Serial:
    """A serial number."""

    number: int  # 0 to 2**32 - 1

    def is_newer_than(self, other: "Serial") -> bool:
        """Say whether a secondary that has `other` would take this one (RFC 1982 section 3.2)."""
        return 0 < (self.number - other.number) % _CIRCLE < _HALF

    def next(self, now: float) -> "Serial":
        """Give the serial of changed content: the time, or the next number, whichever is newer.

        Args:
            now: unix seconds, of a clock that may be wrong: the result is newer than this one all the same.
        """
        by_time = Serial(int(now) % _CIRCLE)
        by_one = Serial((self.number + 1) % _CIRCLE)
        return by_time if by_time.is_newer_than(by_one) else by_one
