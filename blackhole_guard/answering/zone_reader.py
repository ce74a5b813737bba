"""What answering asks of an open snapshot of the zones. `store` fulfils it, `app` hands it over.

All names are uncompressed wire form in lower case, root octet included.
"""

from mmap import mmap
from typing import Protocol

from blackhole_guard.wire.records import RRset

Shelf = bytes | memoryview
Octets = bytes | memoryview | mmap


class ServedZone(Protocol):
    """A zone that we are authoritative for."""

    @property
    def apex(self) -> bytes:
        """Owner name of the zone's SOA."""

    @property
    def block(self) -> str | None:
        """Label of the registry's block that it lies in (`10.0.0.0/8`, `home.arpa`); None: a public zone."""

    @property
    def soa(self) -> RRset:
        """The SOA as an answer to a question for it."""

    @property
    def negative_soa(self) -> RRset:
        """The SOA as the authority of a negative response: its TTL is the smaller of TTL and MINIMUM (RFC 2308, 3)."""


class Delegation(Protocol):
    """A zone cut below which others are authoritative."""

    @property
    def owner(self) -> bytes:
        """Owner name of the NS RRset."""

    @property
    def ns(self) -> RRset:
        """The name servers of the delegated zone."""

    @property
    def glue(self) -> tuple[RRset, ...]:
        """A and AAAA RRsets of those name servers, as far as they were given."""


class ZoneReader(Protocol):
    """An open snapshot: immutable, whole, one generation."""

    def find_enclosing(self, name: bytes) -> tuple[ServedZone, Delegation | None] | None:
        """Find the deepest zone of ours at or above `name`, and the delegation in it at or above `name`, if any.

        A zone of ours below a delegation of ours wins. None: `name` lies in no zone of ours.
        """

    def find_parent(self, apex: bytes) -> ServedZone | None:
        """Find the zone of ours that holds the parent side of `apex`, for DS questions (RFC 4035 section 3.1.4.1).

        `apex` is that of a zone of ours. None: no zone of ours encloses it, or one does and delegates a name above it.
        """

    def find_rrsets(self, name: bytes) -> tuple[RRset, ...]:
        """All RRsets at `name`, apex records included; empty where there are none. The owner in each is `name`."""

    def has_descendants(self, name: bytes) -> bool:
        """Say whether any name below `name` exists: records, delegations or zones of ours (RFC 4592 section 2.2.2)."""


class ShelfReader(ZoneReader, Protocol):
    """A snapshot that has records ready for the wire, too."""

    def has_names_below(self, name: bytes, /) -> bool:
        """Say whether a zone, a delegation or any other name of ours that is no address lies below `name`."""

    def find_shelf(self, key: bytes, /) -> Shelf | None:
        """Find the ready PTRs of 256 neighbouring addresses. What it gives is valid until the snapshot is closed.

        Args:
            key: 4 or 6, then the address without its last octet.
        Returns:
            FIRST and LAST, the last octets of the outermost addresses on it, and an offset for each address between;
            or 1, 0, COUNT, so many last octets, and an offset for each. An offset has two octets, big-endian, and
            counts from the start of the shelf: 0: there are no records; 0xFFFF: `find_rrsets` has them; else there
            stand N and N octets: a PTR record with a pointer to the question's name as its owner. None: no records.
        """

    def locate(self, shelf: Octets, /) -> tuple[Octets, int]:
        """Give octets that are quicker to read than what `find_shelf` gave, and where in them the shelf begins.

        They are valid as long.
        """
