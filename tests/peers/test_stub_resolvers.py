"""Ours as the first `nameserver` of real stub resolvers, glibc's and musl's, with a recursive Unbound as the second.

All live in one namespace with an /etc/resolv.conf of its own. The second server has another name for 10.0.0.3, which
shows whose answer was taken; its log shows what it was asked.
"""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import namespaces
import pytest
from measured import write_measured
from peer_processes import Peer
from peer_programs import program
from peer_servers import guard, unbound
from stand_in_internet import PUBLIC_ADDRESS, PUBLIC_NAME, ROOT_HINTS, Internet, internet

FIRST, SECOND = "10.0.0.53", "10.0.0.54"
COUNT = 200
MAPS = {"ten.yaml": "zone: 10.0.0.0/8\nptr: {10.0.0.3: web.example.com}\n"}
OURS, THEIRS = "web.example.com", "web.second.example"
# The machine's own may ask systemd-resolved, mDNS or a directory first.
NSSWITCH = "hosts: files dns\n"

pytestmark = [pytest.mark.root, pytest.mark.peers("knotd", "unbound", "getent", *namespaces.PROGRAMS)]


@pytest.fixture
def net(request) -> Iterator[Internet]:
    """The servers that the test's parameter says, in /etc/resolv.conf in its order; all are running."""
    files = {
        "/etc/resolv.conf": "".join(f"nameserver {address}\n" for address in request.param),
        "/etc/nsswitch.conf": NSSWITCH,
    }
    with internet(FIRST, SECOND, files=files) as made:
        yield made


@contextmanager
def servers(net: Internet) -> Iterator[Peer]:
    """Both; gives the second."""
    hints = net.root.directory / "hints"
    hints.write_text(ROOT_HINTS)
    config = (
        f'server:\n  root-hints: {hints}\n  local-zone: "10.in-addr.arpa." transparent\n'
        f'  local-data-ptr: "10.0.0.3 {THEIRS}"\n'
    )
    with (
        guard(MAPS, host=net.host, address=FIRST, port=53),
        unbound(config, host=net.host, address=SECOND, port=53) as second,
    ):
        yield second


def asked(second: Peer) -> Counter[str]:
    """How often the second server was asked for each name: its log has `info: 10.0.0.53 NAME TYPE CLASS`."""
    return Counter(re.findall(r"info: \S+ (\S+\.) \S+ IN$", second.log, re.MULTILINE))


both = pytest.mark.parametrize("net", [(FIRST, SECOND)], indirect=True, ids=["both"])
ours_alone = pytest.mark.parametrize("net", [(FIRST,)], indirect=True, ids=["ours"])


class TestGlibc:
    @both
    def test_ours_answers_each_time_and_the_second_sees_nothing(self, net):
        loop = f"for i in $(seq {COUNT}); do getent hosts 10.0.0.3; done"
        with servers(net) as second:
            lines = net.host.run("sh", "-c", loop).splitlines()
            assert [line.split() for line in lines] == [["10.0.0.3", OURS]] * COUNT
            assert asked(second)["3.0.0.10.in-addr.arpa."] == 0

    @both
    def test_an_unmapped_address_has_no_name_and_the_second_sees_nothing(self, net):
        with servers(net) as second:
            assert net.host.run("getent", "hosts", "10.9.9.9", check=False) == ""
            assert asked(second) == {}
        assert net.leaks == []

    @both
    def test_a_name_that_only_the_second_knows_is_found_because_ours_refuses(self, net):
        with servers(net) as second:
            assert net.host.run("getent", "ahostsv4", PUBLIC_NAME).split()[0] == PUBLIC_ADDRESS
            assert asked(second)[f"{PUBLIC_NAME}."] >= 1

    @ours_alone
    def test_such_a_name_is_not_found_without_the_second(self, net):
        with servers(net):
            assert net.host.run("getent", "ahostsv4", PUBLIC_NAME, check=False) == ""


@pytest.fixture(scope="module")
def musl_lookups(tmp_path_factory) -> Path:
    """reverse_lookups.c, linked with musl."""
    path = tmp_path_factory.mktemp("musl") / "reverse_lookups"
    source = Path(__file__).parent / "reverse_lookups.c"
    subprocess.run([program("musl-gcc"), "-static", "-o", str(path), str(source)], check=True, timeout=60)
    return path


@pytest.mark.peers("musl-gcc")
class TestMusl:
    @ours_alone
    def test_ours_alone_answers_each_time(self, net, musl_lookups):
        with servers(net) as second:
            assert net.host.run(str(musl_lookups), str(COUNT), "10.0.0.3").splitlines() == [OURS] * COUNT
            assert asked(second) == {}

    @both
    def test_two_servers_are_a_race_and_the_second_sees_each_query(self, net, musl_lookups, request):
        with servers(net) as second:
            won = Counter(net.host.run(str(musl_lookups), str(COUNT), "10.0.0.3").splitlines())
            seen = asked(second)["3.0.0.10.in-addr.arpa."]
        assert won.total() == COUNT
        assert set(won) <= {OURS, THEIRS}  # one of the two each time, never an error
        assert seen > 0
        won_by = f"ours won {won[OURS]} of {COUNT} look-ups against an Unbound with an answer at hand"
        write_measured(request.config, "musl, two servers, ours first", f"{won_by}, which saw {seen} of them")
