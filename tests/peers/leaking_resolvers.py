"""Real resolvers that leak, and the same with what `integrate` printed for them.

Each is a context manager with the same arguments: the lines that `integrate` printed, whether it validates, and further
options in its own words. Without lines it knows nothing of ours, and keeps nothing of the reserved space to itself but
what it cannot be told to leave. A resolver that forwards does so to a public one, UPSTREAM, which leaks. Each sends
from its own address: in one namespace it would else be that of who is asked.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from debian_bind import default_zones
from peer_processes import Peer
from peer_resolvers import SIDE_LINK, knot_resolver, pdns_recursor, systemd_resolved
from peer_servers import bind, dnsmasq, unbound
from sidecars import (
    RESOLVER,
    RESOLVER_SIX,
    UPSTREAM,
    bind_anchor,
    bind_hints,
    leaking_unbound,
    root_ds,
    root_hints,
    validating_unbound,
)
from stand_in_internet import Internet

from blackhole_guard.reserved.registry import ZONES
from blackhole_guard.wire.names import format_name

ALL_ZONES = tuple(format_name(zone.apex) for zone in ZONES)

Lines = Mapping[str, str]  # what `integrate` printed: file -> text
Run = Callable[..., AbstractContextManager[Peer]]


@contextmanager
def bind_without_empty_zones(net: Internet, lines: Lines, validates: bool, more: str = "") -> Iterator[Peer]:
    config = "\n".join(lines.values()) + default_zones() + bind_hints(net) + (bind_anchor(net) if validates else "")
    options = f"empty-zones-enable no; dnssec-validation {'yes' if validates else 'no'};"
    options += f" query-source address {RESOLVER}; query-source-v6 address {RESOLVER_SIX}; {more}"
    with bind(config, options=options, host=net.host, address=RESOLVER, port=53) as resolver:
        yield resolver


@contextmanager
def bind_that_forwards(net: Internet, lines: Lines, validates: bool, more: str = "") -> Iterator[Peer]:
    config = "\n".join(lines.values()) + default_zones() + (bind_anchor(net) if validates else "")
    options = f"forward only; forwarders {{ {UPSTREAM}; }}; dnssec-validation {'yes' if validates else 'no'}; {more}"
    with leaking_upstream(net), bind(config, options=options, host=net.host, address=RESOLVER, port=53) as resolver:
        yield resolver


@contextmanager
def unbound_without_local_zones(net: Internet, lines: Lines, validates: bool, more: str = "") -> Iterator[Peer]:
    config = leaking_unbound(net) if not lines else f"server:\n  root-hints: {root_hints(net)}\n"
    config += f"server:\n  outgoing-interface: {RESOLVER}\n"
    config += "\n".join((*lines.values(), more)) + (validating_unbound(net) if validates else "")
    with unbound(config, host=net.host, address=RESOLVER, port=53) as resolver:
        yield resolver


@contextmanager
def dnsmasq_that_forwards(net: Internet, lines: Lines, validates: bool, more: str = "") -> Iterator[Peer]:
    config = f"server={UPSTREAM}\n{more}\n" + "\n".join(lines.values())
    if validates:
        config += f"\ndnssec\ntrust-anchor=.,{root_ds(net).replace(' ', ',')}\n"
    with leaking_upstream(net), dnsmasq(config, host=net.host, address=RESOLVER, port=53) as resolver:
        yield resolver


@contextmanager
def knot_resolver_without_special_names(net: Internet, lines: Lines, validates: bool, more: str = "") -> Iterator[Peer]:
    config = f"hints.root_file('{root_hints(net)}')\ntrust_anchors.remove('.')\nnet.outgoing_v4('{RESOLVER}')\n"
    config += f"net.outgoing_v6('{RESOLVER_SIX}')\n"
    if validates:
        config += f"trust_anchors.add('. DNSKEY {net.trust_anchor()}')\n"
    # A rule for a name takes the built-in ones away.
    names = ", ".join(f"'{zone}'" for zone in ALL_ZONES)
    unprotected = f"policy.add(policy.suffix(policy.PASS, policy.todnames({{{names}}})))\n"
    config += more + ("\n".join(lines.values()) or unprotected)
    with knot_resolver(config, host=net.host, address=RESOLVER, port=53) as resolver:
        yield resolver


@contextmanager
def knot_resolver_that_forwards(net: Internet, lines: Lines, validates: bool, more: str = "") -> Iterator[Peer]:
    config = "trust_anchors.remove('.')\n"
    if validates:
        config += f"trust_anchors.add('. DNSKEY {net.trust_anchor()}')\n"
    config += more + "\n".join(lines.values()) + f"policy.add(policy.all(policy.FORWARD({{'{UPSTREAM}'}})))\n"
    with leaking_upstream(net), knot_resolver(config, host=net.host, address=RESOLVER, port=53) as resolver:
        yield resolver


@contextmanager
def pdns_recursor_without_rfc1918(net: Internet, lines: Lines, validates: bool, more: str = "") -> Iterator[Peer]:
    config = f"hint-file={root_hints(net)}\ndnssec={'validate' if validates else 'off'}\n"
    config += f"query-local-address={RESOLVER}\n{more}"
    lua = f'clearTA()\naddTA(".", "{root_ds(net)}")\n' if validates else ""
    files = dict(lines)
    if lines:
        config += files.pop("/etc/powerdns/recursor.d/blackhole-guard.conf")
        lua += files.pop("/etc/powerdns/recursor.lua")
    else:
        config += "serve-rfc1918=no\n"
    with pdns_recursor(config, lua, files, host=net.host, address=RESOLVER, port=53) as resolver:
        yield resolver


@contextmanager
def resolved_with_a_link(net: Internet, lines: Lines, validates: bool, more: str = "") -> Iterator[Peer]:
    files = {path.replace("LINK", SIDE_LINK): text for path, text in lines.items()}
    if validates:
        files["/etc/dnssec-trust-anchors.d/root.positive"] = f". IN DS {root_ds(net)}\n"
    options = f"DNSSEC={'yes' if validates else 'no'}\n{more}"
    with (
        leaking_upstream(net),
        systemd_resolved(files, upstream=UPSTREAM, host=net.host, address=RESOLVER, options=options) as resolver,
    ):
        yield resolver


@contextmanager
def leaking_upstream(net: Internet) -> Iterator[None]:
    config = f"{leaking_unbound(net)}server:\n  outgoing-interface: {UPSTREAM}\n"
    with unbound(config, host=net.host, address=UPSTREAM, port=53) as net.upstream:
        try:
            yield
        finally:
            net.upstream = None


RESOLVERS = {
    "bind, empty-zones-enable no": ("bind", bind_without_empty_zones),
    "bind, forward only": ("bind", bind_that_forwards),
    "unbound": ("unbound", unbound_without_local_zones),
    "dnsmasq": ("dnsmasq", dnsmasq_that_forwards),
    "knot-resolver": ("knot-resolver", knot_resolver_without_special_names),
    "knot-resolver, policy.all": ("knot-resolver", knot_resolver_that_forwards),
    "pdns-recursor": ("pdns-recursor", pdns_recursor_without_rfc1918),
    "resolved": ("resolved", resolved_with_a_link),
}
# Who follows the CNAMEs of a delegation below /24 (RFC 2317) to another server, as `integrate` says of the others.
FOLLOWS_CNAMES = ("bind", "unbound", "pdns-recursor")
# What systemd-resolved answers by itself, whatever it is told; nobody else is asked.
RESOLVED_OWN = ["0.in-addr.arpa.", "127.in-addr.arpa."]
