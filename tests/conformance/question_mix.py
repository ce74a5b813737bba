"""Generated queries about the zones of `reverse_data`, of many kinds. Nothing here knows an answer."""

import random
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address

from questions import (
    AAAA,
    AD,
    ANY,
    CD,
    CNAME,
    DS,
    MX,
    NS,
    PTR,
    RD,
    SOA,
    SVCB,
    TXT,
    A,
    Edns,
    Question,
    labels_of,
    text_of,
)
from reverse_data import Address, Block, MasterZone, Zone, apex_of, classless_label, cut_blocks, owner_of, read_registry

UNKNOWN_OPTIONS = (100, 20292, 26946, 65001)
SIZES = (0, 511, 512, 513, 700, 1024, 1220, 1232, 1400, 4096, 65535)  # octets, as EDNS says them
OTHER_TYPES = (
    0,
    1,
    2,
    5,
    6,
    13,
    15,
    16,
    28,
    33,
    35,
    39,
    43,
    46,
    47,
    48,
    52,
    64,
    65,
    99,
    253,
    254,
    256,
    257,
    32769,
    65280,
    65535,
)
ODD_LABELS = (b"\x1b[2J", b"a.b", b"\0", b"*", b"01", b"256", b"xn--nxasmq6b", b"\xe2\x80\xae", b"'\"()@$;\\")
OUTSIDE = (
    "example.com.",
    "in-addr.arpa.",
    "ip6.arpa.",
    "arpa.",
    "1.1.1.1.in-addr.arpa.",
    "32.172.in-addr.arpa.",
    "xin-addr.arpa.",
    "x10.in-addr.arpa.",
    "0.in-addr.arpa.example.",
    "e.f.ip6.arpa.",
    "c.f.ip6.arpa.",
    "10.in-addr.arpa.example.com.",
    "10.in-addr.arpax.",
)
# Kinds in which RD decides.
RECURSION_MATTERS = ("delegation", "classless", "cut", "mixed-case", "name-server")


