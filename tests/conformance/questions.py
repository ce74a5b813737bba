"""A query as a value, and its octets: written by hand, so that no library stands between the generator and the wire."""

import struct
from dataclasses import dataclass

A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, DNAME, DS, SVCB, ANY = 1, 2, 5, 6, 12, 15, 16, 28, 33, 39, 43, 64, 255
IN = 1
RD, AD, CD = 0x0100, 0x0020, 0x0010


@dataclass(frozen=True)
class Edns:
    """An OPT record (RFC 6891 section 6.1.2)."""

    size: int
    do: bool = False
    version: int = 0
    options: tuple[tuple[int, bytes], ...] = ()

    def octets(self) -> bytes:
        data = b"".join(struct.pack("!HH", code, len(value)) + value for code, value in self.options)
        return struct.pack("!BHHBBHH", 0, 41, self.size, 0, self.version, 0x8000 if self.do else 0, len(data)) + data


@dataclass(frozen=True)
class Question:
    """One query of one kind."""

    kind: str
    labels: tuple[bytes, ...]  # as sent: case is kept
    qtype: int
    qclass: int = IN
    flags: int = 0
    edns: Edns | None = None
    tcp: bool = False

    def octets(self, number: int) -> bytes:
        """The message; `number` is its ID."""
        header = struct.pack("!HHHHHH", number, self.flags, 1, 0, 0, int(self.edns is not None))
        question = wire_name(self.labels) + struct.pack("!HH", self.qtype, self.qclass)
        return header + question + (self.edns.octets() if self.edns else b"")

    def __str__(self) -> str:
        name = ".".join(label.decode("ascii", "backslashreplace") for label in self.labels)
        transport = "TCP" if self.tcp else "UDP"
        return f"{self.kind}: {name}. class {self.qclass} type {self.qtype} {transport} {self.flags:#06x} {self.edns}"


def wire_name(labels: tuple[bytes, ...]) -> bytes:
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def labels_of(text: str) -> tuple[bytes, ...]:
    """The labels of an absolute name without escapes."""
    return tuple(label.encode() for label in text.removesuffix(".").split("."))


def text_of(labels: tuple[bytes, ...]) -> str:
    return ".".join(label.decode("latin-1") for label in labels) + "."
