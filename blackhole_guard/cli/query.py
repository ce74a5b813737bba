"""`blackhole-guard query`: a short dig, for machines that have none.

It asks as dig does (EDNS, RD=1, a new ID and source port each time) and ignores replies that are not to its question
until the time is up.
"""

import json
import secrets
import socket
import time
from ipaddress import ip_address
from typing import Any

import click
import dnslib
from dnslib.label import DNSLabelError

from blackhole_guard.wire.codes import format_type
from blackhole_guard.wire.names import escape_text

UDP_SIZE = 1232  # octets; never needs a fragment (RFC 9715)


@click.command(help="Ask a DNS server one question. NAME may be an address: then its PTR is asked for.")
@click.argument("words", nargs=-1, metavar="[@SERVER[:PORT]] NAME [TYPE]")
@click.option("-x", "address", metavar="ADDRESS", help="Ask for the PTR of this address.")
@click.option(
    "-p", "--port", type=click.IntRange(1, 65535), default=53, show_default=True, help="Where @SERVER names no port."
)
@click.option("--tcp", is_flag=True, help="Ask over TCP at once.")
@click.option("--norecurse", is_flag=True, help="Ask with RD=0, as a resolver that iterates does.")
@click.option("--timeout", type=click.FloatRange(0.1, 60), default=3.0, show_default=True, help="Seconds to wait.")
@click.option("--short", is_flag=True, help="Print the answer's data only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    words: tuple[str, ...],
    address: str | None,
    port: int,
    tcp: bool,
    norecurse: bool,
    timeout: float,
    short: bool,
    as_json: bool,
) -> None:
    """Ask, print, and exit with 0 for NOERROR and NXDOMAIN, 1 for anything else."""
    server, name, rtype = _read_words(words, address, port)
    question = _question(name, rtype, recurse=not norecurse)
    started = time.monotonic()
    try:
        reply = _ask(question, server, tcp=tcp, timeout=timeout)
    except OSError as error:
        raise click.ClickException(f"no answer from {server[0]}#{server[1]}: {error}") from error
    took = time.monotonic() - started
    rcode = str(dnslib.RCODE.get(reply.header.rcode))
    good = rcode in ("NOERROR", "NXDOMAIN")
    if as_json:
        click.echo(json.dumps(_as_json(reply, server, took)))
    else:
        for line in _short_lines(reply) if short else _lines(reply, server, took):
            click.echo(line)
        if short and not good:
            click.echo(f";; {rcode}", err=True)
    raise SystemExit(0 if good else 1)


def _read_words(words: tuple[str, ...], address: str | None, port: int) -> tuple[tuple[str, int], str, str]:
    """Sort `name type`, and an `@server` anywhere among them, into ((host, port), name, type)."""
    server, rest = ("127.0.0.1", port), []
    for word in words:
        if word.startswith("@"):
            server = _read_server(word[1:], port)
        else:
            rest.append(word)
    if address is not None:
        rest.insert(0, address)
    if not 1 <= len(rest) <= 2:
        raise click.UsageError(
            "give one name or address, and at most one type: blackhole-guard query -x 10.0.0.3 @127.0.0.1:5300"
        )
    rtype = rest[1].upper() if len(rest) == 2 else ""
    try:
        name = ip_address(rest[0].partition("%")[0]).reverse_pointer  # a scope is no part of the reverse name
        rtype = rtype or "PTR"
    except ValueError:
        if address is not None:
            raise click.UsageError(f"{escape_text(address)} is no address") from None
        name = rest[0]
    return server, name, rtype or "A"


def _read_server(text: str, port: int) -> tuple[str, int]:
    host, bracket, rest = text.removeprefix("[").partition("]") if text.startswith("[") else (text, "", "")
    if not bracket and text.count(":") == 1:
        host, _, rest = text.partition(":")
        rest = f":{rest}"
    if rest:
        if not rest[1:].isdecimal() or not 1 <= int(rest[1:]) <= 65535:
            raise click.UsageError(f"{escape_text(text)}: the port is no number from 1 to 65535")
        port = int(rest[1:])
    return host, port


def _question(name: str, rtype: str, *, recurse: bool) -> dnslib.DNSRecord:
    number = _type_number(rtype)
    try:
        question = dnslib.DNSRecord(
            dnslib.DNSHeader(id=secrets.randbits(16), rd=int(recurse)), q=dnslib.DNSQuestion(name, number)
        )
        question.add_ar(dnslib.EDNS0(udp_len=UDP_SIZE))
        question.pack()
    except (dnslib.DNSError, DNSLabelError, UnicodeError, ValueError) as error:
        shown = escape_text(name, limit=80)
        raise click.UsageError(f"cannot ask for {shown}: {escape_text(str(error), limit=80)}") from error
    return question


