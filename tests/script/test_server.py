"""script/server, and `serve` without any configuration: in a namespace, where their ports are free."""

import subprocess
import time
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import namespaces
import pytest
from metrics_page import averted
from namespaces import Namespace, namespace
from peer_processes import Peer, PeerError, responds, running, scratch
from peer_programs import ROOT

SERVER = [str(ROOT / "script" / "server")]
WITHOUT_CONFIGURATION = [str(ROOT / ".venv" / "bin" / "blackhole-guard"), "serve"]

pytestmark = [pytest.mark.root, pytest.mark.peers(*namespaces.PROGRAMS)]


@pytest.fixture(scope="module")
def set_up() -> None:
    """In a namespace there is no way to the packages, should pyproject.toml have changed since the last set-up."""
    subprocess.run([str(ROOT / "script" / "setup")], check=True, timeout=240)


@pytest.fixture
def host(set_up: None) -> Iterator[Namespace]:
    with namespace() as made:
        yield made


def ask(peer: Peer, name: str, rtype: str = "PTR") -> dns.message.Message:
    """As dig does: RD=1 and EDNS."""
    query = dns.message.make_query(name, rtype, use_edns=0)
    reply = peer.ask(query)
    assert not reply.flags & dns.flags.RA
    return reply


def check_shown(peer: Peer, host: Namespace, *, name: str | None, apex_ns: str) -> None:
    """What the README shows: 10.0.0.3 has `name`, 10.9.9.9 has none, www.example.org is not ours, and it is counted."""
    mapped = ask(peer, "3.0.0.10.in-addr.arpa.")
    unmapped = ask(peer, "9.9.9.10.in-addr.arpa.")
    strange = ask(peer, "www.example.org.", "A")
    asked = time.monotonic()
    assert mapped.flags & dns.flags.AA
    assert mapped.rcode() == (dns.rcode.NXDOMAIN if name is None else dns.rcode.NOERROR)
    assert [str(rdata) for rrset in mapped.answer for rdata in rrset] == ([] if name is None else [name])
    assert (unmapped.rcode(), bool(unmapped.flags & dns.flags.AA)) == (dns.rcode.NXDOMAIN, True)
    (soa,) = unmapped.authority
    assert (str(soa.name), soa.rdtype, str(soa[0].mname)) == ("10.in-addr.arpa.", dns.rdatatype.SOA, apex_ns)
    assert strange.rcode() == dns.rcode.REFUSED
    expected = {("host", "nxdomain"): 2.0} if name is None else {("host", "answered"): 1.0, ("host", "nxdomain"): 1.0}
    while (counted := averted(host, block="10.0.0.0/8", sink="as112")) != expected:
        assert time.monotonic() < asked + 1, counted
        time.sleep(0.05)


def test_the_examples_are_served(host):
    with (
        scratch("server") as directory,
        running(SERVER, directory, name="script/server", ready=responds, host=host, port=5300) as peer,
    ):
        check_shown(peer, host, name="web.example.com.", apex_ns="ns1.example.com.")


def test_a_second_server_says_that_the_port_is_taken(host):
    with (
        scratch("server") as directory,
        running(SERVER, directory, name="first", ready=responds, host=host, port=5300),
        pytest.raises(PeerError, match=r"(?s)ended with 1:.*5300"),
    ):
        host.run(*SERVER, seconds=20)


def test_arguments_go_on_to_serve(host):
    with pytest.raises(PeerError, match=r"(?s)ended with 2:.*--no-such-option"):
        host.run(*SERVER, "--no-such-option", seconds=20)


def test_no_configuration_is_every_reserved_zone_empty(host):
    with (
        scratch("server") as directory,
        running(WITHOUT_CONFIGURATION, directory, name="serve", ready=responds, host=host, port=53) as peer,
    ):
        check_shown(peer, host, name=None, apex_ns="10.in-addr.arpa.")
