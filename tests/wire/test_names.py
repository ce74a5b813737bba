import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.names import (
    MAX_NAME,
    ROOT,
    escape_text,
    find_name_end,
    format_name,
    is_subdomain,
    join_labels,
    pack_name,
    read_name,
    skip_name,
    split_labels,
    suffixes,
)

labels = st.binary(min_size=1, max_size=63)
wire_names = (
    st.lists(labels, max_size=8).filter(lambda each: sum(map(len, each)) + len(each) < MAX_NAME).map(join_labels)
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (".", b"\0"),
        ("arpa", b"\4arpa\0"),
        ("arpa.", b"\4arpa\0"),
        ("3.0.0.10.in-addr.arpa.", b"\x013\x010\x010\x0210\7in-addr\4arpa\0"),
        ("Web.Example", b"\3Web\7Example\0"),
        (r"a\.b.c", b"\3a.b\1c\0"),
        (r"\000\255x", b"\3\0\xffx\0"),
        (r"\\", b"\1\\\0"),
        (r"a\.", b"\2a.\0"),
        (r"a\ b.", b"\3a b\0"),
        ("a" * 63, b"\x3f" + b"a" * 63 + b"\0"),
        (
            ".".join(["a" * 63] * 3 + ["a" * 61]),
            b"\x3f" + (b"a" * 63 + b"\x3f") * 2 + b"a" * 63 + b"\x3d" + b"a" * 61 + b"\0",
        ),
    ],
)
def test_text_becomes_a_wire_name(text, name):
    assert pack_name(text) == name


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "an empty label"),
        ("a..b", "an empty label"),
        (".a", "an empty label"),
        ("..", "an empty label"),
        (r"\097..b", "an empty label"),
        ("a" * 64, "a label of more than 63 octets"),
        (".".join(["a" * 63] * 3 + ["a" * 62]), "a name of more than 255 octets"),
        ("bücher.example", "a character outside ASCII"),
        (r"a\.bücher", "a character outside ASCII"),
        (r"\256", r"an escape that is not \000 to \255"),
        (r"\25", r"an escape that is not \000 to \255"),
        (r"\2x5", r"an escape that is not \000 to \255"),
        ("a\\", "an escape of nothing that ASCII has"),
        (r"\ü", "an escape of nothing that ASCII has"),
        (r"\²55", "an escape of nothing that ASCII has"),
    ],
)
def test_text_that_is_no_name_is_refused(text, what):
    with pytest.raises(WireError) as caught:
        pack_name(text)
    assert str(caught.value) == what


@given(wire_names)
def test_a_name_survives_the_way_to_text_and_back(name):
    text = format_name(name)
    assert all("\x21" <= character <= "\x7e" for character in text)
    assert pack_name(text) == name
    assert dns.name.from_text(text).to_wire() == name


@given(st.text(max_size=300))
def test_any_text_is_a_name_or_a_wire_error(text):
    try:
        name = pack_name(text)
    except WireError:
        return
    assert name[-1] == 0
    assert len(name) <= MAX_NAME
    assert find_name_end(name, 0) == len(name)


@given(wire_names)
def test_labels_come_apart_and_together_again(name):
    assert join_labels(split_labels(name)) == name


@given(wire_names)
def test_suffixes_lead_to_the_root_and_each_holds_the_name(name):
    found = list(suffixes(name))
    assert found[0] == name
    assert found[-1] == ROOT
    assert len(found) == len(split_labels(name)) + 1
    assert all(is_subdomain(name, of=each) for each in found)


@pytest.mark.parametrize(
    ("name", "of", "is_below"),
    [
        ("10.in-addr.arpa", "10.in-addr.arpa", True),
        ("1.10.in-addr.arpa", "10.in-addr.arpa", True),
        ("110.in-addr.arpa", "10.in-addr.arpa", False),
        ("10.in-addr.arpa", "1.10.in-addr.arpa", False),
        ("arpa", ".", True),
        (r"x\00210", "10", False),  # the end of a label may look like a name
        (r"a\002cd", "cd", False),
    ],
)
def test_a_subdomain_is_told_by_labels(name, of, is_below):
    assert is_subdomain(pack_name(name), of=pack_name(of)) is is_below


@given(wire_names, wire_names)
def test_a_subdomain_is_what_dnspython_says(name, of):
    folded, above = name.lower(), of.lower()
    expected = dns.name.from_wire(folded, 0)[0].is_subdomain(dns.name.from_wire(above, 0)[0])
    assert is_subdomain(folded, of=above) is expected


