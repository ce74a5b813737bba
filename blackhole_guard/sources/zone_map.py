"""A `zone:` document -> ZoneMap: which block or name it is for, and what it says of the zone.

RFC 6303 (reserved blocks), RFC 2317 (why an IPv4 block of /25 to /31 is no zone).
What several maps mean together, and whether their delegations cross one another, is for `zones` to say.
"""

from ipaddress import IPv4Network
from typing import NamedTuple

import msgspec

from blackhole_guard.config.document import EntryReader, Mapping, Node, Scalar, Sequence, Streamed
from blackhole_guard.config.load import INLINE_MAPS
from blackhole_guard.config.maps import PtrTable, ZoneMap
from blackhole_guard.config.problems import FileProblems, ValueProblem, quote
from blackhole_guard.config.schema import describe, read_struct
from blackhole_guard.config.settings import Defaults, HostName, Settings, Soa, Ttl
from blackhole_guard.config.values import Block, parse_block
from blackhole_guard.reserved.addresses import enclosing_zone_block, parse_reverse_prefix
from blackhole_guard.reserved.registry import ZONES, find_reserved_network, is_reserved
from blackhole_guard.sources.delegations import read_delegations
from blackhole_guard.sources.ptr import MOST_NAMES, PtrReader, Suffixes
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.names import format_name, pack_name

NAMED_ZONES = frozenset(format_name(zone.apex).removesuffix(".") for zone in ZONES if zone.network is None)
SETTINGS_KEYS = frozenset(Settings.__struct_fields__) - {"include"} | {INLINE_MAPS}  # that no map has
OWN_KEYS = ("zone", "ptr", "delegate", "include")  # read here; the others by their types


