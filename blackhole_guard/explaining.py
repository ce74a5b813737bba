"""Which zone, record or rule answers for a name, where it is written, and why: in words.

How a query ends is decided by `answering`, over zones as `zones` makes them; here is only what is said of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from blackhole_guard.answering.answer import Answer, Outcome
from blackhole_guard.answering.lookup import find_answer
from blackhole_guard.config.maps import Sources, ZoneMap
from blackhole_guard.config.problems import Place
from blackhole_guard.config.settings import Settings
from blackhole_guard.config.values import Block, format_duration
from blackhole_guard.reserved.addresses import parse_reverse_name, parse_reverse_prefix
from blackhole_guard.reserved.registry import BLOCKS, NODATA_NAMES, Sink, find_reserved_name
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.names import format_name, is_subdomain, pack_name, suffixes
from blackhole_guard.wire.records import RRset
from blackhole_guard.zones.view import ZoneView
from blackhole_guard.zones.zone_set import Cut, Zone, ZoneSet

# Who would have got the query, in a few words (see `reserved.registry.Sink`).
_SINKS = {
    Sink.AS112: "to the AS112 servers (blackhole-1.iana.org and its like)",
    Sink.AS112_DNAME: "to blackhole.as112.arpa",
    Sink.IANA: "to IANA's servers",
    Sink.RIR: "to a regional registry",
    Sink.ARPA: "to the servers of in-addr.arpa, ip6.arpa or arpa",
    Sink.ROOT: "to the root servers",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happens to a query, and why."""

    name: bytes  # asked for; wire form, lower case
    qtype: int
    outcome: Outcome  # for who iterates (RD=0)
    recursive: Outcome  # for who asks for recursion (RD=1)
    records: tuple[RRset, ...]  # of the answer, or all that there is at the name
    zone: Zone | None  # that answers; None: none of ours does
    cut: Cut | None  # the delegation that the name lies below
    place: Place | None  # where the record, the delegation or the switch is written; None: it is written nowhere
    what: str  # what happens
    why: tuple[str, ...]  # and why; a sentence each
    hint: str  # how to change it, where that is likely wanted

    @property
    def answered(self) -> bool:
        """Whether anything of ours answers."""
        return self.outcome is not Outcome.REFUSED


def explain(name: bytes, zones: ZoneSet, sources: Sources, settings: Settings) -> Explanation:
    """Explain what a query for a name gets.

    Args:
        name: wire form, lower case.
        zones: as `build_zones` makes them of sources and settings.
    """
    view = ZoneView(zones)
    qtype = RRType.PTR if parse_reverse_name(name) is not None else RRType.ANY
    answer = find_answer(view, name, qtype, refer=True)
    recursive = find_answer(view, name, qtype, refer=settings.server.recursive_clients == "refer")
    zone, cut = zones.find_zone(name), answer.cut if isinstance(answer.cut, Cut) else None
    row_place, what = _say(name, answer, zones, settings)
    why = (
        *_why_zone(name, zone, zones),
        *_why_switched_off(name, sources, zone),
        *_why_refused(name, answer, settings),
    )
    switches = [each.places["serve"] for each in _switched_off(name, sources)]
    return Explanation(
        name=name,
        qtype=qtype,
        outcome=answer.outcome,
        recursive=recursive.outcome,
        records=answer.sections.answer if qtype == RRType.PTR else _own_records(view, name, answer),
        zone=zone,
        cut=cut,
        place=row_place if zone is not None or not switches else switches[0],
        what=what,
        why=(*why, *_ledger(name, zone)),
        hint=_hint(name, answer),
    )


def _own_records(view: ZoneView, name: bytes, answer: Answer) -> tuple[RRset, ...]:
    return view.find_rrsets(name) if answer.outcome is Outcome.ANSWER else ()


