"""Names as operators write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.config.names import is_reverse_name, parse_host_name, parse_mailbox
from blackhole_guard.config.problems import ValueProblem
from blackhole_guard.wire.names import format_name, pack_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("web.example.com", "web.example.com."),
        ("web.example.com.", "web.example.com."),
        ("Web.Example.COM", "Web.Example.COM."),
        ("3com.example.com", "3com.example.com."),  # RFC 1123 section 2.1
        ("1.2.3.example", "1.2.3.example."),
        ("localhost", "localhost."),
        ("a" * 63 + ".example.com", "a" * 63 + ".example.com."),
        ("bücher.example.com", "xn--bcher-kva.example.com."),  # RFC 5891
        ("straße.example.com", "xn--strae-oqa.example.com."),  # IDNA 2003 would have made it strasse
        ("xn--bcher-kva.example.com", "xn--bcher-kva.example.com."),
        ("faß.де", "xn--fa-hia.xn--d1ac."),
        ("3.0.0.10.in-addr.arpa", "3.0.0.10.in-addr.arpa."),
    ],
)
def test_a_host_name(text, name):
    host = parse_host_name(text)
    assert (format_name(host.wire), host.doubts) == (name, ())


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("web", "has only one label"),
        ("my_web.example.com", "has an underscore"),
        ("_sip._tcp.example.com", "has an underscore"),
        ("ab--cd.example.com", "has the label `ab--cd`, which IDNA 2008 does not know"),
        ("xn--a.example.com", "which IDNA 2008 does not know"),
    ],
)
def test_a_doubtful_host_name(text, what):
    host = parse_host_name(text)
    assert len(host.doubts) == 1
    assert what in host.doubts[0][0] and host.doubts[0][1]
    assert host.wire == pack_name(text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "there is no name"),
        (".", "is the root"),
        ("..", "empty label"),
        ("web..example.com", "empty label"),
        (".web.example.com", "empty label"),
        ("web.example.com..", "empty label"),
        ("a" * 64 + ".example.com", "label of 64 characters"),
        (".".join(["a" * 49] * 5) + ".abcdef", "longer than a name may be"),
        ("x" * 3000, "has 3000 characters"),
        ("-web.example.com", "begins or ends with a hyphen"),
        ("web-.example.com", "begins or ends with a hyphen"),
        ("web.-.com", "begins or ends with a hyphen"),
        ("w!b.example.com", "a character that host names have not: `!`"),
        ("web.example.com;", "a character that host names have not: `;`"),
        ("*.example.com", "is a wildcard"),
        ("admin@example.com", "is a mailbox"),
        ("http://example.com", "has a slash in it"),
        ("example.com/x", "has a slash in it"),
        ("a.example.com b.example.com", "blank or comma"),
        ("a.example.com,b.example.com", "blank or comma"),
        (" web.example.com", "blank or comma"),
        ("10.0.0.3", "is an address"),
        ("fd00::1", "is an address"),
        ("[fd00::1]", "is an address"),
        ("web.10", "ends in a number"),
        ("10.0.0", "ends in a number"),
        ("Bücher.example.com", "is no name by IDNA 2008"),
        ("bu\u0308cher.example.com", "is no name by IDNA 2008"),  # not in NFC
        ("a\u200db.example.com", "is no name by IDNA 2008"),
        ("☃.example.com", "is no name by IDNA 2008"),
        ("ü" * 64 + ".com", "label of 64 characters"),
        ("ü" * 63 + ".com", "is no name by IDNA 2008"),  # its A-label is too long
    ],
)
def test_what_is_no_host_name(text, what):
    with pytest.raises(ValueProblem) as caught:
        parse_host_name(text)
    assert what in caught.value.what and caught.value.hint


def test_the_longest_name():
    text = ".".join(["a" * 49] * 5) + ".abc"
    assert len(text) == 253
    assert len(parse_host_name(text).wire) == 255
    with pytest.raises(ValueProblem):
        parse_host_name(text + "d")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("admin@example.com", "admin.example.com."),
        ("admin.example.com", "admin.example.com."),
        ("first.last@example.com", r"first\046last.example.com."),  # RFC 1035 section 8
        (r"first\.last.example.com", r"first\046last.example.com."),
        (r"first\046last.example.com.", r"first\046last.example.com."),
        ("a+b@example.com", "a+b.example.com."),
        ("a+b.example.com", "a+b.example.com."),
        ("nobody.invalid", "nobody.invalid."),
        ("admin@bücher.example", "admin.xn--bcher-kva.example."),
    ],
)
def test_a_mailbox(text, name):
    assert format_name(parse_mailbox(text)) == name


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("admin", "is no mailbox"),
        ("", "is no mailbox"),
        ("@example.com", "is no mailbox"),
        ("a@b@example.com", "is no mailbox"),
        ("a b@example.com", "is no mailbox"),
        ("ä@example.com", "is no mailbox"),
        ("admin@", "there is no name"),
        ("admin@-x.com", "begins or ends with a hyphen"),
        ("admin@10.0.0.3", "is an address"),
        ("a" * 64 + "@example.com", "is no mailbox"),
        ("a" * 64 + ".example.com", "is no name"),
        (r"a\999b.example.com", "is no name"),
        ("a" * 63 + "@" + ".".join(["b" * 60] * 4), "is no name"),
    ],
)
def test_what_is_no_mailbox(text, what):
    with pytest.raises(ValueProblem) as caught:
        parse_mailbox(text)
    assert what in caught.value.what and caught.value.hint


@pytest.mark.parametrize(
    ("text", "reverse"),
    [
        ("3.0.0.10.in-addr.arpa", True),
        ("x.IN-ADDR.ARPA", True),
        ("1.IP6.arpa", True),
        ("in-addr.arpa", True),
        ("home.arpa", False),
        ("xin-addr.arpa", False),
    ],
)
def test_reverse_names(text, reverse):
    assert is_reverse_name(pack_name(text)) is reverse


@given(st.text(max_size=80) | st.from_regex(r"[A-Za-z0-9._-]{0,80}", fullmatch=True))
def test_any_text_is_a_name_or_told(text):
    for parse in (parse_host_name, parse_mailbox):
        try:
            parse(text)
        except ValueProblem as problem:
            assert problem.hint and (problem.what + problem.hint).isprintable()
            assert (problem.what + problem.hint).isascii()


@given(
    st.lists(st.from_regex(r"(?!..--)[A-Za-z]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?", fullmatch=True), min_size=2, max_size=8)
)
def test_a_name_of_letters_digits_and_hyphens_is_itself(labels):
    text = ".".join(labels)
    assert parse_host_name(text).wire == pack_name(text) == parse_host_name(text + ".").wire
