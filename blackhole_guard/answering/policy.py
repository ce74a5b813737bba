"""Who may ask, and what we say of ourselves: the settings that answers depend on besides the zones."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from types import MappingProxyType

from blackhole_guard.wire.names import pack_name

Block = IPv4Network | IPv6Network

_LOOPBACK = ("127.0.0.0/8", "::1/128")
# A table of our own: what the standard library calls private has the documentation blocks and 240.0.0.0/4, too, and
# lacks the shared address space.
_LOCAL = (
    *_LOOPBACK,
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
    "fe80::/10",
)
CLIENT_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"local": _LOCAL, "loopback": _LOOPBACK, "any": ("0.0.0.0/0", "::/0")}
)

_VERSION_NAMES = (pack_name("version.bind"), pack_name("version.server"))
_IDENTITY_NAMES = (pack_name("id.server"), pack_name("hostname.bind"))


class Clients:
    """A set of client addresses, made of blocks."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        # For each size of address in octets: host bits -> the prefixes of that length. Each length is tried once.
        self._prefixes: dict[int, dict[int, set[int]]] = {4: {}, 16: {}}
        for block in blocks:
            host_bits = block.max_prefixlen - block.prefixlen
            lengths = self._prefixes[block.max_prefixlen // 8]
            lengths.setdefault(host_bits, set()).add(int(block.network_address) >> host_bits)

    def __bool__(self) -> bool:
        return any(self._prefixes.values())

    def __contains__(self, address: bytes) -> bool:
        value = int.from_bytes(address)
        for host_bits, prefixes in self._prefixes.get(len(address), {}).items():
            if value >> host_bits in prefixes:
                return True
        return False


def parse_clients(texts: Iterable[str]) -> Clients:
    """Read `allow_query`: the groups of CLIENT_GROUPS, addresses and blocks, already checked.

    Raises:
        ValueError: an entry is none of these.
    """
    return Clients(ip_network(block) for text in texts for block in CLIENT_GROUPS.get(text, (text,)))


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for every query, as long as the settings stay what they are."""

    clients: Clients  # who gets more than REFUSED
    refer_recursive: bool = False  # whether a query with RD=1 gets a referral below a delegation, too
    udp_payload_size: int = 1232  # octets of the largest response over UDP
    chaos: Mapping[bytes, bytes] = field(default_factory=dict)  # name in class CH, lower case -> text, <= 255 octets
    nsid: bytes | None = None  # RFC 5001; None: not sent
    # Who is believed when it says on whose behalf it asks (RFC 7871): what is counted depends on it, no answer does.
    resolvers: Clients = field(default_factory=lambda: Clients(()))
    # Who is believed when it says for whom it hands a query on, by the PROXY protocol: then that is who asks.
    proxies: Clients = field(default_factory=lambda: Clients(()))


def make_policy(
    *,
    allow_query: Iterable[str],
    recursive_clients: str,
    udp_payload_size: int,
    version: str | None,
    identity: str | None,
    nsid: str | None,
    trusted_resolvers: Iterable[str] = (),
    trusted_proxies: Iterable[str] = (),
) -> Policy:
    """Make a policy of what the settings of the same names say.

    Args:
        recursive_clients: `refuse` or `refer`.
    Raises:
        ValueError: as `parse_clients`.
    """
    chaos = [(name, version) for name in _VERSION_NAMES] + [(name, identity) for name in _IDENTITY_NAMES]
    return Policy(
        clients=parse_clients(allow_query),
        refer_recursive=recursive_clients == "refer",
        udp_payload_size=udp_payload_size,
        chaos={name: text.encode() for name, text in chaos if text is not None},
        nsid=None if nsid is None else nsid.encode(),
        resolvers=parse_clients(trusted_resolvers),
        proxies=parse_clients(trusted_proxies),
    )