def _type_number(rtype: str) -> int:
    """Read a type by its name, or as `TYPE123` (RFC 3597 section 5)."""
    try:
        number = int(rtype[4:]) if rtype.startswith("TYPE") and rtype[4:].isdecimal() else getattr(dnslib.QTYPE, rtype)
    except dnslib.DNSError:
        number = -1
    if not 0 <= number <= 65535:
        shown = escape_text(rtype, limit=80)
        raise click.UsageError(f"{shown} is no record type; write the name first, then a type such as PTR or TYPE65")
    return int(number)


def _ask(question: dnslib.DNSRecord, server: tuple[str, int], *, tcp: bool, timeout: float) -> dnslib.DNSRecord:
    """Send the question and wait for its reply; go on to TCP when it is truncated. Raises OSError."""
    deadline = time.monotonic() + timeout
    family, _, _, _, sockaddr = socket.getaddrinfo(*server, type=socket.SOCK_DGRAM)[0]
    if not tcp:
        with socket.socket(family, socket.SOCK_DGRAM) as udp:
            udp.connect(sockaddr)
            udp.send(question.pack())
            while True:
                udp.settimeout(max(deadline - time.monotonic(), 0.001))
                reply = _read_reply(udp.recv(65535), question)
                if reply is not None:
                    break
        if not reply.header.tc:
            return reply
    with socket.create_connection(
        (str(sockaddr[0]), int(sockaddr[1])), max(deadline - time.monotonic(), 0.001)
    ) as stream:
        octets = question.pack()
        stream.sendall(len(octets).to_bytes(2, "big") + octets)
        with stream.makefile("rb") as file:
            while True:
                stream.settimeout(max(deadline - time.monotonic(), 0.001))
                reply = _read_reply(_read_message(file), question)
                if reply is not None:
                    return reply


def _read_message(file: Any) -> bytes:
    """Read one message with its length in front (RFC 1035 section 4.2.2)."""
    length = int.from_bytes(file.read(2), "big")
    message: bytes = file.read(length)
    if not length or len(message) < length:
        raise ConnectionError("the server closed the connection")
    return message


def _read_reply(octets: bytes, question: dnslib.DNSRecord) -> dnslib.DNSRecord | None:
    """Decode a reply to our question; None: it is not one (RFC 5452 section 9.1)."""
    try:
        reply = dnslib.DNSRecord.parse(octets)
    except (dnslib.DNSError, ValueError, IndexError):
        return None
    asked = question.q
    same_question = not reply.questions or (reply.q.qname == asked.qname and reply.q.qtype == asked.qtype)
    return reply if reply.header.qr and reply.header.id == question.header.id and same_question else None


def _sections(reply: dnslib.DNSRecord) -> dict[str, list[Any]]:
    records = {"answer": reply.rr, "authority": reply.auth, "additional": reply.ar}
    return {section: [rr for rr in rrs if rr.rtype != dnslib.QTYPE.OPT] for section, rrs in records.items()}


def _flags(reply: dnslib.DNSRecord) -> list[str]:
    return [flag for flag in ("qr", "aa", "tc", "rd", "ra", "ad", "cd") if getattr(reply.header, flag)]


def _format_type(number: int) -> str:
    """Name a type as dnslib does, which knows more of them than we."""
    return str(dnslib.QTYPE.forward.get(number) or format_type(number))


def _text(rr: Any) -> str:
    return escape_text(f"{rr.rname}\t{rr.ttl}\tIN\t{_format_type(rr.rtype)}\t{rr.rdata}".replace("\t", " "))


def _short_lines(reply: dnslib.DNSRecord) -> list[str]:
    return [escape_text(str(rr.rdata)) for rr in reply.rr]


def _lines(reply: dnslib.DNSRecord, server: tuple[str, int], took: float) -> list[str]:
    lines = [f";; {dnslib.RCODE.get(reply.header.rcode)}, flags: {' '.join(_flags(reply))}"]
    for section, records in _sections(reply).items():
        if records:
            lines += ["", f";; {section}:", *(_text(rr) for rr in records)]
    return [*lines, "", f";; {escape_text(server[0])}#{server[1]}, {took * 1000:.1f} ms"]


def _as_json(reply: dnslib.DNSRecord, server: tuple[str, int], took: float) -> dict[str, Any]:
    sections = {
        section: [
            {
                "name": escape_text(str(rr.rname)),
                "ttl": rr.ttl,
                "type": _format_type(rr.rtype),
                "data": escape_text(str(rr.rdata)),
            }
            for rr in records
        ]
        for section, records in _sections(reply).items()
    }
    return {
        "server": f"{server[0]}#{server[1]}",
        "rcode": str(dnslib.RCODE.get(reply.header.rcode)),
        "flags": _flags(reply),
        **sections,
        "seconds": round(took, 6),
    }
