"""What `integrate bind` prints, put into BIND as Debian's package sets it up: with primary zones of its own."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dns.message
import pytest
from debian_bind import debians_file
from peer_processes import Peer, PeerError, free_port, scratch
from peer_servers import bind, guard
from sidecars import integrate, look_up

pytestmark = pytest.mark.peers("named")

TEN = {"ten.yaml": "zone: 10.0.0.0/8\nptr: {10.0.0.3: web.example.com}\n"}
LOOPBACK = {"loopback.yaml": "zone: 127.0.0.0/8\nptr: {127.0.0.9: nine.example.com}\n"}
LOOPBACK_ZONE = r'zone "127\.in-addr\.arpa" \{.*?\n\};'
# What is set by whoever runs a server of the tests.
SET_ELSEWHERE = r"(directory|dnssec-validation|listen-on-v6) [^;]*;( \};)?"


@contextmanager
def debians_bind(lines: Mapping[str, str], delete: str | None = None) -> Iterator[Peer]:
    """BIND with the files of Debian's package and these lines, each where it says.

    Args:
        delete: a pattern of what is taken out of named.conf.default-zones.
    """
    files = {
        name: debians_file(name) for name in ("named.conf.options", "named.conf.local", "named.conf.default-zones")
    }
    inner = lines["/etc/bind/named.conf.options"].partition("options {\n")[2].rpartition("};\n")[0]
    options = re.sub(SET_ELSEWHERE, "", files["named.conf.options"])
    options = options.replace("options {", f"options {{ dnssec-validation no;\n{inner}", 1)
    files["named.conf.local"] += lines["/etc/bind/named.conf.local"]
    if delete is not None:
        files["named.conf.default-zones"], count = re.subn(
            delete, "", files["named.conf.default-zones"], flags=re.DOTALL
        )
        assert count == 1
    with scratch("bind") as directory:
        for name in ("named.conf.local", "named.conf.default-zones"):
            (directory / name).write_text(files[name])
            options += f'include "{directory}/{name}";\n'
        with bind(options, port=free_port()) as peer:
            yield peer


def test_it_starts_and_both_answer_for_what_is_theirs():
    with guard(TEN) as peer, debians_bind(integrate(peer, "bind")) as resolver:
        assert look_up(resolver, "10.0.0.3") == ("10.0.0.3", "NOERROR", ["web.example.com."])
        assert look_up(resolver, "192.168.0.1")[1] == "NXDOMAIN"
        assert look_up(resolver, "127.0.0.1") == ("127.0.0.1", "NOERROR", ["localhost."])
        # Debian's zones, and inside of one that BIND makes itself.
        for name, rname in (("9.0.0.0", "root.localhost."), ("9.0.0.127", "root.localhost."), ("255.255.255.255", ".")):
            (soa,) = resolver.ask(dns.message.make_query(f"{name}.in-addr.arpa.", "PTR")).authority
            assert str(soa[0].rname) == rname


def test_what_a_map_says_of_loopback_comes_out_where_debians_zone_is_deleted():
    with guard(LOOPBACK) as peer:
        lines = integrate(peer, "bind")
        with pytest.raises(PeerError, match=r"127\.in-addr\.arpa': already exists"), debians_bind(lines):
            pass
        with debians_bind(lines, delete=LOOPBACK_ZONE) as resolver:
            assert look_up(resolver, "127.0.0.9") == ("127.0.0.9", "NOERROR", ["nine.example.com."])
