"""Captures to measure with: millions of packets, 1 % of them to the sinks or from them, and what must be found.

Written once, under .cache. Of 200 packets one is a query to a sink and mostly another its response, over UDP or
TCP, IPv4 or IPv6, with or without VLAN tags; the others are DNS messages that concern no sink.
"""

import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from bench import frames as made
from bench.programs import ROOT, program

DIRECTORY = ROOT / ".cache" / "captures"
KINDS = ("pcap", "pcapng", "cooked", "gzip")
_GROUP = 200  # packets: one of them is a query to a sink, and mostly one its response
_BLOBS = 200  # of packets that do not matter: 5 MB, far more than gzip's window
_BLOCKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
_SINKS = {4: ("192.175.48.6", "192.175.48.42"), 6: ("2620:4f:8000::6", "2620:4f:8000::42")}
_CLIENTS = {4: "192.0.2.", 6: "2001:db8::"}
_STEP = 20_000_000  # nanoseconds between two groups: 10,000 packets a second


@dataclass
class Expected:
    """What must be found."""

    leaks: Counter[str] = field(default_factory=Counter)  # by block
    responses: int = 0
    updates: int = 0


def write(kind: str, packets: int) -> tuple[Path, Expected]:
    """Write a capture, if it is not there from before; gives it, and what must be found in it."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    expected = Expected()
    if kind == "gzip":
        plain, expected = write("pcap", packets)
        path = plain.with_suffix(".pcap.gz")
        if not path.exists():
            with path.with_suffix(".new").open("wb") as file:
                subprocess.run([program("gzip"), "-c", str(plain)], stdout=file, check=True)
            path.with_suffix(".new").rename(path)
        return path, expected
    path = DIRECTORY / f"{kind}-{packets}.{'pcapng' if kind == 'pcapng' else 'pcap'}"
    is_there = path.exists()
    with (Path("/dev/null") if is_there else path.with_suffix(".new")).open("wb") as file:
        for part in _parts(kind, packets, expected, is_wanted=not is_there):
            file.write(part)
    if not is_there:
        path.with_suffix(".new").rename(path)
    return path, expected


def remove() -> None:
    """Remove all that was written."""
    shutil.rmtree(DIRECTORY, ignore_errors=True)


def _parts(kind: str, packets: int, expected: Expected, *, is_wanted: bool) -> Iterator[bytes]:
    chance = random.Random(112)
    link_type = made.SLL2 if kind == "cooked" else made.ETHERNET
    if kind == "pcapng":
        yield made.section() + made.interface(link_type, resolution=9)
    else:
        yield made.pcap(link_type)
    blobs = [_blob(kind, link_type, chance) for _ in range(_BLOBS)]
    for number in range(packets // _GROUP):
        ours = list(_exchange(number, chance, expected))
        if not is_wanted:
            continue
        for at, packet, tags in ours:
            yield _record(kind, at, made.framed(link_type, packet, *tags))
        records = blobs[number % _BLOBS]
        yield b"".join(records[: _GROUP - len(ours)])


def _record(kind: str, at: int, frame: bytes) -> bytes:
    return made.enhanced_packet(0, at, frame) if kind == "pcapng" else made.record(at, frame)


def _blob(kind: str, link_type: int, chance: random.Random) -> list[bytes]:
    records = []
    for number in range(_GROUP):
        name = b"".join(
            len(label).to_bytes(1) + label.encode()
            for label in (
                "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 12))),
                "example",
                "com",
            )
        )
        query = made.query(name + b"\0", 1, number=chance.randrange(65536), edns=False)
        client, server, port = f"192.0.2.{chance.randrange(256)}", f"198.51.100.{chance.randrange(256)}", 1024 + number
        if number % 2:
            packet = made.ip(client, server, made.UDP, made.udp(port, 53, query))
        else:
            more = chance.randbytes(chance.randrange(16, 64))
            packet = made.ip(server, client, made.UDP, made.udp(53, port, made.response(query, rcode=0) + more))
        tags = (made.PUBLIC_TAG,) if link_type == made.ETHERNET and number % 5 == 0 else ()
        records.append(_record(kind, 0, made.framed(link_type, packet, *tags)))
    return records


def _exchange(number: int, chance: random.Random, expected: Expected) -> Iterator[tuple[int, bytes, tuple[int, ...]]]:
    """The packets of one query: time, packet, tags."""
    block = chance.choice(_BLOCKS)
    version, is_update, is_answered = 6 if number % 4 == 3 else 4, number % 50 == 49, number % 20 != 19
    tags = {0: (made.PUBLIC_TAG,), 5: (made.SERVICE_TAG, made.PUBLIC_TAG)}.get(number % 10, ())
    client, server, port = (
        f"{_CLIENTS[version]}{number % 100 + 1}",
        chance.choice(_SINKS[version]),
        1024 + number % 60000,
    )
    address = {"10": "10.{}.{}.{}", "172": "172.16.{1}.{2}", "192": "192.168.{1}.{2}"}[block.split(".")[0]].format(
        *(int(most * chance.random() ** 3) for most in (4, 16, 255))  # few are asked for often, many seldom
    )
    labels = ip_address(address).reverse_pointer.split(".")
    name = b"".join(len(label).to_bytes(1) + label.encode() for label in labels) + b"\0"
    query = made.query(name, 6 if is_update else 12, number=number & 0xFFFF, opcode=5 if is_update else 0, edns=False)
    at = 1_700_000_000 * 10**9 + number * _STEP
    expected.leaks[block] += 1
    expected.updates += is_update
    expected.responses += is_answered
    response = made.response(query, rcode=5 if is_update else 3, more=60)

    def sent(protocol: int, segment: bytes) -> tuple[int, bytes, tuple[int, ...]]:
        return at, made.ip(client, server, protocol, segment), tags

    def got(protocol: int, segment: bytes) -> tuple[int, bytes, tuple[int, ...]]:
        return at + _STEP // 2, made.ip(server, client, protocol, segment), tags

    if number % 20:
        yield sent(made.UDP, made.udp(port, 53, query))
        if is_answered:
            yield got(made.UDP, made.udp(53, port, response))
        return
    octets, sequence = len(query).to_bytes(2) + query, number * 77_777
    yield sent(made.TCP, made.tcp(port, 53, sequence - 1, made.SYN))
    yield sent(made.TCP, made.tcp(port, 53, sequence, made.ACK, octets[:20]))
    yield sent(made.TCP, made.tcp(port, 53, sequence + 20, made.ACK | made.FIN, octets[20:]))
    if is_answered:
        octets = len(response).to_bytes(2) + response
        yield got(made.TCP, made.tcp(53, port, sequence, made.ACK | made.FIN, octets))
