"""What `integrate` prints, put into the real programs that validate, and the traps that it steps around.

Nothing of 10.0.0.0/8 gets to AS112, and all else is right. Without signatures, and with all that watches for leaks
beside it: `test_leaks_and_their_cure`. CoreDNS is missing: Debian has no package of it.
"""

from collections.abc import Callable, Iterator

import namespaces
import pytest
from debian_bind import LEFT_TO_BIND
from leaking_resolvers import (
    FOLLOWS_CNAMES,
    RESOLVED_OWN,
    RESOLVERS,
    bind_without_empty_zones,
    dnsmasq_that_forwards,
    knot_resolver_without_special_names,
    pdns_recursor_without_rfc1918,
    resolved_with_a_link,
    unbound_without_local_zones,
)
from peer_processes import HERE, Peer
from peer_programs import ROOT, program
from peer_resolvers import account_files, check_knot_resolver, make_home, write_recursor
from peer_servers import guard
from sidecars import (
    ADDRESSES,
    ALL,
    CLASSLESS,
    MAPS,
    OTHER_ADDRESS,
    UPSTREAM,
    check_all,
    integrate,
    leaks_of,
    look_up,
    ours,
    soa_owners,
)
from stand_in_internet import DELEGATED_NAME, Internet, internet

from blackhole_guard.reserved.registry import ZONES
from blackhole_guard.wire.names import format_name

pytestmark = [
    pytest.mark.root,
    pytest.mark.peers(
        *("knotd", "nsd", "named", "unbound", "dnsmasq", "kresd", "pdns_recursor", "systemd-resolved"),
        *("systemd-networkd", *namespaces.PROGRAMS),
    ),
]

SHARED = "127.0.0.9"  # where ours is that most tests have in common
# BIND with Debian's zones answers from 255.in-addr.arpa; the other two that are left to it look as ours by the apex.
NOT_OURS = {"resolved": RESOLVED_OWN, "bind": [LEFT_TO_BIND[-1]]}

each_resolver = pytest.mark.parametrize(("name", "run"), RESOLVERS.values(), ids=RESOLVERS)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "signed"])
def net(request: pytest.FixtureRequest) -> Iterator[Internet]:
    with internet(*ADDRESSES, files=account_files(), signed=request.param) as made:
        make_home(made.host)
        yield made


@pytest.fixture(scope="module")
def peer(net: Internet) -> Iterator[Peer]:
    """Ours, and the server of the delegated blocks; other servers of ours may be beside it."""
    with ours(net, address=SHARED) as made:
        yield made


@pytest.mark.parametrize("net", [True], indirect=True)
@each_resolver
def test_without_ours_it_leaks_and_with_what_is_printed_nothing_does(net, peer, name, run):
    with run(net, {}, net.signed) as resolver:
        assert leaks_of(net, resolver, "10.0.0.3") == {"3.0.0.10.in-addr.arpa."}
    with run(net, integrate(peer, name), net.signed) as resolver:
        expected = [*ALL, CLASSLESS] if name in FOLLOWS_CNAMES else ALL
        check_all(net, resolver, *expected, validates=net.signed)
        assert from_elsewhere(resolver) == NOT_OURS.get(name, [])
        assert soa_owners(resolver, "8.8.8.8.in-addr.arpa.", "PTR") == ["."]  # and nothing else is ours


def from_elsewhere(resolver: Peer) -> list[str]:
    """The zones of the registry, and the extras, for which somebody else answers."""
    return [
        format_name(zone.apex)
        for zone in ZONES
        if soa_owners(resolver, f"nobody-has-this.{format_name(zone.apex)}", "TXT") != [format_name(zone.apex)]
    ]


def test_resolved_takes_a_drop_in_where_we_are_on_another_machine(net, peer):
    with (
        guard(MAPS, host=net.host, address=OTHER_ADDRESS, port=5300) as other,
        resolved_with_a_link(net, integrate(other, "resolved"), net.signed) as resolver,
    ):
        check_all(net, resolver, *ALL, validates=net.signed)
        assert from_elsewhere(resolver) == RESOLVED_OWN


@pytest.mark.parametrize("net", [True], indirect=True)
class TestSigned:
    """What the lines for validators are for: the signed root says that 2.0.192.in-addr.arpa does not exist."""

    ANCHORS = "/etc/powerdns/recursor.lua"

    @pytest.mark.parametrize(("anchors", "rcode"), [(True, "NXDOMAIN"), (False, "SERVFAIL")])
    def test_pdns_recursor_needs_negative_trust_anchors(self, net, peer, anchors, rcode):
        lines = integrate(peer, "pdns-recursor")
        lines = lines if anchors else lines | {self.ANCHORS: ""}
        with pdns_recursor_without_rfc1918(net, lines, True) as resolver:
            assert look_up(resolver, "192.0.2.1") == ("192.0.2.1", rcode, [])

    @pytest.mark.parametrize(("excepted", "rcode"), [(True, "NXDOMAIN"), (False, "SERVFAIL")])
    def test_bind_needs_validate_except(self, net, peer, excepted, rcode):
        lines = integrate(peer, "bind")
        lines = lines if excepted else lines | {"/etc/bind/named.conf.options": ""}
        with bind_without_empty_zones(net, lines, True) as resolver:
            assert look_up(resolver, "192.0.2.1") == ("192.0.2.1", rcode, [])


