"""Name servers whose names lie in zones of ours: where their addresses are, and where they are missing.

RFC 1034 section 4.2.2 (glue is for names below the cut), RFC 1912 section 2.8 (lame name servers).
A name server's name may lie in the reverse tree. Below its own cut its address is glue; in a zone of ours it is an
answer of ours; below another cut, or elsewhere, who is asked for it is not us.
"""

from collections.abc import Mapping

from blackhole_guard.config.problems import Place, quote
from blackhole_guard.reserved.addresses import parse_reverse_name
from blackhole_guard.wire.names import format_name, is_subdomain, suffixes
from blackhole_guard.wire.records import RRset
from blackhole_guard.zones.cuts import render_addresses
from blackhole_guard.zones.findings import Findings
from blackhole_guard.zones.plan import Plan
from blackhole_guard.zones.zone_set import Cut, Zone


def find_hosts(plan: Plan, cuts: Mapping[bytes, Cut], findings: Findings) -> tuple[RRset, ...]:
    """Collect the addresses of name servers that are ours to answer, and note the name servers that nobody can find."""
    addresses: dict[bytes, list[bytes]] = {}
    ttls: dict[bytes, int] = {}
    noted: set[tuple[Place | None, bytes]] = set()
    for cut in cuts.values():
        glue = _glue_of(cut)
        for server in (name.lower() for name in cut.ns.rdatas):
            zone = _find_home(server, plan, cuts)
            if (cut.place, server) not in noted and _is_lost(cut, server, zone, bool(glue.get(server)), findings):
                noted.add((cut.place, server))
            elif zone is not None:
                addresses.setdefault(server, []).extend(glue.get(server, ()))
                ttls[server] = cut.ns.ttl
    hosts = tuple(each for name, found in addresses.items() for each in render_addresses(name, found, ttls[name]))
    _check_apexes(plan, cuts, {host.owner for host in hosts}, findings)
    return hosts


def _glue_of(cut: Cut) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for rrset in cut.glue:
        found.setdefault(rrset.owner, []).extend(rrset.rdatas)
    return found


def _find_home(server: bytes, plan: Plan, cuts: Mapping[bytes, Cut]) -> Zone | None:
    """Find the zone of ours that answers for a name; None: none does, or it is delegated."""
    for each in suffixes(server):
        if each in cuts:
            return None
        if each in plan.zones:
            return plan.zones[each]
    return None


def _is_lost(cut: Cut, server: bytes, zone: Zone | None, has_address: bool, findings: Findings) -> bool:
    """Say whether a delegation's name server can never be found; notes it."""
    assert cut.place is not None
    shown = quote(format_name(server))
    if zone is not None and parse_reverse_name(server) is not None:
        what = f"the name server `{shown}` is the name of an address"
        findings.error(cut.place, what, "name the host, such as `ns1.example.com`")
        return True
    if has_address or not (zone is not None or is_subdomain(server, cut.owner)):
        return False
    where = f"in our zone {zone.label}" if zone is not None else "below the delegation itself"
    hint = f"write its address: `{{{shown}: 10.20.0.10}}`"
    findings.error(cut.place, f"the name server `{shown}` lies {where}, and has no address", hint)
    return True


def _check_apexes(plan: Plan, cuts: Mapping[bytes, Cut], hosts: set[bytes], findings: Findings) -> None:
    """Note the name servers of our own zones that our own zones have no address for."""
    noted: set[tuple[Place, bytes]] = set()
    for zone in plan.zones.values():
        for server in map(bytes.lower, zone.ns.rdatas):
            if zone.place is None or server in hosts or (zone.place, server) in noted:
                continue
            home = _find_home(server, plan, cuts)
            # The apex itself is what an empty zone has (RFC 6303 section 3): it says that there is no name server.
            if home is not None and server != zone.apex:
                noted.add((zone.place, server))
                what = (
                    f"the name server `{quote(format_name(server))}` lies in our zone {home.label}, and has no address"
                )
                findings.warning(zone.place, what, "use a name outside the reverse zones, such as `ns1.example.com`")
