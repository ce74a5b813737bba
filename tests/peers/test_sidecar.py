"""Ours beside BIND and Unbound: the traps that docs/neighbours.md warns of, and what is counted behind them.

That nothing leaks with what `integrate` prints is in `test_leaks_and_their_cure`, for these and the others.
"""

import time
from collections.abc import Iterator

import metrics_page
import namespaces
import pytest
from peer_servers import bind, unbound
from sidecars import (
    ADDRESSES,
    ALL,
    HERS,
    MAPPED,
    MAPS,
    NOT_HERS,
    RESOLVER,
    UNMAPPED,
    bind_hints,
    check_all,
    integrate,
    look_up,
    ours,
    root_hints,
    soa_owners,
)
from stand_in_internet import ROOT_SERVER, Internet, internet

WITHOUT_DELEGATION = {"ten.yaml": "zone: 10.0.0.0/8\nptr: {10.0.0.3: web.example.com}\n"}
BIND_ZONES, BIND_OPTIONS = "/etc/bind/named.conf.local", "/etc/bind/named.conf.options"

pytestmark = [
    pytest.mark.root,
    pytest.mark.peers("knotd", "nsd", "named", "unbound", *namespaces.PROGRAMS),
]


@pytest.fixture
def net() -> Iterator[Internet]:
    with internet(*ADDRESSES) as made:
        yield made


def zone_lines(text: str, *, without: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if without not in line)


class TestBind:
    NO_VALIDATION = "dnssec-validation no;"

    def test_its_own_empty_zones_may_stay_on(self, net):
        with ours(net) as peer:
            config = "\n".join(integrate(peer, "bind").values()) + bind_hints(net)
            with bind(config, options=self.NO_VALIDATION, host=net.host, address=RESOLVER, port=53) as resolver:
                check_all(net, resolver, *ALL)

    def test_it_may_validate_with_no_way_to_the_internet(self, net):
        with ours(net) as peer:
            config = "\n".join(integrate(peer, "bind").values()) + 'zone "." { type hint; file "/dev/null"; };'
            options = "dnssec-validation auto;"
            with bind(config, options=options, host=net.host, address=RESOLVER, port=53) as resolver:
                assert [look_up(resolver, address) for address, _, _ in ALL] == list(ALL)
                assert net.leaks == []

    def test_forward_first_is_the_trap_that_the_page_warns_of(self, net):
        with ours(net) as peer:
            config = integrate(peer, "bind")[BIND_ZONES].replace("forward only", "forward first") + bind_hints(net)
            with bind(config, options=self.NO_VALIDATION, host=net.host, address=RESOLVER, port=53) as resolver:
                assert look_up(resolver, "10.0.0.3") == ("10.0.0.3", "NXDOMAIN", [])

    def test_a_delegated_block_without_a_zone_of_its_own_fails(self, net):
        with ours(net) as peer:
            config = zone_lines(integrate(peer, "bind")[BIND_ZONES], without="20.10.in-addr") + bind_hints(net)
            with bind(config, options=self.NO_VALIDATION, host=net.host, address=RESOLVER, port=53) as resolver:
                assert look_up(resolver, "10.20.0.9") == ("10.20.0.9", "SERVFAIL", [])
                assert net.leaks == []


class TestUnbound:
    MINIMISING = "server:\n  qname-minimisation: yes\n  qname-minimisation-strict: yes\n"

    def lines(self, peer) -> str:
        (text,) = integrate(peer, "unbound").values()
        return text

    def hints(self, net: Internet) -> str:
        return f"server:\n  root-hints: {root_hints(net)}\n"

    def test_it_may_minimise_its_questions(self, net):
        with ours(net) as peer:
            config = self.MINIMISING + self.hints(net) + self.lines(peer)
            with unbound(config, host=net.host, address=RESOLVER, port=53) as resolver:
                check_all(net, resolver, *ALL)

    def test_what_is_counted_when_it_minimises(self, net):
        neighbour = ("10.0.0.9", "NXDOMAIN", [])
        with ours(net, metrics=metrics_page.PORT) as peer:
            config = self.MINIMISING + self.hints(net) + self.lines(peer)
            with unbound(config, host=net.host, address=RESOLVER, port=53) as resolver:
                expected = [MAPPED, neighbour, UNMAPPED]
                assert [look_up(resolver, address) for address, _, _ in expected] == expected
                time.sleep(1)  # what is counted is to be seen within a second
                counted = metrics_page.averted(net.host)
                ended = metrics_page.searches_ended(net.host)
        # Unbound asks for A of the whole address before its PTR, and the NXDOMAIN of 9.10.in-addr.arpa ends the search.
        assert counted == {("host", "answered"): 1.0, ("other", "nodata"): 1.0, ("other", "nxdomain"): 1.0}
        assert ended == {"10.0.0.0/8": 1.0}

    @pytest.mark.parametrize(("harden_glue", "expected"), [("yes", ("10.20.0.9", "SERVFAIL", [])), ("no", HERS)])
    def test_it_does_not_believe_the_addresses_in_our_referral(self, net, harden_glue, expected):
        # So that nobody tells Unbound where the delegated block's name server is, but ours.
        more = f"server:\n  do-not-query-address: {ROOT_SERVER}\n  harden-glue: {harden_glue}\n"
        with ours(net) as peer:
            config = self.lines(peer).partition('stub-zone:\n    name: "20.10')[0] + more
            with unbound(config, host=net.host, address=RESOLVER, port=53) as resolver:
                assert look_up(resolver, "10.20.0.9") == expected

    def test_the_stub_zone_of_a_delegated_block_needs_neither_ours_nor_the_internet(self, net):
        with ours(net) as peer:
            config = self.lines(peer).replace("127.0.0.1@5300", "127.0.0.1@9")
            config += f"server:\n  do-not-query-address: {ROOT_SERVER}\n"
            with unbound(config, host=net.host, address=RESOLVER, port=53) as resolver:
                assert [look_up(resolver, "10.20.0.9"), look_up(resolver, "10.20.0.8")] == [HERS, NOT_HERS]

    def test_nodefault_has_no_effect_on_a_sub_block(self, net):
        maps = {"sub-block.yaml": MAPS["sub-block.yaml"]}
        with ours(net, maps, settings={"reserved": {"serve": False, "extras": False}}) as peer:
            lines = self.lines(peer)
            assert 'local-zone: "2.1.10.in-addr.arpa." transparent\n' in lines
            for config, rcode in ((lines, "NOERROR"), (lines.replace("transparent", "nodefault"), "NXDOMAIN")):
                with unbound(self.hints(net) + config, host=net.host, address=RESOLVER, port=53) as resolver:
                    assert look_up(resolver, "10.1.2.3")[1] == rcode

    def test_a_stub_zone_of_a_sub_block_without_a_map_of_its_own_loses_the_soa(self, net):
        with ours(net, WITHOUT_DELEGATION, settings={"reserved": {"serve": False, "extras": False}}) as peer:
            config = self.hints(net) + self.lines(peer).replace('"10.in-addr', '"9.9.10.in-addr')
            config = config.replace("nodefault", "transparent")
            with unbound(config, host=net.host, address=RESOLVER, port=53) as resolver:
                assert look_up(resolver, "10.9.9.9") == UNMAPPED
                assert soa_owners(resolver, "9.9.9.10.in-addr.arpa.", "PTR") == []
                assert net.leaks == []
