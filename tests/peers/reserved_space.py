"""What the public DNS says of the reserved space where it does not delegate to AS112: for the stand-in's root server.

As it was seen to answer: the 64 zones of 100.64.0.0/10 are empty zones of ICANN's, the test networks are nothing in
their registries' zones, and all the rest is nothing in in-addr.arpa, ip6.arpa or arpa.
"""

from stand_in_internet import DELEGATED_TO_AS112

_NS = "@ IN NS a.root-servers.net.\n"
_NUMBERS = "2025061600 1800 900 604800 3600"


def _zone(mname: str, rname: str, records: str = "") -> str:
    return f"$TTL 3600\n@ IN SOA {mname} {rname} {_NUMBERS}\n{_NS}{records}"


def _delegations(parent: str) -> str:
    """The NS records of what `parent` delegates to AS112."""
    owners = [zone for zone in DELEGATED_TO_AS112 if zone.endswith(f".{parent}")]
    return "".join(f"{owner} IN NS blackhole-{number}.iana.org.\n" for owner in owners for number in (1, 2))


_IANA = ("sns.dns.icann.org.", "noc.dns.icann.org.")

ZONES = {
    "arpa.": _zone(
        "a.root-servers.net.",
        "nstld.verisign-grs.com.",
        "home.arpa. IN NS blackhole-1.iana.org.\nhome.arpa. IN NS blackhole-2.iana.org.\n"
        "service.arpa. IN NS blackhole-1.iana.org.\nservice.arpa. IN NS blackhole-2.iana.org.\n"
        "empty.as112.arpa. IN NS blackhole.as112.arpa.\n"
        "blackhole.as112.arpa. IN A 192.31.196.1\n",
    ),
    "in-addr.arpa.": _zone("b.in-addr-servers.arpa.", "nstld.iana.org.", _delegations("in-addr.arpa.")),
    "ip6.arpa.": _zone("b.ip6-servers.arpa.", "nstld.iana.org."),
    "192.in-addr.arpa.": _zone("z.arin.net.", "dns-ops.arin.net.", _delegations("192.in-addr.arpa.")),
    "198.in-addr.arpa.": _zone("z.arin.net.", "dns-ops.arin.net."),
    "203.in-addr.arpa.": _zone("ns.apnic.net.", "read-txt-record-of-zone-first-dns-admin.apnic.net."),
    **{f"{octet}.100.in-addr.arpa.": _zone(*_IANA) for octet in range(64, 128)},
}