@pytest.mark.parametrize(
    ("octets", "position", "end"),
    [
        (b"\0", 0, 1),
        (b"xx\0yy", 2, 3),
        (b"\1a\0rest", 0, 3),
        (b"\1\0\0", 0, 3),  # an octet 0 inside a label is no root
        ((b"\1a" * 127) + b"\0", 0, 255),
        ((b"\1a" * 127) + b"\0\0", 0, 255),
    ],
)
def test_the_end_of_a_name_is_behind_its_root(octets, position, end):
    assert find_name_end(octets, position) == end


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        (b"", "runs over the end"),
        (b"\1", "runs over the end"),
        (b"\1a", "runs over the end"),
        (b"\1\0", "runs over the end"),
        (b"\5a\0", "runs over the end"),
        (b"\xc0\x0c", "a pointer"),
        (b"\1a\xc0\x0c", "a pointer"),
        (b"\x40" + bytes(70), "a pointer, or no label"),
        (b"\x80" + bytes(200), "a pointer, or no label"),
        ((b"\1a" * 126) + b"\2aa\0", "more than 255 octets"),
        ((b"\1a" * 30000) + b"\0", "more than 255 octets"),
    ],
)
def test_what_is_no_plain_name_has_no_end(octets, what):
    with pytest.raises(WireError, match=what):
        find_name_end(octets, 0)


@given(st.binary(max_size=300), st.integers(0, 20))
def test_any_octets_have_an_end_within_them_or_are_a_wire_error(octets, position):
    try:
        end = find_name_end(octets, position)
    except WireError:
        return
    assert position < end <= min(len(octets), position + MAX_NAME)
    assert dns.name.from_wire(octets, position)[1] == end - position


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"\0", "."),
        (b"\4arpa\0", "arpa."),
        (b"\3a.b\0", r"a\046b."),
        (b"\5\x1b[2J\n\0", r"\027[2J\010."),
        (b'\7 "$();@\0', r"\032\034\036\040\041\059\064."),
        (b"\5\\\x7f\x9b\xff\0\0", r"\092\127\155\255\000."),
    ],
)
def test_a_name_is_printed_without_anything_that_could_do_harm(name, text):
    assert format_name(name) == text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain text, with: punctuation", "plain text, with: punctuation"),
        ("a\nb\x1b[2J", r"a\010b\027[2J"),
        ("ü", r"\195\188"),
        ("\udcff", r"\255"),  # an octet that the file system could not decode
        ("\ud800", r"\063"),  # half a surrogate pair
        ("\u202e", r"\226\128\174"),
    ],
)
def test_any_text_becomes_printable_ascii(text, safe):
    assert escape_text(text) == safe


@given(st.text(st.characters(exclude_categories=())), st.integers(3, 60))
def test_escaped_text_stays_within_its_limit(text, limit):
    safe = escape_text(text, limit)
    assert len(safe) <= limit
    assert safe.isascii()
    assert safe.isprintable() or not safe


@given(wire_names, st.binary(max_size=20))
def test_a_name_without_pointers_is_read_as_it_stands(name, after):
    assert read_name(b"xx" + name + after, 2) == name
    assert skip_name(b"xx" + name + after, 2) == 2 + len(name)


@given(wire_names, st.integers(0, 7))
def test_a_compressed_name_is_read_as_the_whole(name, position):
    whole = list(suffixes(name))
    tail = whole[min(position, len(whole) - 1)]
    front = name[: len(name) - len(tail)]
    octets = tail + front + b"\xc0\x00"
    assert read_name(octets, len(tail)) == name
    assert skip_name(octets, len(tail)) == len(octets)


@pytest.mark.parametrize(
    ("octets", "position"),
    [
        (b"\xc0\x00", 0),  # a pointer to itself
        (b"\xc0\x02\x00", 0),  # forwards
        (b"\x01a\xc0\x00", 0),  # back to its own beginning
        (b"\x01a\xc0", 0),  # half a pointer
        (b"\x01a", 0),
        (b"\x02a", 0),
        (b"\x40" + b"a" * 64 + b"\0", 0),
        (b"\x01a" * 127 + b"\x01a\0", 0),  # 257 octets
        (b"\x3f" + b"a" * 63 + b"\0" + (b"\x3f" + b"a" * 63) * 3 + b"\xc0\x00", 65),  # 257 octets, by a pointer
    ],
)
def test_what_is_no_name_in_a_message(octets, position):
    with pytest.raises(WireError):
        read_name(octets, position)


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_octets_hold_a_name_or_none(octets, position):
    try:
        name = read_name(octets, position)
    except WireError:
        return
    assert find_name_end(name, 0) == len(name) <= MAX_NAME
