"""Resolvers that are a function, on a port of loopback, over UDP and TCP."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import dns.message
from peer_processes import free_port
from replies import PUBLIC_SOA, respond

from blackhole_guard.doctoring.resolvers import Resolver
from blackhole_guard.reserved.registry import find_reserved_name
from blackhole_guard.wire.names import format_name, pack_name

Answer = Callable[[bytes, bool], bytes | None]  # the query, and whether it came over TCP
UNBOUND_SOA = "localhost. nobody.invalid. 1 3600 1200 604800 10800"


@contextmanager
def resolver(answer: Answer, host: str = "127.0.0.1", port: int | None = None) -> Iterator[Resolver]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        closing(socket.create_server((host, port or free_port()), family=family, backlog=128)) as tcp,
        socket.socket(family, socket.SOCK_DGRAM) as udp,
    ):
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        udp.bind(tcp.getsockname()[:2])

        def serve_udp() -> None:
            while True:
                octets, client = udp.recvfrom(65535)
                if octets == b"stop":
                    return
                reply = answer(octets, False)
                if reply is not None:
                    udp.sendto(reply, client)

        def serve_tcp() -> None:
            while True:
                stream, _ = tcp.accept()
                with stream, stream.makefile("rb") as file:
                    size = int.from_bytes(file.read(2), "big")
                    if not size:
                        return
                    reply = answer(file.read(size), True)
                    if reply is not None:
                        stream.sendall(len(reply).to_bytes(2, "big") + reply)

        threads = [threading.Thread(target=serve) for serve in (serve_udp, serve_tcp)]
        for thread in threads:
            thread.start()
        try:
            yield Resolver(*udp.getsockname()[:2])
        finally:
            udp.sendto(b"stop", udp.getsockname())
            socket.create_connection(tcp.getsockname()[:2]).close()
            for thread in threads:
                thread.join(10)


def with_soa(data: str, leaking: str = "", leak: str = PUBLIC_SOA) -> Answer:
    """An answer with this SOA at each apex, another at `leaking`, and a version that wants to be escaped."""

    def answer(query: bytes, over_tcp: bool) -> bytes:
        question = dns.message.from_wire(query).question[0]
        if question.rdclass == 3:
            return respond(query, "NOERROR", answer=("TXT", '"unbound 1.17.1\\027[2J"'))
        zone = find_reserved_name(pack_name(str(question.name)))
        if zone is None:
            return respond(query, "SERVFAIL")
        apex = format_name(zone.apex)
        return respond(query, soa=(apex, leak if apex == leaking else data))

    return answer
