"""`query` against a server that behaves, or does not."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from peer_processes import free_port

Reply = Callable[[dns.message.Message, bool], list[bytes]]  # the query and whether it came over TCP -> replies


def answer(
    query: dns.message.Message, rcode: dns.rcode.Rcode = dns.rcode.NOERROR, **flags: bool
) -> dns.message.Message:
    response = dns.message.make_response(query)
    response.set_rcode(rcode)
    response.flags |= dns.flags.AA
    name = query.question[0].name
    if rcode == dns.rcode.NOERROR:
        response.answer.append(dns.rrset.from_text(name, 300, "IN", "PTR", "web.example.com."))
    return response


@contextmanager
def serving(reply: Reply) -> Iterator[tuple[str, list[dns.message.Message]]]:
    """Serve on a port of 127.0.0.1, UDP and TCP; gives `@address:port` and the queries that come."""
    seen: list[dns.message.Message] = []
    with closing(socket.create_server(("127.0.0.1", free_port()))) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(tcp.getsockname())

        def serve_udp() -> None:
            while True:
                octets, client = udp.recvfrom(65535)
                if octets == b"stop":
                    return
                seen.append(dns.message.from_wire(octets))
                for each in reply(seen[-1], False):
                    udp.sendto(each, client)

        def serve_tcp() -> None:
            while True:
                stream, _ = tcp.accept()
                with stream, stream.makefile("rb") as file:
                    octets = file.read(int.from_bytes(file.read(2), "big"))
                    if not octets:
                        return
                    seen.append(dns.message.from_wire(octets))
                    for each in reply(seen[-1], True):
                        stream.sendall(len(each).to_bytes(2, "big") + each)

        threads = [threading.Thread(target=serve_udp), threading.Thread(target=serve_tcp)]
        for thread in threads:
            thread.start()
        try:
            yield f"@127.0.0.1:{udp.getsockname()[1]}", seen
        finally:
            udp.sendto(b"stop", udp.getsockname())
            socket.create_connection(tcp.getsockname()).close()
            for thread in threads:
                thread.join(10)


def plain(query: dns.message.Message, over_tcp: bool) -> list[bytes]:
    return [answer(query).to_wire()]


def test_an_address_is_asked_for_by_its_ptr(run):
    with serving(plain) as (server, seen):
        done = run("query", "-x", "10.0.0.3", server)
    assert done.code == 0
    assert done.lines[0] == ";; NOERROR, flags: qr aa rd"
    assert done.lines[2:4] == [";; answer:", "3.0.0.10.in-addr.arpa. 300 IN PTR web.example.com."]
    question = seen[0].question[0]
    assert (str(question.name), seen[0].flags, seen[0].edns, seen[0].payload) == (
        "3.0.0.10.in-addr.arpa.",
        dns.flags.RD,
        0,
        1232,
    )


@pytest.mark.parametrize(
    ("words", "name", "rtype"),
    [
        (["10.0.0.3"], "3.0.0.10.in-addr.arpa.", "PTR"),
        (["fd00::1", "TXT"], f"1.{'0.' * 29}d.f.ip6.arpa.", "TXT"),
        (["fe80::1%eth0"], f"1.{'0.' * 28}8.e.f.ip6.arpa.", "PTR"),  # a scope is no part of the reverse name
        (["10.in-addr.arpa", "soa"], "10.in-addr.arpa.", "SOA"),
        (["www.example.org"], "www.example.org.", "A"),
        (["example.org", "TYPE65534"], "example.org.", "TYPE65534"),
    ],
)
def test_what_is_asked_for(run, words, name, rtype):
    with serving(plain) as (server, seen):
        assert run("query", server, *words, "--norecurse").code == 0
    question = seen[0].question[0]
    assert (str(question.name), dns.rdatatype.to_text(question.rdtype), seen[0].flags) == (name, rtype, 0)


def test_short_and_json(run):
    with serving(plain) as (server, _):
        assert run("query", "-x", "10.0.0.3", server, "--short").out == "web.example.com.\n"
        found = json.loads(run("query", "-x", "10.0.0.3", server, "--json").out)
    assert (found["rcode"], found["flags"], found["server"]) == (
        "NOERROR",
        ["qr", "aa", "rd"],
        server[1:].replace(":", "#"),
    )
    assert found["answer"] == [
        {"name": "3.0.0.10.in-addr.arpa.", "ttl": 300, "type": "PTR", "data": "web.example.com."}
    ]


@pytest.mark.parametrize(("rtype", "data"), [("LOC", "52 22 23.000 N 4 53 32.000 E -2.00m"), ("TYPE65280", "\\# 1 00")])
def test_types_have_their_name_or_their_number(run, rtype, data):
    def reply(query: dns.message.Message, over_tcp: bool) -> list[bytes]:
        response = answer(query)
        response.answer = [dns.rrset.from_text(query.question[0].name, 300, "IN", rtype, data)]
        return [response.to_wire()]

    with serving(reply) as (server, _):
        found = json.loads(run("query", "-x", "10.0.0.3", server, "--json").out)
    assert [each["type"] for each in found["answer"]] == [rtype]


def test_short_is_empty_where_there_is_no_answer_and_says_why_on_the_side(run):
    with serving(lambda query, _: [answer(query, dns.rcode.NXDOMAIN).to_wire()]) as (server, _):
        assert run("query", "-x", "10.0.0.4", server, "--short") == (0, "", "")
    with serving(lambda query, _: [answer(query, dns.rcode.REFUSED).to_wire()]) as (server, _):
        assert run("query", "-x", "10.0.0.4", server, "--short") == (1, "", ";; REFUSED\n")


@pytest.mark.parametrize(("rcode", "code"), [(dns.rcode.NXDOMAIN, 0), (dns.rcode.REFUSED, 1), (dns.rcode.SERVFAIL, 1)])
def test_the_response_code_decides_the_exit_code(run, rcode, code):
    with serving(lambda query, _: [answer(query, rcode).to_wire()]) as (server, _):
        done = run("query", "-x", "10.0.0.3", server)
    assert (done.code, dns.rcode.to_text(rcode) in done.lines[0]) == (code, True)


def test_a_truncated_reply_is_asked_for_again_over_tcp(run):
    def reply(query: dns.message.Message, over_tcp: bool) -> list[bytes]:
        response = answer(query)
        if not over_tcp:
            response.answer.clear()
            response.flags |= dns.flags.TC
        return [response.to_wire()]

    with serving(reply) as (server, seen):
        done = run("query", "-x", "10.0.0.3", server)
    assert (done.code, len(seen)) == (0, 2)
    assert "web.example.com." in done.out and " tc" not in done.lines[0]


def test_over_tcp_at_once(run):
    with serving(plain) as (server, seen):
        assert run("query", "-x", "10.0.0.3", server, "--tcp").code == 0
    assert len(seen) == 1


def test_replies_that_are_not_to_the_question_are_passed_over(run):
    def reply(query: dns.message.Message, over_tcp: bool) -> list[bytes]:
        good = answer(query).to_wire()
        other_id = bytes((good[0] ^ 1,)) + good[1:]
        other_name = answer(dns.message.make_query("4.0.0.10.in-addr.arpa.", "PTR", id=query.id)).to_wire()
        return [b"", b"\0", query.to_wire(), other_id, other_name, good]

    with serving(reply) as (server, _):
        done = run("query", "-x", "10.0.0.3", server)
    assert (done.code, "web.example.com." in done.out) == (0, True)


def test_silence_is_an_error(run):
    with serving(lambda query, _: []) as (server, _):
        done = run("query", "-x", "10.0.0.3", server, "--timeout", "0.2")
    assert done.code == 1 and done.err.startswith("Error: no answer from 127.0.0.1#")


def test_a_server_that_hangs_up_is_an_error(run):
    with serving(lambda query, _: []) as (server, _):
        done = run("query", "-x", "10.0.0.3", server, "--tcp", "--timeout", "2")
    assert done.code == 1 and "closed the connection" in done.err


def test_what_a_server_sends_reaches_no_terminal_as_it_is(run):
    def reply(query: dns.message.Message, over_tcp: bool) -> list[bytes]:
        response = answer(query)
        response.answer = [dns.rrset.from_text(query.question[0].name, 1, "IN", "PTR", r"\027[31m\010.example.com.")]
        return [response.to_wire()]

    with serving(reply) as (server, _):
        done = run("query", "-x", "10.0.0.3", server)
    assert done.code == 0 and done.out.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["a", "PTR", "b"],
        ["-x", "web"],
        ["a", "NOTYPE"],
        ["a", "TYPE65536"],
        ["a", "__class__"],
        ["a." * 200],
        ["a..b"],
        ["@127.0.0.1:x", "a"],
        ["@127.0.0.1:65536", "a"],
        ["a" * 70],
        ["a", "--timeout", "0"],
    ],
)
def test_wrong_use(run, words):
    done = run("query", *words)
    assert done.code == 2 and "Error: " in done.err


def test_a_type_that_is_none_is_named(run):
    assert "10.0.0.4 is no record type; write the name first" in run("query", "-x", "10.0.0.3", "10.0.0.4").err


@pytest.mark.parametrize("server", ["127.0.0.1", "[127.0.0.1]", "127.0.0.1#x"])
def test_a_server_that_is_not_there(run, server):
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))  # nobody reads it
        done = run("query", f"@{server}", "-p", str(taken.getsockname()[1]), "a", "--timeout", "0.1")
    assert done.code == 1 and done.err.startswith("Error: no answer from ")
