"""`watch` beside resolvers that leak, in a stand-in internet: it counts what the blackholes count."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import dns.message
import dns.rdatatype
import dns.reversename
import metrics_page
import namespaces
import pytest
from peer_processes import Peer, stop
from peer_programs import program
from peer_servers import bind, guard, unbound
from stand_in_internet import AS112, ROOT_HINTS, Internet, internet
from supervised import children_of
from supervisors import wait_until

RESOLVER = "10.0.0.53"

pytestmark = [pytest.mark.root, pytest.mark.peers("knotd", "named", "unbound", "dig", *namespaces.PROGRAMS)]


@pytest.fixture
def net() -> Iterator[Internet]:
    with internet(RESOLVER) as made:
        yield made


class Watch:
    """A running `watch --json`; its lines come when it has ended."""

    def __init__(self, process: subprocess.Popen[str], out: IO[str], told: str) -> None:
        self.process = process
        self.out = out
        self.told = told  # how it stands with the observer
        self.leaks: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}

    def end(self, *, code: int = 0) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=30) == code
        self.out.seek(0)
        lines = [json.loads(line) for line in self.out]
        self.leaks, self.summary = [line for line in lines if line["event"] == "leak"], lines[-1]
        assert self.summary["event"] == "summary"


@contextmanager
def watching(net: Internet, *words: str, server: Peer | None = None, by: Sequence[str] = ()) -> Iterator[Watch]:
    """Run it; `by`: the beginning of a command that does."""
    state = "/nonexistent" if server is None else str(server.directory / "state")  # others' servers are not for us
    command = [*by, sys.executable, "-m", "blackhole_guard", "watch", "--json", "--state-dir", state, *words]
    with tempfile.TemporaryFile("w+") as out:  # a pipe that is not read would hold it up
        process = subprocess.Popen(
            net.host.command(command), stdout=out, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
        )
        try:
            assert process.stderr is not None
            assert "watching" in process.stderr.readline()  # frames are in the ring from here on
            yield Watch(process, out, process.stderr.readline())
        finally:
            stop(process)
            process.stderr.close()


def ask_all(resolver: Peer, count: int) -> None:
    for number in range(count):
        name = dns.reversename.from_address(f"10.{number}.0.3")
        resolver.ask(dns.message.make_query(name, "PTR"), seconds=20)


@pytest.fixture(params=["bind", "unbound"])
def resolver(request, net) -> Iterator[Peer]:
    hints = net.root.directory / "hints"
    hints.write_text(ROOT_HINTS)
    if request.param == "bind":
        config, options = (
            f'zone "." {{ type hint; file "{hints}"; }};\n',
            "empty-zones-enable no; dnssec-validation no;",
        )
        with bind(config, options=options, host=net.host, address=RESOLVER, port=53) as peer:
            yield peer
    else:
        config = f'server:\n  root-hints: {hints}\n  local-zone: "10.in-addr.arpa." nodefault\n'
        with unbound(config, host=net.host, address=RESOLVER, port=53) as peer:
            yield peer


def test_it_sees_each_query_that_the_blackholes_get_and_each_response(net, resolver):
    net.leaks.clear()
    with watching(net) as watch:
        assert watch.told.startswith("no server is found to report to")
        ask_all(resolver, 50)
        ask_all(resolver, 50)  # from the resolver's cache: no leaks
        watch.end()
    seen = Counter((leak["server"], leak["name"], leak["qtype"]) for leak in watch.leaks)
    assert seen == Counter(net.leaks)
    hosts = [leak for leak in watch.leaks if leak["shape"] == "host"]
    assert {leak["address"] for leak in hosts} == {f"10.{number}.0.3" for number in range(50)}
    rows = watch.summary["blocks"]
    assert {(row["sink"], row["block"]) for row in rows} == {("as112", "10.0.0.0/8")}
    assert sum(row["leaks"] for row in rows) == len(hosts)
    assert sum(row["minimised"] for row in rows) == len(watch.leaks) - len(hosts)
    assert sum(row["answered"] for row in rows) == len(hosts)
    assert all(0 < row["median_seconds"] < row["waited_seconds"] for row in rows)
    assert watch.summary["drops"] == 0


def read_observer(net: Internet) -> dict[str, float]:
    """What the observer has of packets: leaks by their shape, and what became of them."""
    found = {"partial": sum(metrics_page.samples(net.host, "leaks_observed_partial_total").values())}
    for labels, value in metrics_page.samples(net.host, "leaks_observed_total").items():
        named = dict(labels)
        assert named["via"] == "packets"
        if value:
            assert (named["block"], named["sink"], named["certainty"]) == ("10.0.0.0/8", "as112", "observed")
            found[named["shape"]] = value
    for name in ("leak_responses", "leak_response_seconds", "leaks_unanswered"):
        found[name] = sum(metrics_page.samples(net.host, f"{name}_total").values())
    return found


def test_the_observer_of_a_server_has_what_it_sees(net, resolver):
    with guard({}, host=net.host, port=5300, metrics=metrics_page.PORT) as server:
        net.leaks.clear()
        with watching(net, server=server) as watch:
            assert watch.told == f"reporting to the observer at {server.directory}/state/watch.sock\n"
            ask_all(resolver, 20)
            wait_until(lambda: read_observer(net).get("host", 0) >= 20, 15)
            watch.end()
        rows = watch.summary["blocks"]
        leaks = sum(row["leaks"] for row in rows)
        wait_until(lambda: read_observer(net)["leak_responses"] == leaks, 15)
        found = read_observer(net)
        assert found["host"] == leaks == len(net.leaks) - found["partial"]
        assert found["leak_response_seconds"] == pytest.approx(sum(row["waited_seconds"] for row in rows))
        assert watch.summary["unreported"] == 0


def observer_of(server: Peer) -> int:
    """The observer's process; it may start later than queries are answered."""
    wait_until(lambda: "guard-observer" in children_of(server.process.pid), 15)
    return children_of(server.process.pid)["guard-observer"]


