"""The tops in a running observer, and in a whole server."""

import asyncio
import os
import signal
import socket
import time
from ipaddress import ip_address
from pathlib import Path
from random import Random

import dns.edns
import dns.message
import dns.rcode
import dns.reversename
import pytest
from services import Service
from supervisors import wait_until

from blackhole_guard.app import state_file
from blackhole_guard.app.leak_counts import CountsPipe
from blackhole_guard.app.tops import TopsKeeper
from blackhole_guard.leaks.clients import NETWORKS
from blackhole_guard.leaks.counts import LeakKey, Sampling, render_counts
from blackhole_guard.leaks.tops import Tops
from blackhole_guard.leaks.windows import WINDOWS, Window

CLIENT, ADDRESS = bytes((10, 0, 0, 1)), bytes((10, 9, 9, 9))
FLOOD = 6000  # queries


class Log:
    def __init__(self):
        self.errors = []

    def error(self, event, **fields):
        self.errors.append((event, fields))


@pytest.fixture
def pipe():
    made = CountsPipe()
    yield made
    made.close()


@pytest.fixture
def log():
    return Log()


def send(pipe, weight=1):
    for message in render_counts({LeakKey(CLIENT, ADDRESS, True): weight}, Sampling(0, 1)):
        pipe.writer.send(message)


async def end(task):
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def run(keeper, during=lambda: None):
    """Have a keeper run in a loop until it has had its turns."""

    async def work():
        task = asyncio.create_task(keeper.run())
        await asyncio.sleep(0)
        during()
        await asyncio.sleep(0.05)
        await end(task)
        keeper.close()

    asyncio.run(work())


class TestKeeper:
    def test_it_takes_what_workers_tell_and_goes_on_with_it(self, pipe, log, tmp_path):
        keeper = TopsKeeper(pipe.reader, str(tmp_path), "addresses", log)
        run(keeper, lambda: send(pipe, 3))
        again = TopsKeeper(pipe.reader, str(tmp_path), "addresses", log)
        run(again, lambda: send(pipe))
        report = TopsKeeper(pipe.reader, str(tmp_path), "addresses", log).tops.report(Window.DAY, time.time())
        assert [(top.client, top.address, top.count) for top in report.pairs] == [("10.0.0.1", "10.9.9.9", 4)]
        assert log.errors == []
        assert [path.name for path in tmp_path.iterdir()] == ["tops"]

    def test_what_waits_at_the_end_is_taken(self, pipe, log, tmp_path):
        keeper = TopsKeeper(pipe.reader, str(tmp_path), "addresses", log)

        async def work():
            task = asyncio.create_task(keeper.run())
            await asyncio.sleep(0)
            for _ in range(40):
                send(pipe)
            await end(task)
            keeper.close()

        asyncio.run(work())
        assert keeper.tops.report(Window.DAY, time.time()).total == 40

    def test_it_saves_from_time_to_time(self, pipe, log, tmp_path, monkeypatch):
        monkeypatch.setattr(state_file, "_SAVE_EVERY", 0.01)
        keeper = TopsKeeper(pipe.reader, str(tmp_path), "addresses", log)
        seen = []

        async def work():
            task = asyncio.create_task(keeper.run())
            send(pipe)
            await asyncio.sleep(0.3)
            seen.append((tmp_path / "tops").exists())
            await end(task)
            keeper.close()

        asyncio.run(work())
        assert seen == [True]

    def test_nothing_new_is_not_saved(self, pipe, log, tmp_path):
        run(TopsKeeper(pipe.reader, str(tmp_path), "addresses", log))
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("content", [b"", b"damaged", b"\x83" + bytes(1000)])
    def test_a_damaged_state_is_told_of_and_begun_anew(self, pipe, log, tmp_path, content):
        (tmp_path / "tops").write_bytes(content)
        keeper = TopsKeeper(pipe.reader, str(tmp_path), "addresses", log)
        assert [event for event, _ in log.errors] == ["the tops of averted leaks begin anew"]
        assert log.errors[0][1]["reason"].startswith("damaged")
        run(keeper, lambda: send(pipe))
        assert TopsKeeper(pipe.reader, str(tmp_path), "addresses", log).tops.report(Window.DAY, time.time()).total == 1

    def test_another_setting_is_told_of(self, pipe, log, tmp_path):
        (tmp_path / "tops").write_bytes(Tops(NETWORKS).dump())
        TopsKeeper(pipe.reader, str(tmp_path), "addresses", log)
        assert "telemetry.tops.clients" in log.errors[0][1]["reason"]

    def test_a_message_that_cannot_be_read_is_told_of_and_the_next_one_taken(self, pipe, log, tmp_path):
        keeper = TopsKeeper(pipe.reader, str(tmp_path), "addresses", log)

        def tell():
            pipe.writer.send(b"no message")
            send(pipe)

        run(keeper, tell)
        assert len(log.errors) == 1
        assert keeper.tops.report(Window.DAY, time.time()).total == 1

    def test_a_directory_that_cannot_be_written_to_is_told_of_once(self, pipe, log, tmp_path):
        keeper = TopsKeeper(pipe.reader, str(tmp_path / "gone"), "addresses", log)
        run(keeper, lambda: send(pipe))
        run(keeper, lambda: send(pipe))
        assert [event for event, _ in log.errors] == ["the tops of averted leaks cannot be saved"]
        assert keeper.tops.report(Window.DAY, time.time()).total == 2


