"""Zones as the store takes them, made of a few words; and a naive model of what it answers."""

from ipaddress import ip_address, ip_network
from itertools import groupby

from walk_rows import walk_rows

from blackhole_guard.reserved.addresses import apexes, reverse_name
from blackhole_guard.store.content import Content, StoredCut, StoredZone
from blackhole_guard.store.keys import make_key
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.columns import Addresses, Rows, Values
from blackhole_guard.wire.names import pack_name, suffixes
from blackhole_guard.wire.records import RRset
from blackhole_guard.wire.values import make_cname, make_ptrs, read_value

Ptrs = dict[str, str]  # address -> names, blanks between


def make_content(
    zones=("10.0.0.0/8",), ptrs=None, cuts=None, aliases=None, hosts=(), serials=None, built_in=(), ns=None
):
    """Make content.

    Args:
        zones: blocks at label borders.
        ptrs: address -> names, blanks between them; a TTL may stand in front.
        cuts: owner -> apex of its zone.
        aliases: address -> target.
        hosts: owners of an A record 10.0.0.1.
        serials: block -> serial that its map gives.
        built_in: the blocks among `zones` that no map made.
        ns: block -> name server, where it is not ns.example.com.
    """
    ptrs, aliases = ptrs or {}, aliases or {}
    blocks = sorted(map(ip_network, zones), key=lambda each: (each.version, each.network_address, each.prefixlen))
    rows = dict(_make_row(address, text) for address, text in ptrs.items())
    rows |= {_key(address): make_cname(pack_name(target), 60) for address, target in aliases.items()}
    stored = tuple(
        _make_zone(block, blocks, ptrs, (serials or {}).get(str(block)), str(block) not in built_in, ns or {})
        for block in blocks
    )
    return Content(
        zones=stored,
        cuts=tuple(_make_cut(owner, apex) for owner, apex in (cuts or {}).items()),
        hosts=tuple(RRset(pack_name(host), RRType.A, 60, (bytes((10, 0, 0, 1)),)) for host in hosts),
        runs=lambda: iter_runs(sorted(rows.items())),
    )


def iter_runs(rows, most=1):
    """Give rows, key and value, a few shelves at once."""
    shelves = [(family, list(each)) for family, each in groupby(rows, key=lambda row: row[0][:-1])]
    for _, each in groupby(shelves, key=lambda shelf: shelf[0][0]):
        run = [rows for _, rows in each]
        for start in range(0, len(run), most):
            some = [row for rows in run[start : start + most] for row in rows]
            yield Rows.of(Addresses(key[1:] for key, _ in some), Values(value for _, value in some))


def rows_of(content):
    """Give all rows, key and value."""
    return [(make_key(address), value) for address, value in walk_rows(content.runs())]


def _key(address):
    return make_key(ip_address(address).packed)


def _make_row(address, text):
    words = text.split()
    ttl = int(words.pop(0)) if words[0].isdigit() else 60
    names = tuple(map(pack_name, words))
    return _key(address), make_ptrs(names[0] if len(names) == 1 else names, ttl)


def _make_zone(block, blocks, ptrs, serial, mapped, ns):
    (apex,) = apexes(block)
    server = pack_name(ns.get(str(block), "ns.example.com"))
    numbers = [serial or 0, 1, 2, 3, 30]
    soa = server + pack_name("admin.example.com") + b"".join(number.to_bytes(4, "big") for number in numbers)
    held = [text for address, text in ptrs.items() if _smallest(ip_address(address), blocks) == block]
    return StoredZone(
        apex=apex,
        label=str(block),
        block="10.0.0.0/8",
        mapped=mapped,
        serial=serial,
        soa=RRset(apex, RRType.SOA, 60, (soa,)),
        ns=RRset(apex, RRType.NS, 60, (server,)),
        records=sum(len([word for word in text.split() if not word.isdigit()]) for text in held),
        pieces=tuple(_pieces(block, blocks)),
    )


def _smallest(address, blocks):
    holders = [block for block in blocks if address in block]
    return max(holders, key=lambda each: each.prefixlen) if holders else None


def _pieces(block, blocks):
    start = int(block.network_address)
    for other in blocks:
        if other != block and other.version == block.version and other.subnet_of(block) and int(other[0]) >= start:
            if int(other[0]) > start:
                yield _span(block, start, int(other[0]) - 1)
            start = int(other[-1]) + 1
    if start <= int(block[-1]):
        yield _span(block, start, int(block[-1]))


def _span(block, first, last):
    octets = block.max_prefixlen // 8
    return make_key(first.to_bytes(octets, "big")), make_key(last.to_bytes(octets, "big"))


def _make_cut(owner, apex):
    name = pack_name(owner)
    return StoredCut(name, pack_name(apex), RRset(name, RRType.NS, 60, (pack_name("ns.example.net"),)), (), False)


class NaiveZones:
    """All names in dictionaries."""

    def __init__(self, content):
        self.zones = {zone.apex: zone for zone in content.zones}
        self.cuts = {cut.owner: cut for cut in content.cuts}
        self.rrsets = {}
        for zone in content.zones:
            self.rrsets.setdefault(zone.apex, set()).update({(RRType.SOA, zone.soa.ttl), (RRType.NS, zone.ns.rdatas)})
        for cut in content.cuts:
            self.rrsets.setdefault(cut.owner, set()).add((RRType.NS, cut.ns.rdatas))
        for host in content.hosts:
            self.rrsets.setdefault(host.owner, set()).add((host.rtype, host.rdatas))
        for key, value in rows_of(content):
            rrset = read_value(reverse_name(key[1:]), value)
            self.rrsets.setdefault(rrset.owner, set()).add((rrset.rtype, rrset.rdatas))
        few = {*self.zones, *self.cuts, *(host.owner for host in content.hosts)}
        self.ancestors_of_few = {each for name in few for each in list(suffixes(name))[1:]}
        self.ancestors = self.ancestors_of_few | {each for name in self.rrsets for each in list(suffixes(name))[1:]}

    def find_enclosing(self, name):
        cut = None
        for each in suffixes(name):
            cut = self.cuts.get(each, cut)
            if each in self.zones:
                return each, cut
        return None
