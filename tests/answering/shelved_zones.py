"""A real snapshot with what the hot path must tell apart, and the questions that come close to it."""

import os
from ipaddress import ip_address
from pathlib import Path

import msgspec
from store_content import Ptrs, make_content

from blackhole_guard.reserved.addresses import reverse_name
from blackhole_guard.store.content import Content, StoredZone
from blackhole_guard.store.snapshot import Snapshot, open_snapshot
from blackhole_guard.store.snapshot_file import Meta, write_snapshot_file
from blackhole_guard.wire.names import format_name, pack_name
from blackhole_guard.wire.records import RRset

LONG = ".".join(("a" * 63, "b" * 63, "c" * 63, "d" * 61))  # 255 octets: too long for an entry
LONGEST_ENTRY = ".".join(("a" * 63, "b" * 63, "c" * 63, "d" * 49))  # 243 octets
SUBZONES = (
    *("10.1.2.0/24", "10.20.5.0/24", "10.3.3.3/32", "172.20.0.0/16", "192.168.0.0/16", "8.8.8.0/24"),
    *("::1/128", "fd00::/8", "fd12:3456::/32", "fe80::/12"),
)
BLOCKS = {
    "172.20.0.0/16": "172.16.0.0/12",
    "192.168.0.0/16": "192.168.0.0/16",
    "8.8.8.0/24": None,
    "::1/128": "::1/128",
}
BLOCKS |= {"fd00::/8": "fd00::/8", "fd12:3456::/32": "fd00::/8", "fe80::/12": "fe80::/10"}

DENSE = {f"10.0.0.{host}": f"h{host}.example.com" for host in (*range(8), 20, 200, 255)}
SPARSE = {f"10.0.1.{host}": f"s{host}.example.com" for host in (5, 250)}
# The last two stand apart, for want of room; and what their offset, 0xFFFF, would point to is within the shelf.
FULL = {f"10.0.3.{host}": LONGEST_ENTRY for host in range(256)}
PTRS: Ptrs = {
    **DENSE,
    **SPARSE,
    "10.0.0.8": "two.example.com three.example.com",
    "10.0.0.9": LONG,
    "10.0.0.10": f"300 {LONGEST_ENTRY}",
    "10.0.0.11": " ".join(f"h{n}.example.com" for n in range(40)),  # more than 512 octets
    "10.0.2.0": "0 alone.Example.COM",
    "10.0.77.77": "next.example.com",
    "10.0.78.2": "apart.example.com apart.example.net",  # as a shelf's key is to a region of 10.0.78.0/24
    "10.1.2.1": "subzone.example.com",
    "10.1.3.1": "narrow.example.com",  # below 10.1.0.0/16 there are other names: a region of 256 addresses
    "10.1.3.2": "narrow-a.example.com narrow-b.example.com",
    "10.1.3.123": "narrow-123.example.com",
    "10.3.3.3": "one-address.example.com",
    "10.3.3.4": "beside.example.com",
    "10.4.4.8": "far.example.com",
    "10.20.5.1": "below-a-cut.example.com",
    "172.20.0.1": "nat.example.com",
    "8.8.8.8": "public.example.com",
    "::1": "localhost",
    **{f"fd00::{host:x}": f"six-{host}.example.com" for host in (*range(4), 0x10, 0xFF)},
    **{f"fd00::1:{host:x}": f"rare-{host}.example.com" for host in (7, 0xF0)},
    "fd00::ffff:ffff:ffff:ffff": "last.example.com",
    "fd00:0:0:9::a": f"300 {LONGEST_ENTRY}",
    "fd00:0:0:9::b": "b.example.com b.example.net",
    "fd12:3456::1": "deep.example.com",
    "fe80::1": "link.example.com",
}
ALIASES = {
    **{f"10.1.3.{host}": f"{host}.64/26.3.1.10.in-addr.arpa" for host in (65, 66)},  # RFC 2317
    "10.4.0.7": "9.4.4.10.in-addr.arpa",  # which is not there
    "10.4.0.8": "8.4.4.10.in-addr.arpa",
    "10.4.0.9": "elsewhere.example.com",
    "10.4.0.10": "sub.8.10.in-addr.arpa",  # which is there, and has nothing
    "10.4.0.255": "8.9.4.10.in-addr.arpa",
    "fd00::7:7": "8.4.4.10.in-addr.arpa",
    "fd00::7:8": "9.4.4.10.in-addr.arpa",
}
CUTS = {
    "20.10.in-addr.arpa": "10.in-addr.arpa",
    "64/26.3.1.10.in-addr.arpa": "10.in-addr.arpa",
    "9.0.5.10.in-addr.arpa": "10.in-addr.arpa",
    "7.6.10.in-addr.arpa": "10.in-addr.arpa",
    "0.0.0.0.9.9.d.f.ip6.arpa": "d.f.ip6.arpa",
}