def size(file: IO[str]) -> int:
    return os.fstat(file.fileno()).st_size


def test_an_observer_that_is_stopped_does_not_hold_it_up(net):
    with guard({}, host=net.host, port=5300, metrics=metrics_page.PORT) as server:
        observer = observer_of(server)
        with watching(net, server=server) as watch, net.host.socket() as sock:
            wait_until(lambda: metrics_page.samples(net.host, "watches") == {frozenset(): 1.0}, 15)
            os.kill(observer, signal.SIGSTOP)
            try:
                for number in range(1500):  # with their responses they fit into the ring, but not into the socket
                    name = dns.name.Name((b"x" * 60, b"x" * 60, b"%d" % number, b"10", b"in-addr", b"arpa", b""))
                    sock.sendto(dns.message.make_query(name, "PTR", id=number).to_wire(), (AS112[0], 53))
                wait_until(lambda: size(watch.out) > 1500 * len(name), 15)
                watch.end()
            finally:
                os.kill(observer, signal.SIGCONT)
        assert (watch.summary["leaks"], watch.summary["drops"]) == (1500, 0)
        reported = 1500 - watch.summary["unreported"]
        assert 0 < reported < 1500
        wait_until(lambda: read_observer(net).get("junk", 0) == reported, 15)


def test_it_sees_queries_and_updates_over_udp_and_tcp_on_the_interface_it_was_told(net):
    net.leaks.clear()
    with watching(net, "lo") as watch:
        for server in AS112:
            for words in ((), ("+tcp",)):
                net.host.run(program("dig"), f"@{server}", "-x", "192.168.1.7", *words, "+tries=1", "+time=5")
        update = dns.message.make_query("168.192.in-addr.arpa.", "SOA")
        update.set_opcode(5)
        with net.host.socket() as sock:
            sock.sendto(update.to_wire(), (AS112[0], 53))
        watch.end()
    shapes = Counter(leak["shape"] for leak in watch.leaks)
    assert shapes == {"host": 2 * len(AS112), "update": 1}
    assert Counter(leak["server"] for leak in watch.leaks if leak["shape"] == "host") == dict.fromkeys(AS112, 2)
    assert {leak["sink"] for leak in watch.leaks} == {"as112", "as112-dname"}
    assert watch.summary["counts"]["responses"] >= 2 * len(AS112)


