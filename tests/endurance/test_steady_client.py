"""The measuring client by itself: what it says was lost, was lost, and nothing else was."""

import socket
import threading
import time

import dns.message
import dns.rrset
import pytest
from chaos_maps import BASE_SERIAL, BASE_TTL, GenerationCheck, make_questions
from steady_client import PORTS, asking

QUESTION = dns.message.make_query("3.0.0.10.in-addr.arpa.", "PTR", id=0, use_edns=False).to_wire()


class Echo(threading.Thread):
    """Echoes datagrams but each `dropping`th; keeps what it dropped: port and ID."""

    def __init__(self, dropping):
        super().__init__(daemon=True)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.address = self._socket.getsockname()
        self.dropped = set()
        self._dropping = dropping

    def run(self):
        count = 0
        while True:
            octets, client = self._socket.recvfrom(512)
            if octets == b"end":
                self._socket.close()
                return
            count += 1
            if self._dropping and count % self._dropping == 0:
                self.dropped.add((client[1], int.from_bytes(octets[:2], "big")))
            else:
                self._socket.sendto(octets, client)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"end", self.address)
        self.join(5)


@pytest.mark.parametrize("dropping", [0, 50])
def test_each_query_that_is_dropped_is_lost_and_no_other(dropping):
    with Echo(dropping) as server:
        with asking(server.address, [QUESTION], lambda *_: None) as account:
            time.sleep(0.6)
        assert {(port, number) for port, number, _ in account.lost} == server.dropped
    assert account.answered + len(account.lost) == account.sent and account.strange == 0
    assert account.sent > 1000
    assert len({port for port, _, _ in account.lost}) <= PORTS


def test_what_the_check_says_is_kept():
    with (
        Echo(0) as server,
        asking(server.address, [QUESTION, QUESTION + b"x"], lambda number, *_: "odd" if number else None) as account,
    ):
        time.sleep(0.2)
    assert account.sent // 2 - 1 <= len(account.wrong) <= account.sent // 2 + 1
    assert set(account.wrong) == {"odd"}


def respond(*records: tuple[str, int, str, str]) -> bytes:
    message = dns.message.make_response(dns.message.from_wire(make_questions()[0]))
    message.answer = [
        dns.rrset.from_text(owner, ttl, "IN", rtype, *rdata.split(",")) for owner, ttl, rtype, rdata in records
    ]
    return message.to_wire()


PTR = "1.0.0.10.in-addr.arpa."


@pytest.mark.parametrize(
    ("octets", "fault"),
    [
        (respond((PTR, BASE_TTL + 7, "PTR", "a.g7.example.,b.g7.example.,c.g7.example.")), None),
        (respond((PTR, BASE_TTL + 7, "PTR", "a.g7.example.,b.g8.example.,c.g7.example.")), "[7, 8]"),
        (respond((PTR, BASE_TTL + 8, "PTR", "a.g7.example.,b.g7.example.,c.g7.example.")), "[7, 8]"),
        (respond((PTR, BASE_TTL + 7, "PTR", "a.g7.example.,b.g7.example.")), "[-2, 7]"),
        (respond(), "0 RRsets"),
        (
            respond(
                ("10.in-addr.arpa.", BASE_TTL + 7, "SOA", f"ns1.g7.example. x. {BASE_SERIAL + 8} 1 1 1 {BASE_TTL + 7}")
            ),
            "[7, 8]",
        ),
        (
            respond(
                ("10.in-addr.arpa.", BASE_TTL + 7, "SOA", f"ns1.g7.example. x. {BASE_SERIAL + 7} 1 1 1 {BASE_TTL + 8}")
            ),
            "[7, 8]",
        ),
    ],
    # The order of the records in the octets is chance, so the octets are no names.
    ids=["one", "a name", "the TTL", "too few names", "none", "the serial", "the minimum"],
)
def test_an_answer_of_two_generations_is_found(octets, fault):
    found = GenerationCheck()(0, octets, 0.0, 0.0)
    assert found is None if fault is None else fault in found
