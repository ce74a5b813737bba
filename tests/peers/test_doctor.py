"""`doctor` on resolvers good and bad, in a stand-in internet: every verdict for every zone of the registry.

Those that leak everything, and the same cured, are in `test_leaks_and_their_cure`. What BIND and Unbound lack of the
registry in their own lists they leak: these are older than the newest rows of the registry.
"""

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dns.flags
import dns.message
import dns.rrset
import namespaces
import pytest
from peer_processes import Peer
from peer_servers import bind, dnsmasq, guard, unbound
from reserved_space import ZONES as PUBLIC_ZONES
from stand_in_internet import ROOT_HINTS, Internet, internet

from blackhole_guard.reserved.registry import ZONES
from blackhole_guard.wire.names import format_name

RESOLVER, UPSTREAM, OURS = "10.0.0.53", "10.0.0.54", "10.0.0.55"
MAPS = {"ten.yaml": "zone: 10.0.0.0/8\nptr: {10.0.0.3: web.example.com, 10.0.0.4: [a.example.com, b.example.com]}\n"}

ALL = [format_name(zone.apex) for zone in ZONES]
SINKS = {format_name(zone.apex): zone.sink.value for zone in ZONES}
THREE_F = "0.f.f.f.3.ip6.arpa."
NOT_IN_BIND = {"service.arpa.", THREE_F}
NOT_IN_UNBOUND = {"resolver.arpa.", "service.arpa.", "empty.as112.arpa.", THREE_F}

pytestmark = [
    pytest.mark.root,
    pytest.mark.peers("knotd", "named", "unbound", "dnsmasq", *namespaces.PROGRAMS),
]


@pytest.fixture(scope="module")
def net() -> Iterator[Internet]:
    with internet(RESOLVER, UPSTREAM, OURS, zones=PUBLIC_ZONES) as made:
        yield made


def examine(net: Internet, *words: str) -> tuple[int, dict[str, Any]]:
    """Run the command in the namespace; its exit code and what it says of the first resolver."""
    script = "import sys; from blackhole_guard.cli.main import main; main()"
    line = [sys.executable, "-c", script, "doctor", "--json", *words]
    out = net.host.run("sh", "-c", '"$@"; echo "$?"', "sh", *line)
    text, code = out.rsplit("\n", 2)[:2]
    return int(code), json.loads(text)["resolvers"][0]


