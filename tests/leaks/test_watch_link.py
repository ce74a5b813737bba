"""The way from `watch` to the observer, over real sockets: it never waits, and what it cannot tell it counts."""

import itertools
import os
import socket
from ipaddress import ip_address

import pytest
from test_watch_reports import see

from blackhole_guard.leaks.frame_streams import Stream
from blackhole_guard.leaks.traffic import Wait
from blackhole_guard.leaks.watch_link import State, WatchLink
from blackhole_guard.leaks.watch_reports import CONTENT_TYPE, parse_report
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.server.privileges import User, acting_as


class Observer:
    """What listens, and reads when it is told to."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(8)
        self.listener.settimeout(5)
        self.reports = []
        self.connection = None

    def accept(self):
        self.connection, _ = self.listener.accept()
        self.connection.setblocking(False)
        self.stream = Stream(CONTENT_TYPE)
        return self

    def read(self):
        """Read what is there; returns the names of the leaks in it."""
        found = []
        try:
            while octets := self.connection.recv(1 << 20):
                found += [parse_report(frame) for frame in self.stream.receive(octets)]
        except BlockingIOError:
            pass
        self.reports += found
        return [leak.address[-1] for report in found for leak in report.leaks]

    def close(self):
        self.listener.close()
        if self.connection is not None:
            self.connection.close()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "w.sock")


@pytest.fixture
def observer(path):
    made = Observer(path)
    yield made
    made.close()


@pytest.fixture
def told():
    return []


@pytest.fixture
def make_link(path, told):
    made = []

    def make(*paths, now=0.0):
        made.append(WatchLink(lambda: paths or (path,), lambda state, where: told.append((state, where)), now))
        return made[-1]

    yield make
    for link in made:
        link.close()


def leak(number):
    return see(bytes((len(str(number)),)) + str(number).encode() + b"\x010\x010\x0210\x07in-addr\x04arpa\0")


def test_leaks_and_waits_come_through_in_their_order(observer, make_link, told, path):
    link = make_link()
    observer.accept()
    assert observer.read() == []
    assert len(observer.reports) == 1  # it says that it is there
    for number in (1, 2, 3):
        link.add(leak(number))
    link.add_wait(Wait(leak(1), 0.5, 3))
    link.turn(0.5, lost_frames=7)
    assert observer.read() == [1, 2, 3]
    (report,) = observer.reports[1:]
    assert [wait.seconds for wait in report.waits] == [0.5]
    assert (report.lost.frames, report.lost.reports) == (7, 0)
    assert told == [(State.CONNECTED, path)]


def test_what_became_of_a_part_of_an_address_is_not_told(observer, make_link):
    link = make_link()
    observer.accept().read()
    part = leak(1)._replace(shape=Shape.PARTIAL)
    link.add(part)
    link.add_wait(Wait(part, 0.5, 3))
    link.turn(0.5)
    observer.read()
    assert [(len(report.leaks), len(report.waits)) for report in observer.reports[1:]] == [(1, 0)]


def test_nothing_new_is_not_told(observer, make_link):
    link = make_link()
    observer.accept().read()
    for number in range(10):
        link.turn(float(number))
    assert observer.read() == [] and len(observer.reports) == 1


def test_without_an_observer_it_says_so_once_and_finds_one_that_comes(make_link, path, told):
    link = make_link()
    link.add(leak(1))
    for number in range(1, 9):
        link.turn(number / 2)
    assert told == [(State.ABSENT, "")]
    late = Observer(path)
    link.turn(10.0)
    assert late.accept().read() == [1]
    assert told[1:] == [(State.CONNECTED, path)]
    late.close()


def test_the_first_path_with_somebody_behind_it_counts(make_link, observer, path, tmp_path, told):
    (tmp_path / "file").write_text("")
    make_link(str(tmp_path / "missing"), str(tmp_path / "file"), "/" + "x" * 200, path)
    assert told == [(State.CONNECTED, path)]


def test_one_that_it_may_not_connect_to_is_not_called_absent(make_link, observer, path, told):
    os.chmod(path, 0)
    with acting_as(User("nobody", 65534, 65534)):  # nothing stops root
        link = make_link("/missing/w.sock", path)
        link.turn(5.0)
    assert told == [(State.BARRED, path)]
    os.chmod(path, 0o600)
    link.turn(60.0)
    assert told[1:] == [(State.CONNECTED, path)]


def test_after_a_minute_without_one_nothing_is_kept_and_all_is_counted(make_link, path):
    link = make_link()
    link.add(leak(1))
    link.turn(61.0)
    link.add(leak(2))
    assert link.unsent == 2
    late = Observer(path)
    link.turn(72.0)
    link.add(leak(3))
    link.turn(72.5)
    assert late.accept().read() == [3]
    assert sum(report.lost.reports for report in late.reports) == 2
    late.close()


def test_an_observer_that_does_not_read_is_not_waited_for(observer, make_link):
    link = make_link()
    for number in range(60_000):
        link.add(leak(number % 256))
        link.add_wait(Wait(leak(1), None, None))
    assert link.unsent > 0
    observer.accept()
    seen = []
    for number in range(200):
        seen += observer.read()
        link.turn(number / 2)
    assert len(seen) + link.unsent == 60_000
    assert sum(report.lost.reports for report in observer.reports) == link.unsent
    assert seen[:512] == [number % 256 for number in range(512)]


def test_an_observer_that_starts_anew_gets_what_the_old_one_did_not(observer, make_link, path, told):
    link = make_link()
    observer.accept()
    seen = observer.read()
    for number in range(20_000):  # more than a socket takes: a message is half sent
        link.add(leak(number % 256))
    lost = link.unsent
    seen += observer.read()
    observer.connection.close()
    link.turn(20.0)
    link.turn(21.5)
    observer.accept()
    for number in range(50):
        seen += observer.read()
        link.turn(22 + number / 2)
    assert len(seen) == 20_000 - lost
    assert [state for state, _ in told] == [State.CONNECTED]


def test_the_supervisor_holds_the_socket_so_a_watch_waits_in_the_backlog(observer, make_link):
    link = make_link()
    link.add(leak(1))
    link.turn(1.0)
    assert observer.accept().read() == [1]


def test_who_is_sent_away_says_so_once_and_tries_ever_more_seldom(observer, make_link, told, path):
    link, now, connections = make_link(), 0.0, []
    observer.listener.settimeout(0)
    while now < 200:
        try:
            observer.listener.accept()[0].close()
            connections.append(now)
        except BlockingIOError:
            pass
        now += 0.5
        link.turn(now)
    gaps = [after - before for before, after in itertools.pairwise(connections)]
    assert told == [(State.CONNECTED, path), (State.SENT_AWAY, path)]
    assert gaps[0] < 4
    assert all(29 <= gap <= 33 for gap in gaps[-3:])


def test_who_is_let_in_after_all_says_so(observer, make_link, told, path):
    link = make_link()
    observer.accept().connection.close()
    for number in range(1, 40):
        link.turn(number / 2)
    assert [state for state, _ in told] == [State.CONNECTED, State.SENT_AWAY, State.CONNECTED]


def test_the_last_ones_are_sent_at_the_end(observer, make_link):
    link = make_link()
    link.add(leak(9))
    link.close()
    assert observer.accept().read() == [9]


def test_what_cannot_be_sent_by_the_end_is_counted(observer, make_link):
    link = make_link()
    for number in range(10_000):
        link.add(leak(number % 256))
    link.close()
    seen = observer.accept().read()
    assert 0 < len(seen) < 10_000
    assert len(seen) + link.unsent == 10_000


def test_no_descriptor_is_left_behind(make_link, tmp_path):
    link = make_link()
    before = len(os.listdir("/proc/self/fd"))
    for number in range(100):
        link.turn(float(number))
    assert len(os.listdir("/proc/self/fd")) == before


def test_leaks_of_the_test_are_what_they_seem():
    assert leak(7).address == ip_address("10.0.0.7").packed
