"""`zone:` documents: which zone, what they say of it, and what each mistake is told."""

from ipaddress import ip_address

import pytest

from blackhole_guard.config.settings import Soa
from blackhole_guard.wire.names import pack_name
from blackhole_guard.wire.values import read_value

WHOLE = """\
zone: 10.0.0.0/8
ttl: 4h
ns: [ns1.example.com, ns2.example.com.]
soa: {mname: ns1.example.com, rname: admin@example.com, serial: 2009012501, minimum: 1d}
ptr:
  10.0.0.3: web.example.com
delegate:
  10.20.0.0/16: {ad1.corp.example.com: 10.20.0.10}
"""


def test_a_whole_map(load):
    loaded = load(WHOLE)
    assert loaded.said == []
    (zone_map,) = loaded.sources.maps
    assert str(zone_map.block) == zone_map.name == "10.0.0.0/8"
    assert str(zone_map.place) == "map.yaml:1"
    assert zone_map.ttl == 14400
    assert zone_map.ns == (pack_name("ns1.example.com"), pack_name("ns2.example.com"))
    assert zone_map.soa == Soa("ns1.example.com.", "admin.example.com.", 2009012501, minimum=86400)
    assert (zone_map.serve, zone_map.allow_public) == (True, False)
    assert [str(ip_address(address)) for address in zone_map.ptr.addresses] == ["10.0.0.3"]
    assert [str(delegation.block) for delegation in zone_map.delegations] == ["10.20.0.0/16"]
    assert {key: place.line for key, place in zone_map.places.items()} == {
        "zone": 1,
        "ttl": 2,
        "ns": 3,
        "soa": 4,
        "ptr": 5,
        "delegate": 7,
    }


def test_a_map_that_says_nothing_but_its_zone(load):
    loaded = load("zone: 10.0.0.0/8\n")
    (zone_map,) = loaded.sources.maps
    assert loaded.said == []
    assert (zone_map.ttl, zone_map.ns, zone_map.soa, zone_map.serve) == (None, (), Soa(), True)
    assert (list(zone_map.ptr.lines), zone_map.delegations) == ([], ())


def test_the_order_of_keys_does_not_matter(load):
    loaded = load("ptr:\n  3: web.example.com\nttl: 5m\nzone: 10.1.1.0/24\n")
    assert loaded.said == []
    table = loaded.sources.maps[0].ptr
    assert (str(ip_address(table.addresses[0])), list(table.lines)) == ("10.1.1.3", [2])
    assert read_value(b"", table.values[0]).ttl == 300


def test_a_file_holds_any_number_of_maps(load):
    loaded = load("# maps\n---\nzone: 10.0.0.0/8\n---\nzone: 10.1.0.0/16\nptr: {0.3: a.b}\n---\n---\nzone: fd00::/8\n")
    assert loaded.said == []
    assert [(zone_map.name, zone_map.place.line) for zone_map in loaded.sources.maps] == [
        ("10.0.0.0/8", 3),
        ("10.1.0.0/16", 5),
        ("fd00::/8", 9),
    ]


@pytest.mark.parametrize(
    ("text", "block", "name"),
    [
        ("10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/8"),
        ("172.16.0.0/12", "172.16.0.0/12", "172.16.0.0/12"),
        ("172.20.0.0/14", "172.20.0.0/14", "172.20.0.0/14"),
        ("10.6.84.0/26", "10.6.84.0/26", "10.6.84.0/26"),
        ("FD12:3456::/48", "fd12:3456::/48", "fd12:3456::/48"),
        ("127.0.0.1/32", "127.0.0.1/32", "127.0.0.1/32"),
        ("home.arpa", None, "home.arpa"),
        ("Home.ARPA.", None, "home.arpa"),
        ("service.arpa", None, "service.arpa"),
        ("resolver.arpa", None, "resolver.arpa"),
        ("empty.as112.arpa", None, "empty.as112.arpa"),
    ],
)
def test_what_a_map_may_be_for(load, text, block, name):
    loaded = load(f"zone: {text}\nserve: yes\n" if "/26" not in text else f"zone: {text}\n")
    assert loaded.said == []
    zone_map = loaded.sources.maps[0]
    assert (str(zone_map.block) if zone_map.block else None, zone_map.name) == (block, name)