def verdicts_of(found: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    """Verdict and sink of each zone."""
    return {zone["zone"]: (zone["verdict"], zone["sink"]) for zone in found["zones"]}


def expected(leaking: set[str], otherwise: str) -> dict[str, tuple[str, str | None]]:
    return {zone: ("leaks", SINKS[zone]) if zone in leaking else (otherwise, None) for zone in ALL}


def hints(net: Internet) -> str:
    path = net.root.directory / "hints"
    path.write_text(ROOT_HINTS)
    return str(path)


def bind_hints(net: Internet) -> str:
    return f'zone "." {{ type hint; file "{hints(net)}"; }};\n'


def leaky_unbound(net: Internet) -> str:
    off = "".join(f'  local-zone: "{zone}" nodefault\n' for zone in ALL)
    return f"server:\n  root-hints: {hints(net)}\n{off}"


def test_bind_as_it_comes(net):
    with bind(bind_hints(net), options="dnssec-validation no;", host=net.host, address=RESOLVER, port=53):
        code, found = examine(net, RESOLVER)
    assert verdicts_of(found) == expected(NOT_IN_BIND, "local")
    assert (code, found["program"], found["leaks"]) == (1, "bind", True)
    assert 'zone "service.arpa" { type forward; forward only;' in found["cure"]


def test_unbound_as_it_comes(net):
    config = f"server:\n  root-hints: {hints(net)}\n"
    with unbound(config, host=net.host, address=RESOLVER, port=53):
        code, found = examine(net, RESOLVER)
    assert verdicts_of(found) == expected(NOT_IN_UNBOUND, "local")
    assert (code, found["program"]) == (1, "unbound")


@contextmanager
def forwarding_dnsmasq(net: Internet, config: str = "") -> Iterator[Peer]:
    with (
        unbound(leaky_unbound(net), host=net.host, address=UPSTREAM, port=53),
        dnsmasq(f"server={UPSTREAM}\n{config}", host=net.host, address=RESOLVER, port=53) as resolver,
    ):
        yield resolver


def test_dnsmasq_with_bogus_priv_keeps_the_look_ups_of_hosts_alone(net):
    with forwarding_dnsmasq(net, "bogus-priv\n"):
        code, found = examine(net, RESOLVER)
    types = {zone["zone"]: zone["types"] for zone in found["zones"]}
    assert (code, verdicts_of(found)) == (1, expected(set(ALL), "local"))
    assert types["10.in-addr.arpa."] == types["d.f.ip6.arpa."] == ["SOA"]
    assert types["64.100.in-addr.arpa."] == types["home.arpa."] == ["PTR", "SOA"]


def test_ours(net, tmp_path):
    with guard(MAPS, host=net.host, address=OURS, port=53) as server:
        code, found = examine(net, OURS, "--config", str(server.directory / "config.yaml"))
    assert (code, found["leaks"], found["known"]) == (0, False, True)
    assert verdicts_of(found) == expected(set(), "ours")
    assert sorted(each["name"] for each in found["mapped"]) == ["3.0.0.10.in-addr.arpa.", "4.0.0.10.in-addr.arpa."]
    assert all(each["right"] for each in found["mapped"])


def test_ours_behind_a_bind_that_validates_and_was_not_told_of_the_block():
    # The absence of d.f.ip6.arpa is signed from above, so an answer of ours is taken for forged.
    with internet(RESOLVER, OURS, signed=True) as net:
        flags, protocol, algorithm, key = net.trust_anchor().split(" ", 3)
        anchor = f'trust-anchors {{ . static-key {flags} {protocol} {algorithm} "{key}"; }};\n'
        zones = "".join(
            f'zone "{zone}" {{ type forward; forward only; forwarders {{ {OURS}; }}; }};\n'
            for zone in ("10.in-addr.arpa.", "d.f.ip6.arpa.")
        )
        config = zones + anchor + bind_hints(net)
        with (
            guard({}, host=net.host, address=OURS, port=53),
            bind(config, options="dnssec-validation yes;", host=net.host, address=RESOLVER, port=53),
        ):
            _, found = examine(net, RESOLVER)
        verdicts = verdicts_of(found)
        # No map proves that the empty zones are ours.
        assert (verdicts["10.in-addr.arpa."], verdicts["d.f.ip6.arpa."]) == (("local", None), ("servfail", None))
        (told_of,) = (zone["what"] for zone in found["zones"] if zone["zone"] == "d.f.ip6.arpa.")
        looks_as_ours = "an empty zone as RFC 6303 has it: ours, or another server's"
        assert told_of == f"validation fails: with CD=1 it is local, {looks_as_ours}"
        assert (found["validates"], found["known"]) == (True, False)


@contextmanager
def udp_server(net: Internet, answer: Any) -> Iterator[None]:
    """Answer each datagram on RESOLVER with what `answer` gives; None: not at all."""
    with net.host.socket() as sock:
        sock.bind((RESOLVER, 53))

        def serve() -> None:
            while True:
                octets, client = sock.recvfrom(65535)
                if octets == b"stop":
                    return
                reply = answer(octets)
                if reply is not None:
                    sock.sendto(reply, client)

        thread = threading.Thread(target=serve, name="udp server")
        thread.start()
        try:
            yield
        finally:
            with net.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as stop:
                stop.sendto(b"stop", (RESOLVER, 53))
            thread.join()


def hijack(octets: bytes) -> bytes:
    """As a provider's resolver that answers every look-up with its search page."""
    query = dns.message.from_wire(octets)
    response = dns.message.make_response(query, recursion_available=True)
    rdtype = "PTR" if query.question[0].rdtype == 12 else "A"
    rdata = "search.example.net." if rdtype == "PTR" else "203.0.113.80"
    response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", rdtype, rdata))
    return response.to_wire()


def test_a_hijacker(net):
    with udp_server(net, hijack):
        code, found = examine(net, RESOLVER)
    assert (code, verdicts_of(found)) == (1, {zone: ("hijacked", None) for zone in ALL})
    assert found["zones"][0]["what"] == "a name that cannot exist has PTR search.example.net."


def test_one_that_refuses_everything(net):
    def refuse(octets: bytes) -> bytes:
        response = dns.message.make_response(dns.message.from_wire(octets))
        response.set_rcode(5)
        return response.to_wire()

    with udp_server(net, refuse):
        code, found = examine(net, RESOLVER)
    assert (code, verdicts_of(found), found["known"]) == (3, {zone: ("refused", None) for zone in ALL}, False)


def test_one_that_is_dead(net):
    with udp_server(net, lambda octets: None):
        code, found = examine(net, RESOLVER)
    assert (code, verdicts_of(found)) == (3, {zone: ("timeout", None) for zone in ALL})
    assert (found["answers"], found["silence"]) == (False, "no answer")


def test_one_that_is_not_there(net):
    code, found = examine(net, RESOLVER)
    assert (code, verdicts_of(found)) == (3, {zone: ("timeout", None) for zone in ALL})
    assert (found["answers"], found["silence"]) == (False, "cannot be reached: Connection refused")