class _Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a map says of its zone, but for its names and addresses."""

    ttl: Ttl | None = None
    ns: tuple[HostName, ...] = ()
    soa: Soa = Soa()
    serve: bool = True
    allow_public: bool = False


class Include(NamedTuple):
    """A pattern and the line that names it."""

    pattern: str  # as written
    line: int


class _Zone(NamedTuple):
    block: Block | None
    name: str


def make_ptr_reader(problems: FileProblems, suffixes: Suffixes) -> EntryReader:
    """Make what `read_documents` hands the entries of one `ptr:` to; `read_map` finds the result in the document."""
    return PtrReader(problems, suffixes).read


def read_map(node: Node, defaults: Defaults, problems: FileProblems) -> tuple[ZoneMap | None, tuple[Include, ...]]:
    """Read one document.

    Args:
        node: its `ptr` was streamed to what `make_ptr_reader` gave.
        defaults: of the settings, for the TTLs of the entries.
    Returns:
        The map, None if it is not known which zone it is for; and the files that it includes.
    """
    if not isinstance(node, Mapping):
        hint = "write `zone: 10.0.0.0/8`"
        if isinstance(node, Sequence):
            hint += " without a dash; several maps are divided by a line `---`"
        problems.error(node.line, f"the map is {describe(node)}, not a mapping", hint)
        return None, ()
    if "zone" not in node.entries and (keys := SETTINGS_KEYS & set(node.entries)):
        line = min(node.entries[key][0].line for key in keys)
        problems.error(
            line, "this is a settings file, not a map", "read it by --config; it names its maps in `include`"
        )
        return None, ()
    _note_loose_addresses(node, problems)
    policy = read_struct(node, _Policy(), problems, others=OWN_KEYS)
    zone = _read_zone(node, policy, problems)
    table = _read_ptr(node, zone, defaults.ttl if policy.ttl is None else policy.ttl, problems)
    delegations = read_delegations(node.get("delegate"), zone.block if zone else None, problems)
    include = _read_include(node.get("include"), problems)
    if len(policy.ns) > MOST_NAMES:
        what = f"{len(policy.ns)} name servers, and {MOST_NAMES} are the most"
        problems.error(node.entries["ns"][0].line, what, "two to four are usual")
    if zone is None:
        return None, include
    _check_policy(node, zone, delegations=bool(delegations), problems=problems)
    places = {key.text: problems.place(key.line) for key, _ in node.entries.values()}
    zone_map = ZoneMap(
        block=zone.block,
        name=zone.name,
        place=places["zone"],
        ttl=policy.ttl,
        ns=tuple(pack_name(name) for name in policy.ns),
        soa=policy.soa,
        serve=policy.serve,
        allow_public=policy.allow_public,
        ptr=table,
        delegations=delegations,
        places=places,
    )
    return zone_map, include


def _note_loose_addresses(node: Mapping, problems: FileProblems) -> None:
    """Tell who forgot the line `ptr:` so, once, and not that each address is an unknown key."""
    loose = [key for key, _ in node.entries.values() if key.text[:1].isdigit() or ":" in key.text]
    if loose:
        what = f"`{quote(loose[0].text)}` stands beside `zone`, not below `ptr`"
        problems.error(loose[0].line, what, "write a line `ptr:` above the addresses, and indent them")
    for key in loose:
        del node.entries[key.text]


def _read_zone(node: Mapping, policy: _Policy, problems: FileProblems) -> _Zone | None:
    """Read `zone:`; None after noting what is wrong."""
    entry = node.entries.get("zone")
    if entry is None:
        problems.error(node.line, "a map without `zone`", "write the block that it is for: `zone: 10.0.0.0/8`")
        return None
    key, value = entry
    try:
        if not isinstance(value, Scalar) or value.is_null:
            hint = "write one block or name; each has a document of its own, with `---` between them"
            raise ValueProblem(f"`zone` is {describe(value)}", hint)
        name = value.text.lower().removesuffix(".")
        if name in NAMED_ZONES:
            return _Zone(None, name)
        block = _parse_zone_block(value.text)
        if not policy.allow_public and not is_reserved(block):
            raise ValueProblem(f"{block} is not reserved", _explain_public(block))
    except ValueProblem as problem:
        problems.error(key.line, problem.what, problem.hint)
        return None
    return _Zone(block, str(block))


def _parse_zone_block(text: str) -> Block:
    if not any(character.isalpha() for character in text) or ":" in text or "/" in text:
        return parse_block(text)
    try:
        block = parse_reverse_prefix(pack_name(text).lower())
    except WireError:
        block = None
    if block is not None:
        raise ValueProblem(f"`{quote(text)}` is a reverse name, not a block", f"write `zone: {block}`")
    names = ", ".join(f"`{name}`" for name in sorted(NAMED_ZONES))
    hint = f"write a block such as `10.0.0.0/8`, or one of {names}"
    raise ValueProblem(f"`{quote(text)}` is neither a block nor a reserved zone", hint)


def _explain_public(block: Block) -> str:
    """Say how to mend a map whose block is not reserved, or only a part of it."""
    inside = [zone.block for zone in ZONES if zone.network is not None and zone.network.version == block.version]
    parts = [
        part
        for part in dict.fromkeys(inside)
        if (network := parse_block(part)).prefixlen > block.prefixlen
        and network.supernet(new_prefix=block.prefixlen) == block
    ]
    if parts:
        return f"of it, {' and '.join(f'`{part}`' for part in parts[:3])} is: write that, or add `allow_public: true`"
    return "see that it is spelt right; if these addresses are yours to name, add `allow_public: true`"


def _read_ptr(node: Mapping, zone: _Zone | None, ttl: int, problems: FileProblems) -> PtrTable:
    value = node.get("ptr")
    if value is None or (isinstance(value, Scalar) and value.is_null):
        return PtrTable()
    if not isinstance(value, Streamed):
        hint = "write `10.0.0.3: host.example.com`, one line for each address"
        problems.error(value.line, f"`ptr` is {describe(value)}, not a mapping", hint)
        return PtrTable()
    assert isinstance(value.result, PtrReader)
    table = value.result.finish(zone.block if zone else None, ttl)
    if zone is not None and zone.block is None and value.result.seen:
        problems.error(value.line, f"{zone.name} holds no addresses, and so no PTRs", "delete `ptr`")
        return PtrTable()
    return table


def _check_policy(node: Mapping, zone: _Zone, *, delegations: bool, problems: FileProblems) -> None:
    """Refuse what only a whole zone can have, in a map for a part of one."""
    block = zone.block
    if block is None:
        if delegations:
            problems.error(node.entries["delegate"][0].line, f"{zone.name} holds no blocks", "delete `delegate`")
        return
    if isinstance(block, IPv4Network) and 24 < block.prefixlen < 32:
        whole = enclosing_zone_block(block)
        for key in ("ns", "soa", "serve"):
            if key in node.entries:
                what = f"{block} is a part of the zone {whole}, and has no `{key}` of its own"
                hint = f"delete it here, or write it into a map `zone: {whole}`"
                if find_reserved_network(whole) is None:
                    hint += " with `allow_public: true`"
                problems.error(node.entries[key][0].line, what, hint)


def _read_include(node: Node | None, problems: FileProblems) -> tuple[Include, ...]:
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return ()
    found = []
    for item in node.items if isinstance(node, Sequence) else [node]:
        if not isinstance(item, Scalar) or item.is_null or not item.text.isprintable():
            hint = "write a file or a pattern, such as `racks/*.yaml`"
            problems.error(item.line, f"an entry of `include` is {describe(item)}, not the name of a file", hint)
        else:
            found.append(Include(item.text, item.line))
    return tuple(found)
