"""Endpoints, clients and users, as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.config.clients import (
    parse_account,
    parse_client,
    parse_endpoint,
    parse_network,
    parse_resolver,
    parse_user,
    split_resolver,
)
from blackhole_guard.config.problems import ValueProblem


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "127.0.0.1:5300",
        "::1",
        "[::1]",
        "[::1]:5300",
        "fe80::1%eth0",
        "[fe80::1%eth0]:53",
        "0.0.0.0",
        "::",
        "eth0",
        "eth0:53",
        "br-lan.10",
        "wg0@if3",
        "127.0.0.1:0",
    ],
)
def test_an_endpoint_is_kept_as_written(text):
    assert parse_endpoint(text) == text


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("127.0.0.256", "octet above 255", "0 to 255"),
        ("127.0.0.1:", "has no port behind the colon", "1 to 65535"),
        ("127.0.0.1:dns", "has no port behind the colon", "1 to 65535"),
        ("127.0.0.1:65536", "has no port behind the colon", "1 to 65535"),
        ("127.0.0.300:53", "octet above 255", "0 to 255"),
        ("eth0:99999", "has no port behind the colon", "1 to 65535"),
        ("[::1", "bracket that is not closed", "`[::1]:53`"),
        ("[::1]53", "bracket that is not closed", "`[::1]:53`"),
        ("[::1]:", "has no port", "1 to 65535"),
        ("[eth0]:53", "is no address", "IPv4 or IPv6"),
        ("1:2:3", "is no IPv6 address", "eight groups"),
        ("*", "neither an address nor an interface", "`eth0`"),
        ("tcp://127.0.0.1:53", "neither an address nor an interface", "`127.0.0.1:53`"),
        ("*:53", "neither an address nor an interface", "`127.0.0.1:53`"),
        ("http://127.0.0.1", "has no port behind the colon", "1 to 65535"),
        ("", "neither an address nor an interface", "`eth0`"),
        ("a b", "neither an address nor an interface", "`eth0`"),
    ],
)
def test_what_is_no_endpoint(text, what, hint):
    with pytest.raises(ValueProblem) as caught:
        parse_endpoint(text)
    assert what in caught.value.what and hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "client"),
    [
        ("local", "local"),
        ("loopback", "loopback"),
        ("any", "any"),
        ("10.0.0.3", "10.0.0.3"),
        ("FD00:0::1", "fd00::1"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("FD00::/8", "fd00::/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ],
)
def test_a_client_in_canonical_form(text, client):
    assert parse_client(text) == client


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("Local", "neither a group nor an address nor a block", "did you mean `local`?"),
        ("locla", "neither a group nor an address nor a block", "did you mean `local`?"),
        ("everybody", "neither a group nor an address nor a block", "write `local`, `loopback`, `any`"),
        ("10.0.0.3/8", "bits set behind its prefix", "`10.0.0.0/8`"),
        ("10.0.0", "has 3 octets", "four"),
        ("localhost/8", "is no address", "IPv4 or IPv6"),
        ("", "neither a group", "write `local`"),
    ],
)
def test_what_is_no_client(text, what, hint):
    with pytest.raises(ValueProblem) as caught:
        parse_client(text)
    assert what in caught.value.what and hint in caught.value.hint


@pytest.mark.parametrize("text", ["nobody", "blackhole-guard:dns", "65534", "_dns", "u.name:g_roup"])
def test_a_user(text):
    assert parse_user(text) == text


@pytest.mark.parametrize("text", ["", ":", "a:", ":g", "a b", "a:b:c", "-a", "x" * 40, "ü"])
def test_what_is_no_user(text):
    with pytest.raises(ValueProblem) as caught:
        parse_user(text)
    assert "is no user" in caught.value.what and "`user:group`" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "network"),
    [("192.0.2.53", "192.0.2.53"), ("2001:DB8:53::/48", "2001:db8:53::/48"), ("0.0.0.0", "0.0.0.0")],
)
def test_a_network_in_canonical_form(text, network):
    assert parse_network(text) == network


@pytest.mark.parametrize("text", ["local", "192.0.2.53/24", "ns1.example.com", ""])
def test_what_is_no_network(text):
    with pytest.raises(ValueProblem):
        parse_network(text)


@pytest.mark.parametrize("text", ["bind", "112", "4294967294", "_dns", "systemd-resolve"])
def test_an_account(text):
    assert parse_account(text) == text


@pytest.mark.parametrize("text", ["bind:bind", "", "a b", "-a"])
def test_what_is_no_account(text):
    with pytest.raises(ValueProblem) as caught:
        parse_account(text)
    assert "is no user or group" in caught.value.what


@given(
    st.sampled_from([parse_endpoint, parse_client, parse_user, parse_network, parse_account]),
    st.text() | st.from_regex(r"[0-9a-f:.\[\]/%]{0,20}", fullmatch=True),
)
def test_any_text_is_read_or_told(parse, text):
    try:
        parse(text)
    except ValueProblem as problem:
        assert problem.hint and (problem.what + problem.hint).isprintable()


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("192.0.2.53", "192.0.2.53", None),
        ("192.0.2.53:5300", "192.0.2.53", 5300),
        ("::1", "::1", None),
        ("[::1]", "::1", None),
        ("[::1]:5300", "::1", 5300),
        ("fe80::1%eth0", "fe80::1%eth0", None),
    ],
)
def test_a_resolver_is_kept_as_written(text, address, port):
    assert parse_resolver(text) == text
    assert split_resolver(text) == (address, port)


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("192.0.2.256", "octet above 255", "0 to 255"),
        ("192.0.2.53:", "has no port behind the colon", "1 to 65535"),
        ("192.0.2.53:dns", "has no port behind the colon", "1 to 65535"),
        ("192.0.2.53:0", "has the port 0", "1 to 65535"),
        ("[::1", "bracket that is not closed", "`[::1]:53`"),
        ("[::1]53", "bracket that is not closed", "`[::1]:53`"),
        ("[::1]:", "has no port", "1 to 65535"),
        ("eth0", "not the address of a resolver", "`127.0.0.53`"),
        ("dns.example.com:53", "not the address of a resolver", "`127.0.0.53`"),
        ("%eth0", "not the address of a resolver", "`127.0.0.53`"),
        ("fe80::1%", "not the address of a resolver", "`127.0.0.53`"),
        ("fe80::1%\x1b[2J", "not the address of a resolver", "`127.0.0.53`"),
        ("", "not the address of a resolver", "`127.0.0.53`"),
    ],
)
def test_what_is_no_resolver(text, what, hint):
    with pytest.raises(ValueProblem) as caught:
        parse_resolver(text)
    assert what in caught.value.what and hint in caught.value.hint


@given(st.text(max_size=60))
def test_any_text_is_a_resolver_or_a_problem(text):
    try:
        assert parse_resolver(text) == text
    except ValueProblem as problem:
        assert problem.what and problem.hint


@pytest.mark.parametrize("number", ["4294967295", "99999999999"])
def test_a_number_that_no_user_or_group_can_have(number):
    for parse, text in ((parse_account, number), (parse_user, number), (parse_user, f"bind:{number}")):
        with pytest.raises(ValueProblem) as caught:
            parse(text)
        assert str(caught.value.what) == f"{number} is no number of a user or group"