def _say(name: bytes, answer: Answer, zones: ZoneSet, settings: Settings) -> tuple[Place | None, str]:
    """Say what happens, and where the line is that makes it happen."""
    if answer.cut is not None:
        cut = zones.cuts[answer.cut.owner]
        return cut.place, _say_delegated(cut, settings)
    if answer.outcome is Outcome.REFUSED:
        return None, "REFUSED: this is in no zone of ours, so a stub resolver goes on to its next server"
    address = parse_reverse_name(name)
    alias = zones.find_alias(address) if address is not None else None
    if alias is not None:
        cut = next(each for each in zones.cuts.values() if is_subdomain(alias.target, of=each.owner))
        target = format_name(alias.target)
        return cut.place, f"{cut.block} is delegated, so a CNAME leads to {target}, which {_servers(cut)} answer for"
    if answer.outcome is Outcome.ANSWER:
        return _say_answer(name, address, zones)
    return None, _say_negative(name, answer, zones)


def _say_answer(name: bytes, address: bytes | None, zones: ZoneSet) -> tuple[Place | None, str]:
    row = zones.find_ptr(address) if address is not None else None
    if row is not None:
        rule = "built-in rule: loopback addresses are localhost (RFC 6303), unless a map says otherwise"
        return row.place, rule if row.place is None else "a map has names for this address"
    if name in zones.zones:
        return zones.zones[name].place, "the apex of a zone: its SOA and NS; other types are NODATA"
    return None, "the address of a name server, from a delegation"


def _say_delegated(cut: Cut, settings: Settings) -> str:
    what = f"{cut.block} is delegated to {_servers(cut)}"
    if settings.server.recursive_clients == "refer":
        return f"{what}: everybody gets a referral (`server.recursive_clients: refer`)"
    return (
        f"{what}: who iterates (RD=0) gets a referral; who asks for recursion (RD=1), as stub resolvers do, "
        "gets REFUSED and goes on to its next server (`server.recursive_clients: refuse`)"
    )


def _servers(cut: Cut) -> str:
    addresses: dict[bytes, list[str]] = {}
    for rrset in cut.glue:
        addresses.setdefault(rrset.owner, []).extend(str(ip_address(rdata)) for rdata in rrset.rdatas)
    shown = [
        format_name(name) + (f" ({', '.join(found)})" if (found := addresses.get(name.lower())) else "")
        for name in cut.ns.rdatas
    ]
    return ", ".join(shown)


def _say_negative(name: bytes, answer: Answer, zones: ZoneSet) -> str:
    zone = zones.find_zone(name)
    assert zone is not None  # what is in no zone is refused
    remembered = f"resolvers remember it for {format_duration(answer.sections.authority[0].ttl)}"
    if any(is_subdomain(name, of=each) for each in NODATA_NAMES):
        return f"NODATA: a rule for resolver discovery: each name exists, and has no data (RFC 9462); {remembered}"
    if answer.outcome is Outcome.NODATA and name == zone.apex:
        return f"NODATA: this is the apex of a zone, and no map has a name for its address; {remembered}"
    if answer.outcome is Outcome.NODATA:
        return f"NODATA: there is no record here, but there are names below this one, so it exists; {remembered}"
    if parse_reverse_name(name) is not None:
        return f"NXDOMAIN: no map has a name for this address; {remembered}"
    return f"NXDOMAIN: there is nothing at this name or below it; {remembered}"


def _why_zone(name: bytes, zone: Zone | None, zones: ZoneSet) -> Iterator[str]:
    """Say why this zone answers and not one around it."""
    if zone is None:
        return
    others = [zones.zones[each] for each in suffixes(name) if each in zones.zones and each != zone.apex]
    if others:
        around = ", ".join(f"{each.label} ({_origin(each)})" for each in others)
        yield f"the longest prefix wins: {zone.label} ({_origin(zone)}) lies in {around}"
    elif not zone.mapped:
        row = find_reserved_name(zone.apex)
        assert row is not None  # what no map made, the registry did
        listed = "an extra to IANA's registry" if row.extra else "in IANA's registry of locally-served zones"
        yield f"{zone.label} is built in: {row.what}, {listed} ({row.reference})"