def read_state(service):
    tops = Tops()
    tops.load(Path(service.state_dir, "tops").read_bytes(), time.time())
    return tops.report(Window.HOUR, time.time())


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "state").mkdir()
    return tmp_path


def start(folder, config="", **keep):
    made = Service(folder, "--state-dir", str(folder / "state"), config=config, **keep)
    return made.start()


class TestServer:
    def test_three_queries_are_three_and_stay_three_over_a_restart(self, folder):
        service = start(folder)
        with service:
            for tcp in (False, False, True):
                service.query("10.9.9.9", tcp=tcp)
            service.query("10.0.0.3")
            service.query("198.41.0.4")  # not ours
            assert service.stop() == 0
            report = read_state(service)
            assert [(top.client, top.count, top.error, top.sampling_error) for top in report.clients] == [
                ("127.0.0.1", 4, 0, 0)
            ]
            assert [(top.address, top.count) for top in report.addresses] == [("10.9.9.9", 3)]
            service.start()
            service.query("10.9.9.9")
            assert service.stop() == 0
            assert [(top.address, top.count) for top in read_state(service).addresses] == [("10.9.9.9", 4)]

    def test_an_observer_that_dies_takes_up_what_it_saved_and_what_was_sent_meanwhile(self, folder):
        with start(folder, workers=1) as service:
            service.query("10.9.9.9")
            time.sleep(1.2)  # a worker has told of it
            for number in (signal.SIGTERM, signal.SIGKILL):
                observer = service.children()["guard-observer"]
                os.kill(observer, number)
                wait_until(lambda gone=observer: service.children().get("guard-observer", gone) != gone)
                service.query("10.9.9.8")
            assert service.stop() == 0
            assert {top.address for top in read_state(service).addresses} == {"10.9.9.9", "10.9.9.8"}

    def test_switched_off_nothing_is_kept(self, folder):
        with start(folder, "telemetry: {tops: {enabled: false}}") as service:
            service.query("10.9.9.9")
            assert service.stop() == 0
            assert not (folder / "state" / "tops").exists()

    def test_clients_are_folded_by_setting(self, folder):
        with start(folder, "telemetry: {tops: {clients: networks}}") as service:
            service.query("10.9.9.9")
            assert service.stop() == 0
            tops = Tops(NETWORKS)
            tops.load((folder / "state" / "tops").read_bytes(), time.time())
            for window in WINDOWS:
                assert [top.client for top in tops.report(window, time.time()).clients] == ["127.0.0.0/24"]

    @pytest.mark.untraced
    def test_a_hostile_stream_makes_no_new_series(self, folder):
        """Random names, types, classes and client subnets; the series that there are after a few are all there are."""
        config = "server: {trusted_resolvers: [loopback]}"
        with start(folder, config, workers=1) as service:
            flood(service.address, seed=1)
            wait_until(lambda: queries(service) == FLOOD)
            first = series(service)
            flood(service.address, seed=2)
            wait_until(lambda: queries(service) == 2 * FLOOD)
            second = series(service)
            assert service.metric("blackhole_guard_tops_uncounted_total") == 0
            assert service.stop() == 0
            assert read_state(service).total > 1000
        assert second == first
        assert len(second) < 2000


