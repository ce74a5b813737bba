"""`ptr:` entries: what is read, and what each mistake is told."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.config.problems import FileProblems
from blackhole_guard.config.values import parse_block
from blackhole_guard.sources.ptr import PtrReader
from blackhole_guard.wire.names import format_name, pack_name
from blackhole_guard.wire.values import read_value

TEN = parse_block("10.0.0.0/8")


def rows(table):
    ptrs = [read_value(b"", value) for value in table.values]
    return [
        (str(ip_address(address)), [format_name(name) for name in each.rdatas], each.ttl, line)
        for address, each, line in zip(table.addresses, ptrs, table.lines, strict=True)
    ]


@pytest.mark.parametrize(
    ("zone", "entry", "row"),
    [
        ("10.0.0.0/8", "10.0.0.3: web.example.com", ("10.0.0.3", ["web.example.com."], 3600, 3)),
        ("10.0.0.0/8", "10.0.0.3: web.example.com.", ("10.0.0.3", ["web.example.com."], 3600, 3)),
        ("10.0.0.0/8", "10.0.0.3: Web.Example.COM", ("10.0.0.3", ["Web.Example.COM."], 3600, 3)),  # case is kept
        ("10.0.0.0/8", '"10.0.0.3": "web.example.com"', ("10.0.0.3", ["web.example.com."], 3600, 3)),
        (
            "10.0.0.0/8",
            "10.0.0.3: [a.example.com, b.example.com]",
            ("10.0.0.3", ["a.example.com.", "b.example.com."], 3600, 3),
        ),
        ("10.0.0.0/8", "10.0.0.3: {name: a.example.com, ttl: 5m}", ("10.0.0.3", ["a.example.com."], 300, 3)),
        ("10.0.0.0/8", "10.0.0.3: {name: a.example.com}", ("10.0.0.3", ["a.example.com."], 3600, 3)),
        (
            "10.0.0.0/8",
            "10.0.0.3: {ttl: 0, names: [a.example.com, b.example.com]}",
            ("10.0.0.3", ["a.example.com.", "b.example.com."], 0, 3),
        ),
        ("10.0.0.0/8", "10.0.0.3: {names: a.example.com}", ("10.0.0.3", ["a.example.com."], 3600, 3)),
        ("10.0.0.0/8", "10.0.0.3: bücher.example.com", ("10.0.0.3", ["xn--bcher-kva.example.com."], 3600, 3)),
        ("10.0.0.0/8", "10.0.0.0: network.example.com", ("10.0.0.0", ["network.example.com."], 3600, 3)),
        ("10.1.1.0/24", "3: a.example.com", ("10.1.1.3", ["a.example.com."], 3600, 3)),
        ("10.1.1.0/24", '"3": a.example.com', ("10.1.1.3", ["a.example.com."], 3600, 3)),
        ("10.1.0.0/16", "1.10: a.example.com", ("10.1.1.10", ["a.example.com."], 3600, 3)),  # no number: 1.1
        ("10.1.0.0/16", "0.3: a.example.com", ("10.1.0.3", ["a.example.com."], 3600, 3)),
        ("10.0.0.0/8", "1.2.3: a.example.com", ("10.1.2.3", ["a.example.com."], 3600, 3)),
        ("172.16.0.0/12", "20.0.3: a.example.com", ("172.20.0.3", ["a.example.com."], 3600, 3)),
        ("10.6.84.0/26", "63: a.example.com", ("10.6.84.63", ["a.example.com."], 3600, 3)),
        ("fd00::/8", "fd12:3456::1: a.example.com", ("fd12:3456::1", ["a.example.com."], 3600, 3)),
        ("fd00::/8", '"FD12:3456:0:0:0:0:0:1": a.example.com', ("fd12:3456::1", ["a.example.com."], 3600, 3)),
        ("::1/128", "::1: localhost", ("::1", ["localhost."], 3600, 3)),
    ],
)
def test_an_entry_becomes_a_row(load, zone, entry, row):
    loaded = load(f"zone: {zone}\nptr:\n  {entry}\n")
    assert loaded.said == []
    assert rows(loaded.sources.maps[0].ptr) == [row]


@pytest.mark.parametrize(
    ("map_ttl", "entry_ttl", "expected"),
    [("", "", 7200), ("ttl: 4h\n", "", 14400), ("ttl: 4h\n", ", ttl: 1m", 60), ("ttl: 0\n", "", 0)],
)
def test_the_nearest_ttl_holds(load, map_ttl, entry_ttl, expected):
    config = "defaults: {ttl: 2h}\ninclude: map.yaml\n"
    text = f"zone: 10.0.0.0/8\n{map_ttl}ptr:\n  10.0.0.3: {{name: a.example.com{entry_ttl}}}\n"
    loaded = load({"config.yaml": config, "map.yaml": text})
    assert loaded.said == []
    assert [ttl for _, _, ttl, _ in rows(loaded.sources.maps[0].ptr)] == [expected]


ERRORS = [
    # the address
    ("10.0.0.256: a.example.com", "`10.0.0.256` has an octet above 255; octets go from 0 to 255"),
    ("10.0.0.03: a.example.com", "`10.0.0.03` has a leading zero, which some programs read as octal; write `10.0.0.3`"),
    ("10.0.0.0.3: a.example.com", "`10.0.0.0.3` has 5 octets; an IPv4 address has four"),
    (
        "3: a.example.com",
        "but 10.0.0.0/8 leaves 3 open; write the whole address, such as `10.0.0.3`, or the last 3 octets",
    ),
    ("0.03.3: a.example.com", "`0.03.3` has a leading zero, which some programs read as octal; write `0.3.3`"),
    ("0.999.3: a.example.com", "`0.999.3` has an octet above 255; octets go from 0 to 255"),
    (
        "10.0.0.0/24: a.example.com",
        "`10.0.0.0/24` is a block, not an address; write one address; blocks of other servers stand in `delegate`",
    ),
    ("10.0.0.1-9: a.example.com", "`10.0.0.1-9` is a range, not an address; write one line for each address"),
    ("10.0.0.1..10.0.0.9: a.example.com", "is a range, not an address"),
    ('"10.0.0.*": a.example.com', "`10.0.0.*` is a wildcard; write one line for each address"),
    (
        "3.0.0.10.in-addr.arpa: a.example.com",
        "`3.0.0.10.in-addr.arpa` is a reverse name, not an address; write `10.0.0.3`",
    ),
    ("a..in-addr.arpa: a.example.com", "is a reverse name, not an address; write the address"),
    ("0.10.in-addr.arpa: a.example.com", "is a reverse name, not an address; write the address"),
    (
        "a.example.com: 10.0.0.3",
        "`a.example.com` is a name where an address belongs; write it the other way round: `10.0.0.3: a.example.com`",
    ),
    ("fd00::1: a.example.com", "fd00::1 lies outside 10.0.0.0/8; give it a map of its own: `zone: fd00::/8`"),
    ('"fd00::1::2": a.example.com', "`fd00::1::2` is no IPv6 address; it has eight groups"),
    ('"fe80::1%eth0": a.example.com', "`fe80::1%eth0` names an interface; write `fe80::1`"),
    ('"::ffff:10.0.0.3": a.example.com', "`::ffff:10.0.0.3` is an IPv4 address in IPv6 clothes; write `10.0.0.3`"),
    (
        "192.168.7.9: a.example.com",
        "192.168.7.9 lies outside 10.0.0.0/8; give it a map of its own: `zone: 192.168.0.0/16`",
    ),
    (
        "8.8.8.8: a.example.com",
        "give it a map of its own: `zone: 8.8.8.0/24`, with `allow_public: true` as it is not reserved",
    ),
    ("[10.0.0.3]: a.example.com", "a key that is a list or a mapping; write the key as plain text"),
    # the name
    ("10.0.0.3:", "`10.0.0.3` has no name; write `10.0.0.3: host.example.com`, or delete the line"),
    ("10.0.0.3: ~", "`10.0.0.3` has no name"),
    ("10.0.0.3: 10.0.0.4", "`10.0.0.4` is an address, not a name"),
    ("10.0.0.3: -web.example.com", "has a label that begins or ends with a hyphen"),
    ("10.0.0.3: w!b.example.com", "`w!b.example.com` has a character that host names have not: `!`"),
    ("10.0.0.3: web..example.com", "`web..example.com` has an empty label"),
    ("10.0.0.3: a.example.com b.example.com", "has a blank or comma in it; write several names as a list"),
    ("10.0.0.3: ''", "there is no name"),
    ("10.0.0.3: []", "a list without a name"),
    ("10.0.0.3: [a.example.com, A.example.com]", "`A.example.com.` stands twice in one list; delete one of the two"),
    ("10.0.0.3: [a.example.com, [b.example.com]]", "a name is a list; write `[a.example.com, b.example.com]`"),
    ("10.0.0.3: 3.0.0.10.in-addr.arpa", "`3.0.0.10.in-addr.arpa.` is the PTR's own owner; write the name of the host"),
    # the entry
    ("10.0.0.3: {nmae: a.example.com}", "unknown key `nmae`; did you mean `name`?"),
    ("10.0.0.3: {ttl: 300}", "`10.0.0.3` has no `name`; write `{name: host.example.com, ttl: 300}`"),
    (
        "10.0.0.3: {name: a.example.com, names: [b.example.com]}",
        "`10.0.0.3` has `name` and `names`; write all into `names`",
    ),
    ("10.0.0.3: {name: {a: b}}", "`10.0.0.3`: its name is a mapping"),
    ("10.0.0.3: {name: a.example.com, ttl: 3x}", "`ttl`: `3x` is no duration"),
    (
        "10.0.0.3: {name: a.example.com, ttl: 2147483648}",
        "`ttl`: 2147483648 is out of range; the least is 0, the most 2147483647 seconds",
    ),
    ("10.0.0.3: {name: a.example.com, ttl: [1]}", "`ttl`: is a list"),
    ("10.0.0.3: *web", "an alias, `*web`"),
    ("10.0.0.3: &web a.example.com", "an anchor, `&web`"),
    ("10.0.0.3: !name a.example.com", "a tag, `!name`"),
]


@pytest.mark.parametrize(("entry", "said"), ERRORS, ids=[entry for entry, _ in ERRORS])
def test_a_mistake_is_told_once_at_its_line(load, entry, said):
    loaded = load(f"zone: 10.0.0.0/8\nptr:\n  10.9.9.9: fine.example.com\n  {entry}\n  10.9.9.8: fine.example.com\n")
    assert len(loaded.said) == 1
    assert loaded.said[0].startswith("map.yaml:4: ")
    assert said in loaded.said[0]
    assert loaded.problems[0].hint
    addresses = [row[0] for row in rows(loaded.sources.maps[0].ptr)]
    assert (addresses[0], addresses[-1]) == ("10.9.9.9", "10.9.9.8")
    assert all(ip_address(address) in TEN for address in addresses)


WARNINGS = [
    ("10.0.0.3: web", "`web` has only one label; names are fully qualified: write `web.example.com` with your domain"),
    ("10.0.0.3: my_web.example.com", "`my_web.example.com` has an underscore"),
    ("10.0.0.3: 4.0.0.10.in-addr.arpa", "`4.0.0.10.in-addr.arpa.` is a reverse name"),
    ("10.0.0.3: [a.b, b.b, c.b, d.b, e.b]", "5 names at one address"),
]


@pytest.mark.parametrize(("entry", "said"), WARNINGS, ids=[entry for entry, _ in WARNINGS])
def test_what_is_likely_not_meant_loads_with_a_warning(load, entry, said):
    loaded = load(f"zone: 10.0.0.0/8\nptr:\n  {entry}\n")
    (problem,) = loaded.problems
    assert str(problem).startswith("map.yaml:3: ") and said in str(problem)
    assert problem.severity == "warning" and problem.hint
    assert loaded.sources.warnings == loaded.problems
    assert len(loaded.sources.maps[0].ptr.addresses) == 1


@pytest.mark.parametrize(("count", "severity"), [(4, None), (5, "warning"), (100, "warning"), (101, "error")])
def test_names_at_one_address_are_counted(load, count, severity):
    names = "".join(f"    - h{number}.example.com\n" for number in range(count))
    loaded = load(f"zone: 10.0.0.0/8\nptr:\n  10.0.0.3:\n{names}")
    assert [problem.severity for problem in loaded.problems] == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("zone", "first", "second"),
    [
        ("10.0.0.0/8", "10.0.0.3", "10.0.0.3"),
        ("10.0.0.0/24", "10.0.0.3", "3"),
        ("10.0.0.0/24", "3", "10.0.0.3"),
        ("fd00::/8", "fd00::1", '"FD00:0::1"'),
    ],
)
def test_an_address_given_twice_is_told_with_both_lines(load, zone, first, second):
    loaded = load(f"zone: {zone}\nptr:\n  {first}: a.example.com\n  {second}: a.example.com\n")
    (said,) = loaded.said
    assert said.startswith("map.yaml:4: ") and "is given twice, first on line 3" in said


def test_what_was_noted_of_a_refused_entry_does_not_reach_the_next():
    # The key of last octets, the TTL and the reverse target belong to entries that are refused for something else.
    problems = FileProblems("map.yaml")
    reader = PtrReader(problems)
    entries = [
        (1, "3", "bad..name"),
        (2, "10.0.0.4", "a.example.com"),
        (3, "10.0.0.300", "9.0.0.10.in-addr.arpa"),
        (4, "10.0.0.9", "b.example.com"),
    ]
    table = reader.read(iter(entries)).finish(parse_block("10.0.0.0/24"), 60)
    assert rows(table) == [("10.0.0.4", ["a.example.com."], 60, 2), ("10.0.0.9", ["b.example.com."], 60, 4)]
    assert [problem.place.line for problem in problems.all()] == [1, 3]


def test_the_ttl_of_a_refused_entry_does_not_reach_the_next(load):
    loaded = load("zone: 10.0.0.0/8\nptr:\n  10.0.0.300: {name: a.b, ttl: 5}\n  10.0.0.4: b.b\n")
    assert [ttl for _, _, ttl, _ in rows(loaded.sources.maps[0].ptr)] == [3600]


@pytest.mark.parametrize("dot", ["", "."])
def test_a_reverse_name_is_told_of_whatever_was_read_before_it(dot):
    problems = FileProblems("map.yaml")
    entries = [(1, "10.0.0.1", f"foo.arpa{dot}"), (2, "10.0.0.2", f"in-addr.arpa{dot}")]
    PtrReader(problems).read(iter(entries)).finish(TEN, 60)
    assert [problem.place.line for problem in problems.all()] == [2]


labels = st.from_regex(r"(?!..--)[a-zA-Z]([a-zA-Z0-9-]{0,10}[a-zA-Z0-9])?", fullmatch=True)
host_names = st.lists(labels, min_size=2, max_size=5).map(".".join)


@given(st.lists(st.tuples(st.ip_addresses(v=4, network="10.0.0.0/8"), host_names), unique_by=lambda entry: entry[0]))
def test_what_is_written_is_what_is_read(entries):
    problems = FileProblems("map.yaml")
    written = [(line, str(address), name) for line, (address, name) in enumerate(entries, 1)]
    table = PtrReader(problems).read(iter(written)).finish(TEN, 60)
    assert problems.all() == ()
    assert rows(table) == [(address, [format_name(pack_name(name))], 60, line) for line, address, name in written]


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=30))))
def test_any_text_is_read_or_told(entries):
    problems = FileProblems("map.yaml")
    written = [(line, key, name) for line, (key, name) in enumerate(entries, 1)]
    table = PtrReader(problems).read(iter(written)).finish(TEN, 60)
    assert len(table.addresses) == len(table.values) == len(table.lines)
    told = {problem.place.line for problem in problems.errors}
    assert told | set(table.lines) == {line for line, _, _ in written}
    assert all(ip_address(address) in TEN for address in table.addresses)
    assert all(str(problem).isprintable() and str(problem).isascii() for problem in problems.all())


@given(st.sampled_from(["a.example.com", "a.example.com.", "x.y.Example.com", "a", "a.b", "a1.b-c.d"]), labels)
def test_the_short_way_reads_names_as_the_long_way_does(name, label):
    # The first entry makes the suffix known; the second takes the short way.
    suffix = name.partition(".")[2]
    second = f"{label}.{suffix}"
    problems = FileProblems("map.yaml")
    entries = [(1, "10.0.0.1", name), (2, "10.0.0.2", second)]
    table = PtrReader(problems).read(iter(entries)).finish(TEN, 60)
    assert problems.errors == []
    assert rows(table)[1][1] == [format_name(pack_name(second))]


def test_maps_that_share_their_suffixes_read_the_same_as_one_that_stands_alone():
    names = ["a.rack1.example.com", "b.RACK1.example.com", "c.rack1.example.com", "-d.rack1.example.com"]
    entries = [(line, f"10.0.0.{line}", name) for line, name in enumerate(names, 1)]
    shared = {}
    for _ in range(3):
        alone, together = FileProblems("a.yaml"), FileProblems("a.yaml")
        expected = PtrReader(alone).read(iter(entries)).finish(TEN, 60)
        assert rows(PtrReader(together, shared).read(iter(entries)).finish(TEN, 60)) == rows(expected)
        assert together.all() == alone.all() != ()
    assert shared["rack1.example.com"][0] == b"\x05rack1\x07example\x03com\x00"


keys = st.sampled_from(["3", "2.3", "0.0.3", "10.0.0.300", "::ffff:10.0.0.3"]) | st.builds(
    str, st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=6, network="fd00::/8")
)
mixed_names = st.sampled_from(["a.example.com", "b.example.com", "x" * 63 + ".example.com", "-bad.example.com"])


@given(st.lists(st.tuples(keys, mixed_names), max_size=12), st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "fd00::/8"]))
def test_a_map_of_both_families_keeps_the_rows_of_its_own(entries, block_text):
    problems, block = FileProblems("map.yaml"), parse_block(block_text)
    written = [(line, key, name) for line, (key, name) in enumerate(entries, 1)]
    table = PtrReader(problems).read(iter(written)).finish(block, 60)
    kept = {line: (ip_address(address), names) for address, names, _, line in rows(table)}
    refused = {problem.place.line for problem in problems.errors if "is given twice" not in problem.what}
    assert kept.keys() | refused == {line for line, _, _ in written}
    assert not kept.keys() & refused
    for line, (address, names) in kept.items():
        key, name = entries[line - 1]
        whole = (
            address
            if ":" in key or key.count(".") == 3
            else ip_address(block[0].packed[: 4 - 1 - key.count(".")] + bytes(map(int, key.split("."))))
        )
        assert (address, names) == (whole, [name + "."])
        assert address in block


def test_more_entries_than_are_read_at_once_keep_their_order():
    entries = [(n + 1, f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", f"host{n}.example.com") for n in range(10_000)]
    table = PtrReader(FileProblems("map.yaml")).read(iter(entries)).finish(TEN, 60)
    assert rows(table) == [(address, [f"{name}."], 60, line) for line, address, name in entries]