class Mix:
    """Makes questions of each kind; the same for the same seed."""

    def __init__(self, zones: list[Zone], masters: list[MasterZone], seed: int) -> None:
        self._chance = random.Random(seed)
        self._zones = zones
        names = {address: found for zone in zones for address, (_, found) in zone.ptr.items()}
        self._mapped = list(names)
        self._single = [address for address, found in names.items() if len(found) == 1]
        self._several = [address for address, found in names.items() if 1 < len(found) < 8]
        self._large = [address for address, found in names.items() if len(found) >= 8]
        self._six = [address for address in names if address.version == 6]
        self._owners = {record[0] for zone in masters for record in zone.records}
        self._all_apexes = [zone.apex for zone in masters]
        self._apexes = [apex for zone in zones for apex in zone.apexes]
        self._between = sorted(empty_non_terminals(masters))
        self._registry = read_registry()
        self._cuts = list(_cuts(zones))
        self._kinds: dict[str, Callable[[], Question]] = {
            "hit": lambda: self._ptr("hit", self._pick(self._single)),
            "several": lambda: self._ptr("several", self._pick(self._several)),
            "miss": self._miss,
            "odd-label": self._odd_label,
            "longest-name": self._longest_name,
            "empty-non-terminal": self._empty_non_terminal,
            "apex": self._apex,
            "other-type": self._other_type,
            "never-data": lambda: self._at_host("never-data", self._pick((41, 250))),
            "other-class": self._other_class,
            "class-any": self._class_any,
            "mixed-case": self._mixed_case,
            "outside": self._outside,
            "delegation": lambda: self._referral("delegation", foreign=False),
            "delegation-foreign-glue": lambda: self._referral("delegation-foreign-glue", foreign=True),
            "delegation-recursive": self._delegation_recursive,
            "cut": self._cut,
            "classless": lambda: self._classless("classless", 0),
            "classless-recursive": lambda: self._classless("classless-recursive", RD),
            "name-server": self._name_server,
            "any": self._any,
            "truncated": self._truncated,
            "sub-zone": self._sub_zone,
            "ipv6": self._ipv6,
            "reserved": self._reserved,
            "version": self._version,
        }

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of all kinds."""
        return tuple(self._kinds)

    def make(self, count: int) -> list[Question]:
        """`count` questions of each kind, in a shuffled order, over both transports, with and without EDNS."""
        questions = [self._dress(make()) for make in self._kinds.values() for _ in range(count)]
        self._chance.shuffle(questions)
        return questions

    # --- what may vary whatever the question

    def _dress(self, question: Question) -> Question:
        flags = question.flags
        if not question.kind.startswith(RECURSION_MATTERS) and self._happens(0.5):
            flags |= RD
        flags |= AD * self._happens(0.1) | CD * self._happens(0.1)
        edns = question.edns
        if edns is None and self._happens(0.5):
            edns = self._edns()
        tcp = self._happens(0.03 if question.kind == "truncated" else 0.2)
        return Question(question.kind, question.labels, question.qtype, question.qclass, flags, edns, tcp)

    def _edns(self) -> Edns:
        chance = self._chance
        options = [(self._pick(UNKNOWN_OPTIONS), chance.randbytes(self._pick((0, 1, 8, 40)))) for _ in range(3)]
        count = chance.randint(1, 3) if self._happens(0.2) else 0
        return Edns(self._pick(SIZES), do=self._happens(0.3), options=tuple(options[:count]))

    # --- chance

    def _pick(self, items):
        return self._chance.choice(items)

    def _happens(self, share: float) -> bool:
        return self._chance.random() < share

    def _random_address(self, block: Block) -> Address:
        return block.network_address + self._chance.randrange(block.num_addresses)

    def _unmapped(self) -> Address:
        """An address of ours without a PTR, often beside one that has it, so that the closest encloser is deep."""
        blocks = [zone.block for zone in self._zones if zone.block is not None]
        while True:
            address = self._random_address(self._pick(blocks))
            if self._happens(0.5):
                address = self._pick(self._mapped)
                address = type(address)(int(address) ^ self._chance.randint(1, 15))
            if address not in self._mapped and not self._is_delegated(address):
                return address

    def _is_delegated(self, address: Address) -> bool:
        return any(address in part for part, _ in self._cuts if part.version == address.version)

    def _host(self) -> str:
        return owner_of(self._pick(self._mapped))

    # --- kinds: names that exist

    def _ptr(self, kind: str, address: Address) -> Question:
        return Question(kind, labels_of(owner_of(address)), PTR)

    def _at_host(self, kind: str, qtype: int) -> Question:
        return Question(kind, labels_of(self._host()), qtype)

    def _empty_non_terminal(self) -> Question:
        return Question("empty-non-terminal", labels_of(self._pick(self._between)), self._pick((PTR, A, NS, SOA, DS)))

    def _apex(self) -> Question:
        apex = self._pick(self._apexes if self._happens(0.7) else self._all_apexes)
        return Question("apex", labels_of(apex), self._pick((SOA, NS, SOA, NS, PTR, A, TXT, CNAME, MX, AAAA)))

    def _other_type(self) -> Question:
        qtype = self._chance.randrange(260, 65536) if self._happens(0.3) else self._pick(OTHER_TYPES)
        return self._at_host("other-type", qtype)

    def _any(self) -> Question:
        names = (self._host(), self._pick(self._apexes), self._pick(self._between), owner_of(self._unmapped()))
        return Question("any", labels_of(self._pick(names)), ANY)

    def _truncated(self) -> Question:
        """Answers of many sizes against limits of many sizes."""
        edns = self._pick((None, Edns(512), Edns(self._chance.randint(0, 1300)), self._edns()))
        return Question("truncated", labels_of(owner_of(self._pick(self._large))), PTR, edns=edns)

    def _sub_zone(self) -> Question:
        """At a cut between two zones of ours, and below it."""
        zone = self._pick([zone for zone in self._zones if zone.block is not None and len(zone.apexes) == 1])
        if self._happens(0.4):
            return Question("sub-zone", labels_of(zone.apexes[0]), self._pick((SOA, NS, PTR, DS, DS)))
        if self._happens(0.5):
            return self._ptr("sub-zone", self._pick(list(zone.ptr)))
        while self._is_delegated(address := self._random_address(zone.block)):
            pass
        return self._ptr("sub-zone", address)

    def _ipv6(self) -> Question:
        labels = labels_of(owner_of(self._pick(self._six)))
        if self._happens(0.5):
            return Question("ipv6", labels, PTR)
        return Question("ipv6", labels[-self._chance.randint(4, 33) :], self._pick((PTR, NS, A)))

    def _reserved(self) -> Question:
        """The built-in zones: apexes, names below, the two localhosts, resolver.arpa."""
        special = (
            owner_of(IPv4Address("127.0.0.1")),
            owner_of(IPv6Address("::1")),
            "_dns.resolver.arpa.",
            "x._dns.resolver.arpa.",
            "a.b._dns.resolver.arpa.",
        )
        if self._happens(0.2):
            return Question("reserved", labels_of(self._pick(special)), self._pick((PTR, SVCB, A)))
        labels = labels_of(f"{self._pick(self._registry)['zone']}.")
        if self._happens(0.6) and text_of(labels) not in self._apexes:
            labels = (str(self._chance.randrange(256)).encode() if self._happens(0.8) else b"host", *labels)
        return Question("reserved", labels, self._pick((SOA, NS, PTR, DS)))

    # --- kinds: names that do not exist

    def _miss(self) -> Question:
        labels = labels_of(owner_of(self._unmapped()) if self._happens(0.8) else self._host())
        if self._happens(0.3) or text_of(labels) in self._owners:
            labels = (self._pick((b"www", b"_dns-sd", b"1", b"x" * 63, b"b", b"lb")), *labels)
        return Question("miss", labels, self._pick((PTR, PTR, A, TXT)))

    def _odd_label(self) -> Question:
        front = tuple(
            self._pick((self._chance.randbytes(self._chance.randint(1, 63)), self._pick(ODD_LABELS)))
            for _ in range(self._chance.randint(1, 3))
        )
        return Question("odd-label", (*front, *labels_of(self._pick(self._apexes))), self._pick((PTR, TXT)))

    def _longest_name(self) -> Question:
        """Names of 255 octets, or nearly (RFC 1035 section 2.3.4)."""
        labels = labels_of(self._pick(self._apexes))
        room = 254 - sum(len(label) + 1 for label in labels) - self._pick((0, 0, 1, 2))
        largest = self._pick((1, 2, 30, 63))
        while room > 1:
            size = min(largest, room - 1)
            labels = (bytes((self._chance.randint(0x61, 0x7A),)) * size, *labels)
            room -= size + 1
        return Question("longest-name", labels, PTR)

    def _other_class(self) -> Question:
        base = self._pick((self._host(), self._pick(self._apexes), "example.com."))
        qclass = self._pick((0, 2, 3, 4, 254, self._chance.randrange(256, 65536)))
        return Question("other-class", labels_of(base), self._pick((PTR, SOA)), qclass)

    def _class_any(self) -> Question:
        return Question("class-any", labels_of(owner_of(self._pick(self._single))), PTR, 255)

    def _outside(self) -> Question:
        labels = labels_of(self._pick(OUTSIDE))
        if self._happens(0.5):
            labels = (self._pick((b"www", b"1", b"x" * 60, self._chance.randbytes(5))), *labels)
        if self._happens(0.05):
            labels = ()  # the root
        return Question("outside", labels, self._pick((PTR, PTR, NS, SOA, A, DS, ANY, 65535)))

    # --- kinds: delegations

    def _below(self, part: Block) -> tuple[bytes, ...]:
        """A name at or below the cut of a delegated block."""
        if part.version == 4 and part.prefixlen > 24:
            cut = labels_of(classless_label(part))
            last = str(self._random_address(part)).rpartition(".")[2].encode()
            return cut if self._happens(0.2) else (last, *cut)
        labels = labels_of(owner_of(self._random_address(part)))
        at_least = len(labels_of(apex_of(part)))
        return labels[-self._chance.randint(at_least, len(labels)) :] if self._happens(0.4) else labels

    def _referral(self, kind: str, *, foreign: bool) -> Question:
        """`foreign`: the name servers have names outside the zone, and addresses in the map nevertheless."""
        parts = [
            part
            for part, servers in self._cuts
            if foreign == any(found and not name.endswith(".arpa.") for name, found in servers.items())
        ]
        return Question(kind, self._below(self._pick(parts)), self._pick((PTR, PTR, NS, SOA, A)))

    def _delegation_recursive(self) -> Question:
        question = self._referral("delegation-recursive", foreign=self._happens(0.3))
        return Question(question.kind, question.labels, question.qtype, flags=RD)

    def _name_server(self) -> Question:
        """The names of name servers: some lie below the cut, some beside it, some in other trees."""
        names = sorted({name for _, servers in self._cuts for name in servers})
        return Question("name-server", labels_of(self._pick(names)), self._pick((A, AAAA, PTR, NS)), flags=0)

    def _cut(self) -> Question:
        """DS at a cut, which its parent answers."""
        part, _ = self._pick(self._cuts)
        owner = classless_label(part) if part.version == 4 and part.prefixlen > 24 else apex_of(part)
        return Question("cut", labels_of(owner), DS, flags=self._pick((0, RD)))

    def _classless(self, kind: str, flags: int) -> Question:
        """An address in a block that is delegated by RFC 2317."""
        blocks = [part for part, _ in self._cuts if part.version == 4 and part.prefixlen > 24]
        address = self._random_address(self._pick(blocks))
        return Question(kind, labels_of(owner_of(address)), self._pick((PTR, PTR, CNAME, A, SOA, ANY)), flags=flags)

    # --- kinds: variations

    def _mixed_case(self) -> Question:
        makers = ("hit", "several", "miss", "apex", "empty-non-terminal", "ipv6", "delegation", "outside")
        question = self._kinds[self._pick(makers)]()
        labels = tuple(bytes(map(self._flip, label)) for label in question.labels)
        return Question("mixed-case", labels, question.qtype, question.qclass)

    def _flip(self, octet: int) -> int:
        is_letter = 0x61 <= octet | 0x20 <= 0x7A
        return octet ^ 0x20 if is_letter and self._happens(0.5) else octet

    def _version(self) -> Question:
        return Question("version", labels_of(self._host()), PTR, edns=Edns(1232, version=self._pick((1, 2, 255))))


def empty_non_terminals(masters: list[MasterZone]) -> set[str]:
    """Names without records that have names below them, apart from what lies below a cut."""
    apexes = {zone.apex for zone in masters}
    owners = {record[0] for zone in masters for record in zone.records}
    cuts = {record[0] for zone in masters for record in zone.records if record[2] == "NS"} - apexes
    found = set()
    for zone in masters:
        for owner, *_ in zone.records:
            name = owner.partition(".")[2]
            while name.endswith(f".{zone.apex}"):
                found.add(name)
                name = name.partition(".")[2]
    return {name for name in found - owners if not any(name.endswith(f".{cut}") for cut in cuts)}


def _cuts(zones: list[Zone]) -> Iterator[tuple[Block, dict[str, tuple[str, ...]]]]:
    for zone in zones:
        for block, servers in zone.delegations.items():
            for part in cut_blocks(block):
                yield part, servers