def _origin(zone: Zone) -> str:
    return "built in" if zone.place is None else str(zone.place)


def _switched_off(name: bytes, sources: Sources) -> Iterator[ZoneMap]:
    """Find the maps that switch off a block or zone that a name lies in."""
    block = parse_reverse_prefix(name)
    for each in sources.maps:
        if each.serve or "serve" not in each.places:
            continue
        if each.block is None:
            if is_subdomain(name, of=pack_name(each.name)):
                yield each
        elif block is not None and _holds(each.block, block):
            yield each


def _holds(block: Block, part: Block) -> bool:
    return block.version == part.version and (
        block.prefixlen <= part.prefixlen and part.supernet(new_prefix=block.prefixlen) == block
    )


def _why_switched_off(name: bytes, sources: Sources, zone: Zone | None) -> Iterator[str]:
    for each in _switched_off(name, sources):
        goes_on = "" if zone is None else f"; the zone around it, {zone.label}, answers instead"
        if zone is None or zone.block is None or each.block is None or each.block.prefixlen >= zone.block.prefixlen:
            yield f"{each.name} is switched off by `serve: false` at {each.places['serve']}{goes_on}"


def _why_refused(name: bytes, answer: Answer, settings: Settings) -> Iterator[str]:
    """Say why a name that might be expected in a zone of ours is in none."""
    row = find_reserved_name(name)
    if answer.outcome is not Outcome.REFUSED or row is None:
        return
    if row.extra and not settings.reserved.extras:
        yield f"{row.block} is an extra, and `reserved.extras` is false"
    elif not row.extra and not settings.reserved.serve:
        yield f"{row.block} is reserved, but `reserved.serve` is false, and no map is for it"


def _hint(name: bytes, answer: Answer) -> str:
    """Say how to get an answer, where there is none and somebody may miss it."""
    block = parse_reverse_prefix(name)
    if block is None:
        return ""
    if answer.outcome is Outcome.REFUSED and answer.cut is None and find_reserved_name(name) is None:
        return f"{_show(block)} is not reserved; if it is yours to name, a map with `allow_public: true` serves it"
    if answer.outcome is Outcome.NXDOMAIN and block.prefixlen == block.max_prefixlen:
        return f"to name it, write `{block.network_address}: host.example.com` below `ptr` of a map that holds it"
    return ""


def _show(block: Block) -> str:
    return str(block.network_address) if block.prefixlen == block.max_prefixlen else str(block)


def _ledger(name: bytes, zone: Zone | None) -> Iterator[str]:
    """Say what the ledger makes of it; a name that stands for no address is none, or not always, a leak of its own."""
    if zone is None or parse_reverse_name(name) is None:
        return
    if zone.ledger is None:
        yield "not in the ledger of averted leaks: the block is public"
    elif zone.ledger in BLOCKS:
        sink = _SINKS[BLOCKS[zone.ledger]]
        yield f"counted as an averted leak of {zone.ledger}: without us the query would have gone {sink}"


def parse_target(text: str) -> bytes | None:
    """Read what shall be explained: an address, a block that is one reverse name, or a domain name.

    Returns:
        The name to ask for, in lower case; None: a block that is no reverse name.
    Raises:
        WireError: it is neither an address nor a name, or looks like an address that it is not.
    """
    try:
        network = ip_network(text.partition("%")[0])  # a scope, as in fe80::1%eth0, is no part of the reverse name
    except ValueError as error:
        # No top-level domain is a number (RFC 3696 section 2): this was meant to be an address or a block.
        if text.rpartition(".")[2][:1].isdigit() or ":" in text:
            raise WireError(
                "write all octets of an address, without zeros in front; a block without bits behind /"
            ) from error
        return pack_name(text).lower()
    name = pack_name(ip_address(network.network_address).reverse_pointer)
    for each in suffixes(name):
        if parse_reverse_prefix(each) == network:
            return each
    return None
