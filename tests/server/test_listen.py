"""Entries of `listen` become endpoints, or say why not."""

import subprocess
import sys
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.server.listen import Endpoint, ListenError, find_interfaces, format_endpoint, parse_listen

INTERFACES = {
    "lo": [(IPv4Address("127.0.0.1"), 0), (IPv6Address("::1"), 0)],
    "eth0": [(IPv4Address("10.0.0.53"), 0), (IPv6Address("fe80::53"), 7)],
    "eth0:1": [(IPv4Address("10.0.0.54"), 0)],
}


class TestEntries:
    @pytest.mark.parametrize(
        ("entries", "expected"),
        [
            (["127.0.0.1"], ["127.0.0.1:53"]),
            (["127.0.0.1:5300"], ["127.0.0.1:5300"]),
            (["::1"], ["[::1]:53"]),
            (["::1:5300"], ["[::1:5300]:53"]),  # without brackets it is all address
            (["[::1]"], ["[::1]:53"]),
            (["[::1]:5300"], ["[::1]:5300"]),
            (["[fe80::1%7]:5300"], ["[fe80::1%7]:5300"]),
            (["fe80::1%lo"], ["[fe80::1%1]:53"]),
            (["lo"], ["127.0.0.1:53", "[::1]:53"]),
            (["eth0"], ["10.0.0.53:53", "[fe80::53%7]:53"]),
            (["eth0:5300"], ["10.0.0.53:5300", "[fe80::53%7]:5300"]),
            (["eth0:1"], ["10.0.0.54:53"]),  # an alias, not port 1
            (["127.0.0.1", "lo", "127.0.0.1:53"], ["127.0.0.1:53", "[::1]:53"]),
            (["0.0.0.0", "10.0.0.1", "10.0.0.1:54", "::1"], ["0.0.0.0:53", "10.0.0.1:54", "[::1]:53"]),
            (["::", "::1", "127.0.0.1"], ["[::]:53", "127.0.0.1:53"]),
            (["127.0.0.1:0", "0.0.0.0:0"], ["127.0.0.1:0", "0.0.0.0:0"]),
        ],
    )
    def test_an_entry_becomes_endpoints(self, entries, expected):
        assert [str(each) for each in parse_listen(entries, 53, lambda: INTERFACES)] == expected

    @pytest.mark.parametrize(
        ("entry", "fragment"),
        [
            ("127.0.0.1:", "is no port"),
            ("127.0.0.1:65536", "is no port"),
            ("127.0.0.1:-1", "is no port"),
            ("127.0.0.1:٥٣", "is no port"),
            ("[::1]:x", "is no port"),
            ("[::1", "write [address]:port"),
            ("[::1]53", "write [address]:port"),
            ("[127.0.0.1]:53", "only an IPv6 address"),
            ("localhost", "the interfaces are: eth0, eth0:1, lo"),
            ("lo:x", "is no port"),
            ("127.0.0.01", "neither an address nor an interface"),
            ("10.0.0.0/8", "neither an address nor an interface"),
            ("::ffff:10.0.0.1", "write the IPv4 address, 10.0.0.1"),
            ("fe80::1", "needs its interface"),
            ("fe80::1%nosuch", "there is no interface nosuch"),
            ("224.0.0.251", "not the address of one host"),
            ("ff02::fb", "not the address of one host"),
            ("255.255.255.255", "not the address of one host"),
            ("", "neither an address nor an interface"),
        ],
    )
    def test_an_entry_that_is_none_says_why(self, entry, fragment):
        with pytest.raises(ListenError) as error:
            parse_listen([entry, "127.0.0.1"], 53, lambda: INTERFACES)
        (problem,) = error.value.problems
        assert repr(entry) in problem
        assert fragment in problem

    def test_all_problems_come_at_once(self):
        with pytest.raises(ListenError) as error:
            parse_listen(["nosuch0", "127.0.0.1:x", "127.0.0.1"], 53, lambda: INTERFACES)
        assert len(error.value.problems) == 2

    def test_an_empty_list_is_a_problem(self):
        with pytest.raises(ListenError, match="nothing to listen on"):
            parse_listen([], 53)

    def test_no_interfaces_at_all(self):
        with pytest.raises(ListenError, match="the interfaces are: none"):
            parse_listen(["eth0"], 53, dict)

    def test_the_interfaces_of_this_machine(self):
        assert (IPv4Address("127.0.0.1"), 0) in find_interfaces()["lo"]

    @given(st.text(max_size=40))
    def test_any_text_parses_or_is_a_listen_error(self, text):
        try:
            endpoints = parse_listen([text], 53, lambda: INTERFACES)
        except ListenError:
            return
        assert endpoints

    @given(st.ip_addresses(), st.integers(0, 65535))
    def test_what_is_formatted_parses_back_equal(self, address, port):
        try:
            (parsed,) = parse_listen([format_endpoint(str(address), port)], 53)
        except ListenError:
            assert (
                address.is_multicast or address.is_link_local or address.is_reserved or address.packed[:10] == bytes(10)
            )
        else:
            assert parsed == Endpoint(address, port)


def test_only_who_names_an_interface_pays_for_finding_them():
    script = (
        "import sys; from blackhole_guard.server.listen import parse_listen;"
        "parse_listen(['127.0.0.1', '::1'], 53); assert 'ifaddr' not in sys.modules;"
        "parse_listen(['lo'], 53); assert 'ifaddr' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)