@pytest.mark.parametrize("text", ["8.8.8.0/24", "192.0.0.0/8", "2001:db0::/28", "fc00::/7", "8.8.8.8/32"])
def test_a_public_block_is_served_if_the_map_says_so(load, text):
    loaded = load(f"zone: {text}\nallow_public: true\n")
    assert loaded.said == []
    assert loaded.sources.maps[0].allow_public


PART = "10.6.84.0/26 is a part of the zone 10.6.84.0/24, and has no"
ERRORS = [
    # zone
    ("ttl: 4h", 1, "a map without `zone`; write the block that it is for: `zone: 10.0.0.0/8`"),
    ("zone:", 1, "`zone` is empty"),
    (
        "zone: [10.0.0.0/8, 192.168.0.0/16]",
        1,
        "`zone` is a list; write one block or name; each has a document of its own",
    ),
    ("- 10.0.0.0/8", 1, "the map is a list, not a mapping"),
    ("10.0.0.0/8", 1, "the map is text, not a mapping"),
    (
        "zone: 10.0.0.0",
        1,
        "`10.0.0.0` has no prefix length; write `10.0.0.0/32` for this address, `10.0.0.0/8` for the block",
    ),
    ("zone: 10.0.0.3/8", 1, "`10.0.0.3/8` has bits set behind its prefix; write `10.0.0.0/8`"),
    ("zone: 10.0.0.0/33", 1, "`/33` is no prefix length"),
    ("zone: 10.0.0.0/08x", 1, "`/08x` is no prefix length"),
    ("zone: 0.0.0.0/0", 1, "`0.0.0.0/0` is the whole address space"),
    ("zone: 10.0.0/24", 1, "`10.0.0` has 3 octets; an IPv4 address has four"),
    ("zone: 10.in-addr.arpa", 1, "`10.in-addr.arpa` is a reverse name, not a block; write `zone: 10.0.0.0/8`"),
    ("zone: d.f.ip6.arpa.", 1, "`d.f.ip6.arpa.` is a reverse name, not a block; write `zone: fd00::/8`"),
    ("zone: example..com", 1, "`example..com` is neither a block nor a reserved zone"),
    ("zone: example.com", 1, "`example.com` is neither a block nor a reserved zone"),
    (
        "zone: 8.8.8.0/24",
        1,
        "see that it is spelt right; if these addresses are yours to name, add `allow_public: true`",
    ),
    (
        "zone: 172.0.0.0/8",
        1,
        "172.0.0.0/8 is not reserved; of it, `172.16.0.0/12` is: write that, or add `allow_public: true`",
    ),
    ("zone: fc00::/7", 1, "fc00::/7 is not reserved; of it, `fd00::/8` is"),
    ("zone: 8.8.8.0/24\nallow_public: no", 1, "8.8.8.0/24 is not reserved"),
    ("- zone: 10.0.0.0/8", 1, "the map is a list, not a mapping; write `zone: 10.0.0.0/8` without a dash"),
    ("include: [a.yaml]\nlog: {}\nserver: {port: 53}", 2, "this is a settings file, not a map; read it by --config"),
    ("zones:\n- zone: 10.0.0.0/8", 1, "this is a settings file, not a map; read it by --config"),
    # keys
    ("zone: 10.0.0.0/8\nlog: {}", 2, "unknown key `log`"),
    ("zone: 10.0.0.0/8\nptrs: {}", 2, "unknown key `ptrs`; did you mean `ptr`?"),
    ("zone: 10.0.0.0/8\nranges: {}", 2, "unknown key `ranges`"),
    ("zone: 10.0.0.0/8\nzone: 10.0.0.0/8", 2, "`zone` is given twice, first on line 1"),
    (
        "zone: 10.0.0.0/8\n10.0.0.3: web.example.com\n10.0.0.4: db.example.com",
        2,
        "`10.0.0.3` stands beside `zone`, not below `ptr`",
    ),
    ("zone: 10.0.0.0/8\nttl: -1", 2, "`ttl`: `-1` is no duration"),
    ("zone: 10.0.0.0/8\nttl: 100000w", 2, "`ttl`: 60480000000 is out of range"),
    ("zone: 10.0.0.0/8\nns: [10.0.0.1]", 2, "`ns`: `10.0.0.1` is an address, not a name"),
    ("zone: 10.0.0.0/8\nns: {ns1.example.com: 10.0.0.1}", 2, "`ns` is a mapping, not a list"),
    ("zone: 10.0.0.0/8\nns: [a.example.com, a.example.com]", 2, "stands twice in `ns`"),
    ("zone: 10.0.0.0/8\nsoa: {mnane: a.example.com}", 2, "unknown key `mnane` in `soa`; did you mean `mname`?"),
    ("zone: 10.0.0.0/8\nsoa: ns1.example.com", 2, "`soa` is text, not a mapping"),
    ("zone: 10.0.0.0/8\nsoa: {serial: 4294967296}", 2, "`soa.serial`: 4294967296 is out of range"),
    ("zone: 10.0.0.0/8\nserve: maybe", 2, "`serve`: `maybe` is neither true nor false"),
    ("zone: 10.0.0.0/8\nptr: [web.example.com]", 2, "`ptr` is a list, not a mapping"),
    ("zone: 10.0.0.0/8\nptr: web.example.com", 2, "`ptr` is text, not a mapping"),
    ("zone: 10.0.0.0/8\ninclude: [{a: b}]", 2, "an entry of `include` is a mapping, not the name of a file"),
    (
        "zone: home.arpa\nptr: {10.0.0.3: web.example.com}",
        2,
        "home.arpa holds no addresses, and so no PTRs; delete `ptr`",
    ),
    ("zone: home.arpa\ndelegate: {10.0.0.0/8: a.example.com}", 2, "home.arpa holds no blocks; delete `delegate`"),
    (
        "zone: 10.6.84.0/26\nns: [ns1.example.com]",
        2,
        f"{PART} `ns` of its own; delete it here, or write it into a map `zone: 10.6.84.0/24`",
    ),
    ("zone: 10.6.84.0/26\nsoa: {serial: 1}", 2, f"{PART} `soa` of its own"),
    ("zone: 10.6.84.0/26\nserve: false", 2, f"{PART} `serve` of its own"),
    (
        "zone: 8.8.8.0/25\nallow_public: true\nserve: false",
        3,
        "write it into a map `zone: 8.8.8.0/24` with `allow_public: true`",
    ),
]


