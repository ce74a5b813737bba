"""Replies to the doctor's questions, as resolvers give them, put together with dnspython."""

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

PUBLIC_SOA = "prisoner.iana.org. hostmaster.root-servers.org. 1 604800 60 604800 604800"


def respond(
    query: bytes,
    rcode: str = "NXDOMAIN",
    *,
    soa: tuple[str, str] | None = None,
    answer: tuple[str, str] | None = None,
    ns: str | None = None,
    flags: int = 0,
) -> bytes:
    """Answer a query.

    Args:
        soa: owner and data of the SOA in the authority section.
        answer: type and data of a record at the name that was asked for.
        ns: owner of an NS in the authority section.
        flags: beside QR, RD and RA.
    """
    asked = dns.message.from_wire(query)
    reply = dns.message.make_response(asked, recursion_available=True)
    reply.flags |= flags
    reply.set_rcode(dns.rcode.from_text(rcode))
    if answer is not None:
        rdclass = "CH" if asked.question[0].rdclass == 3 else "IN"
        reply.answer.append(dns.rrset.from_text(asked.question[0].name, 60, rdclass, *answer))
    if soa is not None:
        reply.authority.append(dns.rrset.from_text(soa[0], 60, "IN", "SOA", soa[1]))
    if ns is not None:
        reply.authority.append(dns.rrset.from_text(ns, 60, "IN", "NS", "a.root-servers.net."))
    return reply.to_wire()
