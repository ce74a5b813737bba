"""As much of the internet as a leak needs, in a namespace: a root server, and AS112's blackholes, which count.

RFC 7534 (AS112: the addresses, the names, the SOA of its zones), RFC 7535 (blackhole.as112.arpa).
The root server holds all names in one zone; where the real root delegates in three steps, it does in one.
"""

import selectors
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
from namespaces import Namespace, namespace
from peer_processes import Peer
from peer_servers import knot

ROOT_SERVER = "198.41.0.4"  # a.root-servers.net
AS112 = (
    *("192.175.48.1", "192.175.48.6", "192.175.48.42"),  # prisoner, blackhole-1 and blackhole-2.iana.org
    *("2620:4f:8000::1", "2620:4f:8000::6", "2620:4f:8000::42"),
    *("192.31.196.1", "2001:4:112::1"),  # blackhole.as112.arpa
)
# What a resolver finds in this internet: some host, and the name server of a delegated block.
PUBLIC_NAME, PUBLIC_ADDRESS = "intranet.example.net", "198.51.100.7"
DELEGATED_NAME, DELEGATED_ADDRESS = "ad1.corp.example.com", "10.20.0.10"

_BLOCKS = ["10", *(f"{octet}.172" for octet in range(16, 32)), "168.192", "254.169"]
# RFC 7534 section 3.4; home.arpa and service.arpa (RFC 8375, RFC 9665) are delegated to the same servers.
DELEGATED_TO_AS112 = (*(f"{block}.in-addr.arpa." for block in _BLOCKS), "home.arpa.", "service.arpa.")
_DELEGATIONS = "".join(
    f"{zone} IN NS blackhole-{number}.iana.org.\n" for zone in DELEGATED_TO_AS112 for number in (1, 2)
)
ROOT_ZONE = (
    f"""$TTL 3600
. IN SOA a.root-servers.net. nstld.verisign-grs.com. 2025061600 1800 900 604800 86400
. IN NS a.root-servers.net.
a.root-servers.net. IN A {ROOT_SERVER}
blackhole-1.iana.org. IN A {AS112[1]}
blackhole-1.iana.org. IN AAAA {AS112[4]}
blackhole-2.iana.org. IN A {AS112[2]}
blackhole-2.iana.org. IN AAAA {AS112[5]}
blackhole.as112.arpa. IN A {AS112[6]}
blackhole.as112.arpa. IN AAAA {AS112[7]}
empty.as112.arpa. IN NS blackhole.as112.arpa.
{PUBLIC_NAME}. IN A {PUBLIC_ADDRESS}
{DELEGATED_NAME}. IN A {DELEGATED_ADDRESS}
"""
    + _DELEGATIONS
)
ROOT_HINTS = f". 3600000 IN NS a.root-servers.net.\na.root-servers.net. 3600000 IN A {ROOT_SERVER}\n"

# Knot makes the keys and signs; the delegations to AS112 have no DS, as in the real internet.
_SIGNED = "dnssec-signing: on\nzonefile-load: difference-no-serial\njournal-content: all"


class Leak(NamedTuple):
    """A query that got out to AS112."""

    address: str  # the blackhole's
    qname: str
    qtype: str


@dataclass
class Internet:
    """The namespace and what stands in it."""

    host: Namespace
    root: Peer
    leaks: list[Leak] = field(default_factory=list)  # whoever looks for leaks empties it first
    signed: bool = False  # the root zone
    upstream: Peer | None = None  # the public resolver, while there is one

    def trust_anchor(self) -> str:
        """The root's DNSKEY that signs its keys, as RDATA text: `257 3 13 mds...`."""
        reply = self.root.ask(dns.message.make_query(".", "DNSKEY"))
        (key,) = (rdata for rrset in reply.answer for rdata in rrset if rdata.flags & 1)
        return str(key)


@contextmanager
def internet(
    *addresses: str,
    files: dict[str, str] | None = None,
    signed: bool = False,
    zones: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Internet]:
    """Make an internet.

    Args:
        addresses: further ones, for those that live in it.
        files: as for `namespace`.
        signed: whether the zones of the root server are.
        zones: that the root server has besides the root zone: apex, absolute -> master file text.
    """
    with (
        namespace([ROOT_SERVER, *AS112, *addresses], files) as host,
        knot(
            {".": ROOT_ZONE, **zones},
            host=host,
            address=ROOT_SERVER,
            port=53,
            zone_options=_SIGNED if signed else "",
        ) as root,
    ):
        made = Internet(host, root, signed=signed)
        with _blackholes(host, made.leaks):
            yield made


@contextmanager
def _blackholes(host: Namespace, leaks: list[Leak]) -> Iterator[None]:
    """Answer on the addresses of AS112, UDP and TCP, and note each query."""
    with selectors.DefaultSelector() as selector:
        sockets = []
        for address in AS112:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                sock = host.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((address, 53))
                if kind == socket.SOCK_STREAM:
                    sock.listen()
                sockets.append(sock)
                selector.register(sock, selectors.EVENT_READ, address)
        ours, stop = socket.socketpair()
        selector.register(ours, selectors.EVENT_READ, None)
        thread = threading.Thread(target=_answer_until_stopped, args=(selector, leaks), name="AS112")
        thread.start()
        try:
            yield
        finally:
            stop.send(b"x")
            thread.join()
            for sock in (*sockets, ours, stop):
                sock.close()


def _answer_until_stopped(selector: selectors.BaseSelector, leaks: list[Leak]) -> None:
    while True:
        for key, _ in selector.select():
            if key.data is None:
                return
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            with suppress(OSError, dns.exception.DNSException):
                if sock.type == socket.SOCK_DGRAM:
                    octets, client = sock.recvfrom(65535)
                    sock.sendto(_answer(octets, key.data, leaks), client)
                else:
                    _answer_connection(sock, key.data, leaks)


def _answer_connection(listener: socket.socket, address: str, leaks: list[Leak]) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(2)
        octets = connection.recv(65535)
        answer = _answer(octets[2:], address, leaks)
        connection.sendall(len(answer).to_bytes(2) + answer)


def _soa(apex: str) -> dns.rrset.RRset:
    servers = (
        "blackhole.as112.arpa. noc.dns.icann.org."
        if apex == _EMPTY
        else "prisoner.iana.org. hostmaster.root-servers.org."
    )
    return dns.rrset.from_text(apex, 604800, "IN", "SOA", f"{servers} 1 604800 60 604800 604800")


_EMPTY = "empty.as112.arpa."
_SOAS = {dns.name.from_text(apex): _soa(apex) for apex in (*DELEGATED_TO_AS112, _EMPTY)}


def _answer(octets: bytes, address: str, leaks: list[Leak]) -> bytes:
    """Say NXDOMAIN, as an AS112 node does below the apex of its zones; which zone it is, the name tells."""
    query = dns.message.from_wire(octets)
    name = query.question[0].name
    leaks.append(Leak(address, str(name), dns.rdatatype.to_text(query.question[0].rdtype)))
    apex = next((apex for apex in _SOAS if name.is_subdomain(apex)), dns.name.from_text(_EMPTY))
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    response.set_rcode(dns.rcode.NOERROR if name == apex else dns.rcode.NXDOMAIN)
    response.authority.append(_SOAS[apex])
    return response.to_wire()