@pytest.mark.parametrize(("text", "line", "said"), ERRORS, ids=[text for text, _, _ in ERRORS])
def test_a_mistake_is_told_once_at_its_line(load, text, line, said):
    loaded = load(text + "\n")
    assert len(loaded.said) == 1
    assert loaded.said[0].startswith(f"map.yaml:{line}: ")
    assert said in loaded.said[0]
    assert loaded.problems[0].hint


def test_name_servers_are_counted(load):
    names = ", ".join(f"ns{number}.example.com" for number in range(101))
    loaded = load(f"zone: 10.0.0.0/8\nns: [{names}]\n")
    assert loaded.said == ["map.yaml:2: 101 name servers, and 100 are the most; two to four are usual"]


def test_mistakes_in_the_entries_of_a_map_whose_zone_is_wrong_are_told_too(load):
    loaded = load("zone: 8.8.8.0/24\nptr:\n  8.8.8.8: bad..name\n  8.8.8.9: fine.example.com\nttl: x\n")
    assert [problem.place.line for problem in loaded.problems] == [1, 3, 5]
    assert loaded.sources.maps == ()


@pytest.mark.parametrize("key", ["ttl", "ns", "soa", "ptr", "delegate", "include"])
def test_a_key_without_a_value_says_nothing(load, key):
    assert load(f"zone: 10.0.0.0/8\n{key}:\n").said == []