def series(service):
    """The names and labels of all series."""
    _, text = service.read()
    return {line.rpartition(" ")[0] for line in text.splitlines() if line and not line.startswith("#")}


def queries(service):
    """How many have been counted."""
    _, text = service.read()
    lines = (line for line in text.splitlines() if line.startswith("blackhole_guard_queries_total{"))
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def flood(address, seed):
    """Send messages that hardly repeat, a few at a time, and read the answers.

    Kinds take turns, so that a short flood meets all that there are; the rest is chance.
    """
    chance = Random(seed)
    types = (*range(1, 60), 64, 65, 255, 257, 32769)
    starts = [int(ip_address(start)) for start in ("10.0.0.0", "172.16.0.0", "192.168.0.0", "203.0.0.0")]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(2)
        sock.connect(address)
        for number in range(FLOOD):
            block = starts[number // len(types) % len(starts)]
            host = block + (chance.getrandbits(8) << 8) + chance.randrange(1, 255)
            label = f"{chance.getrandbits(32):x}." if number // len(types) // len(starts) % 2 else ""
            options = [dns.edns.ECSOption(str(ip_address(chance.getrandbits(32))), 32)]
            name = f"{label}{ip_address(host).reverse_pointer}."
            query = dns.message.make_query(name, types[number % len(types)], options=options)
            sock.send(query.to_wire())
            if number % 16 == 15:
                for _ in range(16):
                    sock.recv(4096)


class TestProxies:
    HEADER = b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c" + bytes((10, 7, 7, 7)) + bytes(8)
    TCP_HEADER = HEADER[:13] + b"\x11" + HEADER[14:]

    def ask(self, service, kind):
        query = dns.message.make_query(dns.reversename.from_address("10.9.9.9"), "PTR").to_wire()
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.settimeout(5)
            sock.connect(service.address)
            if kind == socket.SOCK_DGRAM:
                sock.send(self.HEADER + query)
                return dns.message.from_wire(sock.recv(4096))
            sock.sendall(self.TCP_HEADER + len(query).to_bytes(2) + query)
            with sock.makefile("rb") as stream:
                return dns.message.from_wire(stream.read(int.from_bytes(stream.read(2))))

    def test_who_a_listed_proxy_names_is_who_asks(self, folder):
        config = "server: {trusted_proxies: [127.0.0.1], allow_query: [10.7.7.0/24]}"
        with start(folder, config) as service:
            assert self.ask(service, socket.SOCK_DGRAM).rcode() == dns.rcode.NXDOMAIN
            assert self.ask(service, socket.SOCK_STREAM).rcode() == dns.rcode.NXDOMAIN
            assert service.query("10.9.9.9").rcode() == dns.rcode.REFUSED  # the proxy itself may not
            assert service.stop() == 0
            assert [(top.client, top.count) for top in read_state(service).clients] == [("10.7.7.7", 2)]

    def test_nobody_else_is_believed(self, folder):
        with start(folder, "server: {trusted_proxies: [127.0.0.2]}") as service:
            assert self.ask(service, socket.SOCK_DGRAM).rcode() == dns.rcode.NOTIMP
            assert service.stop() == 0
            assert not (folder / "state" / "tops").exists()
