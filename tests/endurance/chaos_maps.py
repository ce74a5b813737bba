"""Maps of generations, questions about them, and a check that each answer is wholly of one generation.

In a map of generation N every name, TTL and serial says N: so an answer that mixes two is seen by itself.
"""

import re
from collections.abc import Sequence

import dns.message
import dns.rdatatype
import dns.rrset

HOSTS = 200
_GENERATION = re.compile(r"\.g(\d+)\.example\.")
BASE_TTL = 100_000  # the TTLs of generation N are this plus N
BASE_SERIAL = 2_000_000_000


def render_generation(number: int, hosts: int = HOSTS) -> str:
    """A map of 10.0.0.0/8 with a serial of its own, and one of 192.168.0.0/16 whose serial the server finds."""
    domain, ttl = f"g{number}.example", BASE_TTL + number
    ptr = "".join(
        f"  10.0.{host // 200}.{host % 200}: [host{host}.{domain}, alias{host}.{domain}, third{host}.{domain}]\n"
        for host in range(hosts)
    )
    return (
        f"zone: 10.0.0.0/8\nttl: {ttl}\nns: [ns1.{domain}, ns2.{domain}]\n"
        f"soa: {{mname: ns1.{domain}, rname: admin.{domain}, serial: {BASE_SERIAL + number}, minimum: {ttl}}}\n"
        f"ptr:\n{ptr}"
        f"delegate:\n  10.20.0.0/16: [ad1.{domain}, ad2.{domain}]\n  10.0.250.64/26: [ad1.{domain}, ad2.{domain}]\n"
        "---\n"
        f"zone: 192.168.0.0/16\nttl: {ttl}\nns: [ns1.{domain}]\nsoa: {{mname: ns1.{domain}, minimum: {ttl}}}\n"
        f"ptr:\n  192.168.0.1: [router.{domain}, gateway.{domain}]\n"
    )


BROKEN = (
    "zone: 10.0.0.0/8\nptr:\n  10.0.0.3: web.example.com\n  10.0.0.3: other.example.com\n",
    "zone: 10.0.0.0/8\nptr:\n  11.0.0.3: web.example.com\n",
    "zone: 10.0.0.0/8\nptr: [\n",
    "zone: 10.0.0.0/8\nptrs: {}\n",
)


def make_questions() -> list[bytes]:
    """PTR sets, SOA, NS, NODATA, NXDOMAIN, referrals, CNAMEs into a delegation."""
    names = [
        *((f"{host % 200}.0.0.10.in-addr.arpa.", "PTR") for host in range(0, HOSTS, 10)),
        *((f"{host}.9.9.10.in-addr.arpa.", "PTR") for host in range(8)),
        *((f"{host}.0.20.10.in-addr.arpa.", "PTR") for host in range(8)),
        *((f"{host}.250.0.10.in-addr.arpa.", "PTR") for host in range(64, 72)),
        ("1.0.168.192.in-addr.arpa.", "PTR"),
        ("2.0.168.192.in-addr.arpa.", "PTR"),
        ("0.168.192.in-addr.arpa.", "PTR"),
        ("0.0.10.in-addr.arpa.", "TXT"),
        ("10.in-addr.arpa.", "SOA"),
        ("10.in-addr.arpa.", "NS"),
        ("168.192.in-addr.arpa.", "SOA"),
    ]
    return [dns.message.make_query(name, rtype, id=0, use_edns=False, flags=0).to_wire() for name, rtype in names]


class GenerationCheck:
    """Checks responses of servers whose maps are generations."""

    def __init__(self) -> None:
        self.seen: dict[int, tuple[float, float]] = {}  # generation -> when its first and its last response came
        self.found_serials: dict[int, set[int]] = {}  # generation -> serials that the server has found for it
        self._known: dict[bytes, str | int] = {}  # response without its ID -> fault, or generation

    @property
    def newest(self) -> int:
        """The newest generation that has answered."""
        return max(self.seen, default=-1)

    def __call__(self, question: int, octets: bytes, sent: float, came: float) -> str | None:
        body = octets[2:]
        found = self._known.get(body)
        if found is None:
            found = self._known[body] = self._judge(octets)
        if isinstance(found, str):
            return f"question {question}: {found}"
        first, _ = self.seen.get(found, (came, came))
        self.seen[found] = (first, came)
        return None

    def _judge(self, octets: bytes) -> str | int:
        message = dns.message.from_wire(octets)
        rrsets = [*message.answer, *message.authority, *message.additional]
        if message.rcode() not in (0, 3) or not rrsets:
            return f"RCODE {message.rcode()} with {len(rrsets)} RRsets"
        generations = {number for rrset in rrsets for number in self._generations_of(rrset)}
        if len(generations) != 1:
            return f"of generations {sorted(generations)}: " + "; ".join(str(rrset) for rrset in rrsets)
        return generations.pop()

    def _generations_of(self, rrset: dns.rrset.RRset) -> Sequence[int]:
        texts = [str(rdata) for rdata in rrset]
        found = [int(number) for text in texts for number in _GENERATION.findall(text)]
        found.append(rrset.ttl - BASE_TTL)
        if rrset.rdtype == dns.rdatatype.SOA:
            serial, minimum = rrset[0].serial, rrset[0].minimum
            found.append(minimum - BASE_TTL)
            if rrset.name.to_text().startswith("10."):
                found.append(serial - BASE_SERIAL)
            else:
                self.found_serials.setdefault(found[0], set()).add(serial)
        if rrset.rdtype == dns.rdatatype.PTR:
            wanted = 3 if rrset.name.to_text().endswith(".10.in-addr.arpa.") else 2
            if len(texts) != wanted:
                return (*found, -len(texts))
        return found