def test_people_get_ten_lines_a_second_and_nothing_that_a_name_could_do_to_their_terminal(net):
    command = [sys.executable, "-m", "blackhole_guard", "watch", "--no-report", "--count", "400"]
    process = subprocess.Popen(
        net.host.command(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    try:
        assert process.stderr is not None
        process.stderr.readline()
        with net.host.socket() as sock:
            for number in range(400):
                name = dns.name.Name((b"\x1b[2J\n\x9b%d" % number, b"10", b"in-addr", b"arpa", b""))
                sock.sendto(dns.message.make_query(name, "PTR", id=number).to_wire(), (AS112[1], 53))
        out, _ = process.communicate(timeout=30)
    finally:
        stop(process)
    assert process.returncode == 1
    lines = out.splitlines()
    assert all(octet == 0x0A or 0x20 <= octet < 0x7F for octet in out)
    shown = [line for line in lines if b" junk PTR \\027[2j\\010\\155" in line]
    suppressed = [int(line[1:].split()[0]) for line in lines if b"suppressed" in line]
    assert 10 <= len(shown) < 400
    assert len(shown) + sum(suppressed) == 400


@pytest.mark.untraced  # nobody may not write coverage's data, and the end of this process is what is looked at
def test_an_interface_that_goes_down_ends_it(net):
    command = [sys.executable, "-m", "blackhole_guard", "watch", "--no-report", "lo"]
    process = subprocess.Popen(net.host.command(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        process.stderr.readline()
        net.host.run(program("ip"), "link", "set", "lo", "down")
        _, said = process.communicate(timeout=30)
    finally:
        stop(process)
    assert (process.returncode, said) == (1, "lo: Network is down; no interface is left\n")


def make_interfaces(net: Internet, *names: str) -> None:
    for name in names:
        net.host.run(program("ip"), "link", "add", name, "type", "veth", "peer", "name", f"{name}-far")
        net.host.run(program("ip"), "link", "set", name, "up")


@pytest.mark.untraced  # nobody may not write coverage's data, and the end of this process is what is looked at
def test_of_several_interfaces_the_others_are_watched_on_until_none_is_left(net):
    make_interfaces(net, "one", "two")
    command = [sys.executable, "-m", "blackhole_guard", "watch", "--no-report", "one", "two"]
    process = subprocess.Popen(net.host.command(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "watching one, two\n"
        net.host.run(program("ip"), "link", "del", "one")
        assert process.stderr.readline() == "one: Network is down; watching two\n"
        net.host.run(program("ip"), "link", "set", "two", "down")
        _, said = process.communicate(timeout=30)
    finally:
        stop(process)
    assert (process.returncode, said) == (1, "two: Network is down; no interface is left\n")


def test_after_one_is_gone_the_other_is_still_seen_and_the_exit_code_says_it(net):
    make_interfaces(net, "one")
    with watching(net, "one", "lo") as watch:
        net.host.run(program("ip"), "link", "del", "one")
        assert watch.process.stderr.readline() == "one: Network is down; watching lo\n"
        net.host.run(program("dig"), f"@{AS112[0]}", "-x", "192.168.1.7", "+tries=1", "+time=5")
        watch.end(code=1)
    assert [leak["address"] for leak in watch.leaks] == ["192.168.1.7"]


def privileges_of(watch: Watch) -> dict[str, list[str]]:
    """What proc(5) says of a process that has just given up its privileges."""

    def read() -> dict[str, list[str]]:
        with open(f"/proc/{watch.process.pid}/status") as file:
            return {name: rest.split() for name, _, rest in (line.partition(":") for line in file)}

    wait_until(lambda: read()["NoNewPrivs"] == ["1"], 15)  # the last that it gives up
    return read()


@pytest.mark.parametrize(("words", "uid"), [((), "65534"), (("--user", "daemon"), "1")])
def test_of_root_nothing_is_left_when_it_reads_what_strangers_send(net, words, uid):
    with watching(net, *words) as watch:
        status = privileges_of(watch)
        net.host.run(program("dig"), f"@{AS112[0]}", "-x", "192.168.1.7", "+tries=1", "+time=5")
        watch.end()
    assert status["Uid"] == status["Gid"] == [uid] * 4
    assert status["Groups"] in ([], [uid])
    assert {int(status[name][0], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
    assert [leak["address"] for leak in watch.leaks] == ["192.168.1.7"]


def test_as_the_servers_user_it_reports_to_a_new_observer_too(net):
    settings = {"server": {"user": "daemon"}}
    with guard({}, settings=settings, host=net.host, port=5300, metrics=metrics_page.PORT) as server:
        observer = observer_of(server)
        with watching(net, server=server) as watch:
            assert privileges_of(watch)["Uid"] == ["1"] * 4
            wait_until(lambda: metrics_page.samples(net.host, "watches") == {frozenset(): 1.0}, 15)
            os.kill(observer, signal.SIGKILL)
            wait_until(lambda: children_of(server.process.pid).get("guard-observer", observer) != observer, 15)
            net.host.run(program("dig"), f"@{AS112[0]}", "-x", "10.0.0.3", "+tries=1", "+time=5")
            wait_until(lambda: is_published(net) and read_observer(net).get("host") == 1, 20)
            watch.end()
    assert watch.summary["unreported"] == 0


def is_published(net: Internet) -> bool:
    try:
        return bool(metrics_page.samples(net.host, "watches"))
    except OSError:  # a new observer may take a while to start
        return False


def test_it_needs_no_more_than_one_capability_and_gives_that_up(net):
    words = [
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=-all,+net_raw",
        "--ambient-caps=-all,+net_raw",
        "--bounding-set=-all,+net_raw",
    ]
    with watching(net, by=[program("setpriv"), *words]) as watch:
        status = privileges_of(watch)
        watch.end()
    assert {int(status[name][0], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}


@pytest.mark.parametrize(
    ("left", "told"), [("-all", "watching interfaces takes CAP_NET_RAW"), ("-all,+net_raw", "cannot become nobody: ")]
)
def test_with_less_than_it_needs_it_does_not_begin(net, left, told):
    words = [program("setpriv"), f"--bounding-set={left}", "--inh-caps=-all"]
    watch = [sys.executable, "-m", "blackhole_guard", "watch", "--no-report", "--seconds", "9"]
    done = subprocess.run(net.host.command([*words, *watch]), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr
