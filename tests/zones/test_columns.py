from array import array

from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.config.maps import PtrTable
from blackhole_guard.wire.columns import Addresses, Values
from blackhole_guard.wire.names import pack_name
from blackhole_guard.wire.values import make_ptrs
from blackhole_guard.zones.columns import format_names, merge_tables
from blackhole_guard.zones.findings import Findings

A, B = pack_name("a.example.com"), pack_name("b.example.com")


def table(*rows):
    return PtrTable(
        Addresses(bytes((10, 0, 0, row[0])) for row in rows),
        Values(make_ptrs(row[1], row[2] if len(row) > 2 else 60) for row in rows),
        array("I", [number + 3 for number in range(len(rows))]),
    )


def merge(*tables):
    findings = Findings()
    columns = merge_tables([(f"{letter}.yaml", each) for letter, each in zip("abc", tables, strict=False)], findings)
    said = [f"{each.severity}: {each.place}: {each.what}" for each in findings.all()]
    return columns, said


def test_one_sorted_table_is_taken_as_it_is():
    rows = table((1, A), (2, B))
    columns, said = merge(rows)
    assert columns.addresses is rows.addresses
    assert [str(columns.row(row).place) for row in (0, 1)] == ["a.yaml:3", "a.yaml:4"]
    assert said == []


def test_rows_are_found_with_the_line_that_they_were_written_on():
    columns, said = merge(table((9, A), (3, B, 5)), table((7, A)), table((4, (A, B))))
    assert [address[3] for address in columns.addresses] == [3, 4, 7, 9]
    assert [str(columns.row(row).place) for row in range(4)] == ["a.yaml:4", "c.yaml:3", "b.yaml:3", "a.yaml:3"]
    assert [columns.row(row).ttl for row in range(4)] == [5, 60, 60, 60]
    assert columns.row(1).names == (A, B)
    assert columns.find(bytes((10, 0, 0, 7))).names == (A,)
    assert columns.find(bytes((10, 0, 0, 8))) is None
    assert columns.find(bytes((10, 0, 0, 10))) is None
    assert said == []


def test_the_same_twice_is_one_entry_and_a_warning():
    columns, said = merge(table((1, (A, B)), (2, A)), table((1, (B.upper(), A))))
    assert len(columns.addresses) == 2
    assert said == ["warning: b.yaml:3: 10.0.0.1 is given twice, first at a.yaml:3"]
    assert [str(columns.row(row).place) for row in (0, 1)] == ["a.yaml:3", "a.yaml:4"]


def test_different_names_are_an_error_that_names_both_places():
    columns, said = merge(table((1, A)), table((1, (A, B))))
    assert said == ["error: b.yaml:3: 10.0.0.1 is a.example.com, b.example.com here and a.example.com at a.yaml:3"]
    assert [columns.row(row).names for row in range(len(columns.addresses))] == [(A,)]


def test_different_ttls_are_an_error_that_names_both_places():
    _, said = merge(table((1, A, 5)), table((1, A, 6)), table((1, A, 5)))
    assert said == [
        "error: b.yaml:3: 10.0.0.1 has a TTL of 6 seconds here and 5 at a.yaml:3",
        "warning: c.yaml:3: 10.0.0.1 is given twice, first at a.yaml:3",
    ]


def test_what_sources_has_said_is_not_said_again():
    columns, said = merge(table((1, A), (1, B)))
    assert ([columns.row(row).names for row in range(len(columns.addresses))], said) == ([(A,)], [])


def test_a_million_contradictions_are_a_thousand_and_one():
    rows = [(bytes((10, n >> 8, n & 255, 1))) for n in range(1500)]
    tables = [
        PtrTable(Addresses(rows), Values([make_ptrs(name, 1)] * 1500), array("I", range(1500))) for name in (A, B)
    ]
    _, said = merge(*tables)
    assert len(said) == 1001
    assert any("more errors than the 1000 before this" in each for each in said)


def test_names_of_an_address_are_cut_in_messages():
    assert format_names((A, B, A, B, A)) == "a.example.com, b.example.com, a.example.com and 2 more"
    assert format_names((A,)) == "a.example.com"


rows = st.lists(st.tuples(st.integers(0, 40), st.sampled_from([A, B, (A, B)]), st.sampled_from([1, 2])), max_size=12)


@given(st.lists(rows.map(lambda each: list({row[0]: row for row in each}.values())), max_size=4))
def test_merging_equals_a_dictionary(tables):
    columns, said = merge(*(table(*each) for each in tables[:3]))
    model, wrong = {}, set()
    for each in tables[:3]:
        for row in each:
            if model.setdefault(row[0], row[1:]) != row[1:]:
                wrong.add(row[0])
    assert [address[3] for address in columns.addresses] == sorted(model)
    assert {address[3] for address in columns.addresses} == model.keys()
    assert bool(wrong) == any(each.startswith("error") for each in said)
    for row, address in enumerate(columns.addresses):
        if address[3] not in wrong:
            names, *ttl = model[address[3]]
            assert columns.row(row).names == ((names,) if isinstance(names, bytes) else names)
            assert [columns.row(row).ttl] == ttl
