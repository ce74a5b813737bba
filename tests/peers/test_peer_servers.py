"""The peers themselves: they start, answer, say why when they do not, and leave nothing behind."""

import tempfile

import dns.message
import dns.rcode
import pytest
from peer_processes import HERE, Peer, PeerError, running, scratch
from peer_servers import bind, dnsmasq, knot, nsd, unbound

ZONE = """$ORIGIN 10.in-addr.arpa.
@ 14400 IN SOA ns1.example.com. admin.example.com. 2009012501 28800 604800 604800 86400
@ 14400 IN NS ns1.example.com.
3.0.0 14400 IN PTR web.example.com.
"""
QUESTION = dns.message.make_query("3.0.0.10.in-addr.arpa.", "PTR")


@pytest.mark.parametrize(
    "server", [pytest.param(knot, marks=pytest.mark.peers("knotd")), pytest.param(nsd, marks=pytest.mark.peers("nsd"))]
)
@pytest.mark.parametrize("tcp", [False, True])
def test_an_authoritative_server_has_its_zones(server, tcp):
    with server({"10.in-addr.arpa.": ZONE}) as peer:
        reply = peer.ask(QUESTION, tcp=tcp)
    assert [str(rrset) for rrset in reply.answer] == ["3.0.0.10.in-addr.arpa. 14400 IN PTR web.example.com."]


@pytest.mark.parametrize(
    ("server", "config", "rcode"),
    [
        pytest.param(bind, "", dns.rcode.NXDOMAIN, marks=pytest.mark.peers("named")),  # its automatic empty zones
        pytest.param(unbound, "", dns.rcode.NXDOMAIN, marks=pytest.mark.peers("unbound")),  # its built-in zones
        pytest.param(dnsmasq, "bogus-priv", dns.rcode.NXDOMAIN, marks=pytest.mark.peers("dnsmasq")),
    ],
)
def test_a_resolver_takes_its_configuration(server, config, rcode):
    with server(config) as peer:
        assert peer.ask(QUESTION).rcode() == rcode


@pytest.mark.peers("nsd")
def test_a_server_that_does_not_start_says_why(scratches):
    with pytest.raises(PeerError, match="nsd ended with") as caught, nsd({}, extra="no-such-option: 1"):
        pass
    assert "no-such-option" in "".join(caught.value.__notes__)


@pytest.mark.peers("nsd")
def test_files_go_with_the_server_and_stay_after_a_failure(scratches):
    with nsd({}) as peer:
        pass
    assert not peer.directory.exists()
    with pytest.raises(ZeroDivisionError) as caught, nsd({}) as peer:
        raise ZeroDivisionError
    assert (peer.directory / "nsd.conf").exists()
    assert str(peer.directory) in "".join(caught.value.__notes__)
    assert peer.process.poll() is not None


@pytest.fixture
def scratches(tmp_path, monkeypatch):
    """What stays after a failure stays where pytest clears up."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def ready_at_once(peer: Peer) -> bool:
    return True


@pytest.mark.peers("setpriv")
def test_a_process_that_ends_while_it_is_needed_is_an_error(scratches):
    with (
        pytest.raises(PeerError, match="while it was needed"),
        scratch("true") as directory,
        running(["true"], directory, name="true", ready=ready_at_once) as peer,
    ):
        peer.process.wait(10)


@pytest.mark.peers("setpriv")
def test_a_command_that_fails_is_an_error_with_its_words():
    with pytest.raises(PeerError, match=r"(?s)ended with 2.*no/such/file"):
        HERE.run("ls", "/no/such/file")