def make_zones() -> Content:
    content = make_content(("10.0.0.0/8", *SUBZONES), PTRS | FULL, CUTS, ALIASES, hosts=("ns.sub.8.10.in-addr.arpa",))
    zones = [msgspec.structs.replace(zone, block=BLOCKS.get(zone.label, zone.block)) for zone in content.zones]
    return Content((*zones, _home_arpa(content.zones[0])), content.cuts, content.hosts, content.runs)


def _home_arpa(like: StoredZone) -> StoredZone:
    apex = pack_name("home.arpa")
    soa, ns = (RRset(apex, rrset.rtype, rrset.ttl, rrset.rdatas) for rrset in (like.soa, like.ns))
    changes = {"apex": apex, "label": "home.arpa", "block": "home.arpa", "soa": soa, "ns": ns}
    return msgspec.structs.replace(like, records=0, pieces=(), **changes)


def open_zones(folder: Path) -> Snapshot:
    path = os.path.join(folder, "zones.mdb")
    content = make_zones()
    write_snapshot_file(path, Meta(7, b"digest", b"", content.zones, content.cuts, content.hosts), content)
    return open_snapshot(path)


def _neighbours(address: str) -> list[str]:
    """Addresses that differ from one in their last octet, the edges of its network among them."""
    packed = ip_address(address).packed
    edges = (packed[:-1] + bytes((octet,)) for octet in (0, 1, 9, 99, 111, 123, 255))
    network = () if len(packed) == 4 else (packed[:8] + bytes(8), packed[:8] + b"\xff" * 8)
    return [str(ip_address(each)) for each in (packed, *edges, *network)]


_FULL_SHELF = ("10.0.3.253", "10.0.3.254")
_NOT_HELD = ("10.0.99.9", "10.5.0.9", "10.6.7.1", "10.20.1.1", "11.0.0.1", "192.168.9.9")
_NOT_HELD_SIX = ("fd00:9:9::1", "fd99::1", "fd12:3456:ffff::9", "2001:db9::1")
PROBE = "fd00:9:9:1:b1ac:401e:112:5350"  # of the doctor's
ADDRESSES = tuple(
    dict.fromkeys(
        each for address in (*PTRS, *_FULL_SHELF, *ALIASES, *_NOT_HELD, *_NOT_HELD_SIX) for each in _neighbours(address)
    )
)
_ADDRESS_NAMES = tuple(reverse_name(ip_address(address).packed) for address in (*ADDRESSES, PROBE))

# Names with as many octets as an address of the region has, and with other labels.
_CLOSE = (
    *("123.0.10.in-addr.arpa", "99.0.10.in-addr.arpa", "1.2.3.1.10.in-addr.arpa", "1.1.3.1.10.in-addr.arpa"),
    *("2.0.10.in-addr.arpa", "0.10.in-addr.arpa", "10.in-addr.arpa", "in-addr.arpa", "3.1.10.in-addr.arpa"),
    *("01.0.0.10.in-addr.arpa", "256.0.0.10.in-addr.arpa", "1.00.0.10.in-addr.arpa", "a.0.0.10.in-addr.arpa"),
    *("1.a.0.10.in-addr.arpa", "1.256.0.10.in-addr.arpa", "5.1.0.0.10.in-addr.arpa", "1.0.0.10.in-addr.arpa.arpa"),
    *("-1.0.0.10.in-addr.arpa", "+1.0.0.10.in-addr.arpa", "64/26.3.1.10.in-addr.arpa", "sub.8.10.in-addr.arpa"),
    *("65.64/26.3.1.10.in-addr.arpa", "1.9.0.5.10.in-addr.arpa", "20.10.in-addr.arpa", "3.3.3.10.in-addr.arpa"),
    *("lb._dns-sd._udp.0.0.0.10.in-addr.arpa", "home.arpa", "printer.home.arpa", "www.example.org", "version.bind"),
    *(".", "d.f.ip6.arpa", "0.d.f.ip6.arpa", "1.2.d.f.ip6.arpa", "ip6.arpa"),
    *("112535012345678901.1.0.0.10.in-addr.arpa", "112535012345678901.home.arpa"),  # the doctor's probes
)
_SIX = format_name(reverse_name(ip_address("fd00::1").packed)).rstrip(".")
_CLOSE_SIX = (_SIX[2:], "0." + _SIX, "g" + _SIX[1:], "00" + _SIX[3:], _SIX.replace("d.f", "df"), "11" + _SIX[1:])
NAMES = (*_ADDRESS_NAMES, *map(pack_name, (*_CLOSE, *_CLOSE_SIX)))
# A label may have a zero in it, or what is the end of another question.
ODD_NAMES = (
    b"\x011\x03\x000\x00\x010\x0210\x07in-addr\x04arpa\0",
    b"\x01\x00\x010\x010\x0210\x07in-addr\x04arpa\0",
    b"\x05\x00\x00\x0c\x00\x01\x010\x010\x0210\x07in-addr\x04arpa\0",
    b"\x013\x010\x010\x0210\x07in-addr\x04arp\0\0",
    b"\x0a1\x010\x010\x02100\x07in-addr\x04arpa\0",
    b"\xc0\x0c",
    b"\x41" + b"a" * 65 + b"\0",
    b"\x013",
)