@pytest.mark.parametrize("net", [False], indirect=True)
class TestPlain:
    def test_dnsmasq_keeps_our_lines_with_bogus_priv(self, net, peer):
        with dnsmasq_that_forwards(net, integrate(peer, "dnsmasq"), False, "bogus-priv") as resolver:
            check_all(net, resolver, *ALL)

    @pytest.mark.parametrize(
        ("name", "run", "owner"),
        [
            ("bind", bind_without_empty_zones, "."),
            ("unbound", unbound_without_local_zones, "."),
            ("knot-resolver", knot_resolver_without_special_names, "."),
            ("pdns-recursor", pdns_recursor_without_rfc1918, "."),
            ("dnsmasq", dnsmasq_that_forwards, "home.arpa."),  # `integrate` says so
            ("resolved", resolved_with_a_link, "home.arpa."),
        ],
    )
    def test_who_answers_for_the_ds_of_home_arpa(self, net, peer, name, run, owner):
        with run(net, integrate(peer, name), False) as resolver:
            assert soa_owners(resolver, "home.arpa.", "DS") == [owner]

    @pytest.mark.parametrize(
        ("name", "run", "got"),
        [
            ("bind", bind_without_empty_zones, ("NOERROR", ["lab.corp.example.com."])),
            ("unbound", unbound_without_local_zones, ("NOERROR", ["lab.corp.example.com."])),
            ("dnsmasq", dnsmasq_that_forwards, ("REFUSED", [])),
            ("knot-resolver", knot_resolver_without_special_names, ("REFUSED", [])),
            ("pdns-recursor", pdns_recursor_without_rfc1918, ("SERVFAIL", [])),
            ("resolved", resolved_with_a_link, ("REFUSED", [])),
        ],
    )
    def test_a_delegation_to_a_name_without_its_address(self, net, peer, name, run, got):
        maps = {"ten.yaml": f"zone: 10.0.0.0/8\ndelegate: {{10.30.0.0/16: [{DELEGATED_NAME}]}}\n"}
        with guard(maps, host=net.host, port=5300) as other, run(net, integrate(other, name), False) as resolver:
            net.leaks.clear()
            assert look_up(resolver, "10.30.0.9")[1:] == got
            assert net.leaks == []

    @pytest.mark.parametrize(("name", "run"), RESOLVERS.values(), ids=RESOLVERS)
    def test_a_sub_block_alone_is_ours_and_the_block_around_it_is_not(self, net, name, run):
        maps, settings = {"sub-block.yaml": MAPS["sub-block.yaml"]}, {"reserved": {"serve": False, "extras": False}}
        with (
            guard(maps, settings=settings, host=net.host, port=5300) as other,
            run(net, integrate(other, name), False) as resolver,
        ):
            assert look_up(resolver, "10.1.2.3") == ("10.1.2.3", "NOERROR", ["printer.example.com."])
            assert soa_owners(resolver, "4.2.1.10.in-addr.arpa.", "PTR") == ["2.1.10.in-addr.arpa."]
            assert soa_owners(resolver, "9.9.9.10.in-addr.arpa.", "PTR") != ["2.1.10.in-addr.arpa."]

    def test_a_drop_in_of_resolved_beside_other_global_servers_is_the_trap_that_the_page_warns_of(self, net, peer):
        lines = {"/etc/systemd/resolved.conf.d/50.conf": f"[Resolve]\nDNS={UPSTREAM}\n"}
        drop_in = f"[Resolve]\nDNS={SHARED}:5300\nDomains=~10.in-addr.arpa\n"
        lines = lines | {"/etc/systemd/resolved.conf.d/60.conf": drop_in}
        with resolved_with_a_link(net, lines, False) as resolver:
            assert leaks_of(net, resolver, "10.0.0.3") == {"3.0.0.10.in-addr.arpa."}


class TestCheckers:
    """The programs' own checkers, with every zone of the registry and the examples of zones/."""

    @pytest.fixture
    def lines(self, tmp_path) -> Callable[[str], dict[str, str]]:
        (tmp_path / "config.yaml").write_text(f"server: {{listen: [127.0.0.1:5300]}}\ninclude: [{ROOT}/zones/*.yaml]\n")
        peer = Peer("", HERE, "", 0, tmp_path, None)
        return lambda name: integrate(peer, name)

    def test_bind(self, lines, tmp_path):
        (tmp_path / "named.conf").write_text("\n".join(lines("bind").values()))
        assert HERE.run(program("named-checkconf"), str(tmp_path / "named.conf")) == ""

    def test_unbound(self, lines, tmp_path):
        lines_and_place = (
            f'{lines("unbound").popitem()[1]}server:\n  directory: {tmp_path}\n  chroot: ""\n  username: ""\n'
        )
        (tmp_path / "unbound.conf").write_text(lines_and_place)
        assert "no errors" in HERE.run(program("unbound-checkconf"), str(tmp_path / "unbound.conf"))

    def test_dnsmasq(self, lines, tmp_path):
        (tmp_path / "dnsmasq.conf").write_text("".join(lines("dnsmasq").values()))
        HERE.run(program("dnsmasq"), "--test", f"--conf-file={tmp_path}/dnsmasq.conf")

    def test_pdns_recursor(self, lines, tmp_path):
        files = lines("pdns-recursor")
        config, lua = (
            files.pop(f"/etc/powerdns/{name}") for name in ("recursor.d/blackhole-guard.conf", "recursor.lua")
        )
        write_recursor(tmp_path, config, lua, files)
        HERE.run(program("pdns_recursor"), "--config=check", f"--config-dir={tmp_path}")

    def test_knot_resolver(self, lines):
        with namespaces.namespace(files=account_files()) as host:
            make_home(host)
            check_knot_resolver("".join(lines("knot-resolver").values()), host=host)
