"""`delegate:` -> the blocks that other servers are authoritative for.

RFC 1034 section 4.2.1 (zone cuts and glue), RFC 2317 (blocks longer than /24).
Left out: the zone cuts that the blocks become, and delegations that cross one another, which are for `zones`.
"""

from ipaddress import ip_address

from blackhole_guard.config.document import Mapping, Node, Scalar, Sequence
from blackhole_guard.config.maps import MappedDelegation
from blackhole_guard.config.names import parse_host_name
from blackhole_guard.config.problems import FileProblems, ValueProblem, quote
from blackhole_guard.config.schema import describe
from blackhole_guard.config.values import Block, parse_address, parse_block
from blackhole_guard.sources.ptr import MOST_NAMES

_EXAMPLE = "write `{ns1.example.com: 10.20.0.10}`, or `[ns1.example.com]` where no address is needed"

Servers = dict[bytes, tuple[bytes, ...]]


def read_delegations(node: Node | None, block: Block | None, problems: FileProblems) -> tuple[MappedDelegation, ...]:
    """Read all of `delegate`.

    Args:
        node: its value; None: the map has none.
        block: of the map; None: it has none, or it is not known because of a mistake.
    Returns:
        Those that are well, in the order of the file; what is wrong with the others is noted.
    """
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return ()
    if not isinstance(node, Mapping):
        problems.error(node.line, f"`delegate` is {describe(node)}, not a mapping", "write `10.20.0.0/16: {...}`")
        return ()
    found: dict[Block, MappedDelegation] = {}
    for key, value in node.entries.values():
        try:
            delegated = parse_block(key.text)
            _check_place(delegated, block)
            if delegated in found:
                line = found[delegated].place.line
                raise ValueProblem(f"{delegated} is delegated twice, first on line {line}", "delete one of the two")
        except ValueProblem as problem:
            problems.error(key.line, problem.what, problem.hint)
            _read_servers(value, problems)  # for its mistakes
            continue
        servers = _read_servers(value, problems)
        if servers:
            found[delegated] = MappedDelegation(delegated, servers, problems.place(key.line))
    return tuple(found.values())


def _check_place(delegated: Block, block: Block | None) -> None:
    if block is None:
        return
    if delegated == block and not (block.version == 4 and 24 < block.prefixlen < 32):  # such a block is no zone itself
        hint = "delete it, and let the resolvers ask those servers; or write a map of the block around it"
        raise ValueProblem(f"{delegated} is the whole of this map: nothing would be left of the zone", hint)
    if delegated.version != block.version or not (
        delegated.prefixlen >= block.prefixlen and delegated.supernet(new_prefix=block.prefixlen) == block
    ):
        raise ValueProblem(f"{delegated} lies outside {block}", "delegate it in the map of a block that holds it")


def _read_servers(node: Node, problems: FileProblems) -> Servers:
    """Read `{name: address}`, `{name: [addresses]}`, a list of names, or one name."""
    before = len(problems.errors)
    servers: Servers = {}
    if isinstance(node, Mapping):
        for key, value in node.entries.values():
            _add_server(key, _read_addresses(value, problems), servers, problems)
    elif isinstance(node, Sequence) or (isinstance(node, Scalar) and not node.is_null):
        for item in node.items if isinstance(node, Sequence) else [node]:
            if isinstance(item, Scalar) and not item.is_null:
                _add_server(item, (), servers, problems)
            else:
                problems.error(item.line, f"a name server is {describe(item)}, not a name", _EXAMPLE)
    if not servers and len(problems.errors) == before:
        problems.error(node.line, "a delegation without name servers", _EXAMPLE)
    if len(servers) > MOST_NAMES:
        problems.error(
            node.line, f"{len(servers)} name servers, and {MOST_NAMES} are the most", "two to four are usual"
        )
    return servers if len(problems.errors) == before else {}


def _add_server(name: Scalar, addresses: tuple[bytes, ...], servers: Servers, problems: FileProblems) -> None:
    try:
        host = parse_host_name(name.text)
    except ValueProblem as problem:
        hint = _EXAMPLE if _is_address(name.text) else problem.hint
        problems.error(name.line, f"a name server: {problem.what}", hint)
        return
    for what, hint in host.doubts:
        problems.warning(name.line, f"a name server: {what}", hint)
    owner = host.wire.lower()  # it owns the glue
    if owner in servers:
        problems.error(name.line, f"`{quote(name.text)}` stands twice in one delegation", "delete one of the two")
    servers[owner] = addresses


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _read_addresses(node: Node, problems: FileProblems) -> tuple[bytes, ...]:
    if isinstance(node, Scalar) and node.is_null:
        return ()
    found: dict[bytes, None] = {}
    for item in node.items if isinstance(node, Sequence) else [node]:
        try:
            if not isinstance(item, Scalar):
                raise ValueProblem(f"is {describe(item)}", _EXAMPLE)
            address = parse_address(item.text).packed
            if address in found:
                raise ValueProblem(f"{ip_address(address)} stands twice", "delete one of the two")
            found[address] = None
        except ValueProblem as problem:
            problems.error(item.line, f"a name server's address: {problem.what}", problem.hint)
    return tuple(found)
