"""The programs for which there is a module, by the names that the command line has for them."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from blackhole_guard.integrations import bind, coredns, dnsmasq, knot_resolver, pdns_recursor, resolved, unbound
from blackhole_guard.integrations.configuration import Configuration
from blackhole_guard.integrations.plan import Plan

PROGRAMS: Mapping[str, Callable[[Plan], Configuration]] = MappingProxyType(
    {
        "bind": bind.render,
        "unbound": unbound.render,
        "dnsmasq": dnsmasq.render,
        "knot-resolver": knot_resolver.render,
        "pdns-recursor": pdns_recursor.render,
        "coredns": coredns.render,
        "resolved": resolved.render,
    }
)
