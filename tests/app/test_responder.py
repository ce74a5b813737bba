"""What answers in a worker, on real snapshots."""

import threading
import time

import pytest
from answers import Cells
from supervisors import wait_until

from blackhole_guard import loading
from blackhole_guard.app import responder
from blackhole_guard.app.board import Board
from blackhole_guard.server.roles import Transport
from blackhole_guard.store.errors import StoreError
from blackhole_guard.store.snapshot import Snapshot


@pytest.fixture
def cells(tmp_path):
    return Cells(tmp_path)


@pytest.fixture(params=["between queries", "beside queries"])
def follow(request, monkeypatch):
    """Have a responder follow; either it is asked seldom, or all the time."""
    is_busy = request.param == "beside queries"
    monkeypatch.setattr(responder, "_BUSY", 0 if is_busy else 1 << 30)

    def run(answering):
        answering.refresh()
        if is_busy:
            until = time.monotonic() + 10
            while answering._opening is not None and time.monotonic() < until:
                assert Cells.respond(answering)
                answering.refresh()
            assert answering._opening is None
        return Cells.respond(answering)

    return run


class TestFollowing:
    def test_it_answers_out_of_the_generation_in_force(self, cells, follow):
        cells.load("one.example.com")
        answering = cells.responder()
        follow(answering)
        assert b"\x03one" in follow(answering)
        generation = cells.board.control.generation
        cells.load("two.example.com")
        assert b"\x03two" in follow(answering)
        assert cells.board.control.generation > generation

    def test_without_a_new_generation_nothing_is_opened(self, cells, follow):
        cells.load("one.example.com")
        answering = cells.responder()
        follow(answering)
        for _ in range(100):
            answering.refresh()
        assert cells.opened == 1

    def test_limits_and_policy_come_with_it(self, cells, follow):
        cells.load("one.example.com", "server: {tcp: {idle: 7s}}")
        answering = cells.responder()
        follow(answering)
        assert answering.tcp_limits.idle == 7
        cells.load("one.example.com", "server: {tcp: {idle: 8s}, allow_query: [192.0.2.1]}")
        assert follow(answering)[3] & 15 == 5
        assert answering.tcp_limits.idle == 8

    def test_a_snapshot_that_cannot_be_read_leaves_the_old_one_and_is_not_tried_all_the_time(
        self, cells, follow, monkeypatch
    ):
        monkeypatch.setattr(responder, "_AGAIN", 0.2)
        cells.load("one.example.com")
        answering = cells.responder()
        follow(answering)
        good = cells.snapshot.read_bytes()
        cells.snapshot.rename(cells.snapshot.with_suffix(".old"))
        cells.snapshot.write_bytes(b"x" * 20_000)
        cells.board.control.generation += 1
        with pytest.raises(StoreError):
            follow(answering)
        for _ in range(100):
            answering.refresh()
        assert cells.opened == 2
        assert b"\x03one" in cells.respond(answering)
        new = cells.snapshot.with_suffix(".new")
        new.write_bytes(good)
        new.rename(cells.snapshot)
        time.sleep(0.25)
        follow(answering)
        assert b"\x03one" in cells.respond(answering)

    def test_settings_that_this_program_does_not_know_leave_the_old_ones(self, cells, follow, monkeypatch):
        cells.load("one.example.com")
        answering = cells.responder()
        follow(answering)
        with monkeypatch.context() as other_version:
            other_version.setattr(loading.msgspec.json, "encode", lambda value: b'{"nobody": "knows"}')
            cells.load("two.example.com")
        with pytest.raises(ValueError, match="nobody"):
            follow(answering)
        assert b"\x03one" in cells.respond(answering)

    def test_a_worker_that_started_between_a_load_and_its_announcement(self, cells, follow):
        cells.load("one.example.com", announce=False)
        cells.board.control.generation = 1  # the one before
        answering = cells.responder()
        follow(answering)
        cells.announce()
        assert b"\x03one" in follow(answering)
        assert cells.opened == 1  # LMDB does not bear a file twice in one process

    def test_who_asks_all_the_time_is_answered_out_of_the_old_one_until_the_new_is_open(self, cells, monkeypatch):
        monkeypatch.setattr(responder, "_BUSY", 0)
        cells.load("one.example.com")
        held, go_on = threading.Event(), threading.Event()
        answering = cells.responder()
        answering.refresh()
        read_policy = responder.read_policy
        monkeypatch.setattr(
            responder, "read_policy", lambda server: (held.set(), go_on.wait(10), read_policy(server))[2]
        )
        cells.load("two.example.com")
        answering.refresh()
        assert held.wait(10)
        for _ in range(100):
            assert b"\x03one" in cells.answer(answering)
        cells.load("three.example.com")  # it will open what stands by then, or open again
        go_on.set()
        wait_until(lambda: b"\x05three" in cells.answer(answering))
        wait_until(lambda: threading.active_count() == 1)  # the old ones are given up


def test_an_error_that_nobody_expected_is_told_of(cells, monkeypatch):
    cells.load("web.example.com")
    answering = cells.responder()
    answering.refresh()
    monkeypatch.setattr(Snapshot, "find_rrsets", lambda self, name: 1 / 0)
    assert cells.respond(answering)[3] & 15 == 2  # SERVFAIL
    assert [type(error) for error in cells.errors] == [ZeroDivisionError]


def test_what_is_counted_comes_out_by_folding(tmp_path):
    cells = Cells(tmp_path)
    cells.load("one.example.com")
    answering = cells.responder()
    answering.refresh()
    cells.respond(answering)
    cells.respond(answering, transport=Transport.TCP)
    cell = cells.board.pages.layout.cell("leaks_averted", "10.0.0.0/8", "as112", "host", "answered")
    assert cells.board.pages.sum(cell) == 0
    answering.fold(time.monotonic())
    answering.fold(time.monotonic())
    assert cells.board.pages.sum(cell) == 2


def test_the_board_is_what_the_supervisor_asks_for():
    board = Board(2)
    board.control.beat(1, 5.0)
    assert board.last_beat(1) == 5.0
    board.set_serving(1, True)
    assert board.control.workers_alive == 1
    board.pages.page(1)[board.pages.layout.cell("tcp_connections")] = 3
    board.note_death(1)
    assert board.control.restarts(1) == 1
    assert board.pages.sum(board.pages.layout.cell("tcp_connections")) == 0
    board.note_load("loaded", 7)
    board.note_load("failed", 0)
    assert board.control.generation == 7
    assert board.control.sources_broken
    assert board.pages.count == 4


def test_a_look_just_before_makes_no_busy_worker(cells):
    cells.load("one.example.com")
    answering = cells.responder()
    answering.refresh()
    for name in ("two", "three", "four"):
        cells.load(f"{name}.example.com")
        for _ in range(3):  # as a tick and two queries
            assert name.encode() in cells.answer(answering)
        time.sleep(0.01)


@pytest.mark.parametrize("fails_at", [1, 2])  # the thread that opens, the one that closes
def test_without_threads_queries_wait_and_nothing_else_is_different(cells, monkeypatch, fails_at):
    monkeypatch.setattr(responder, "_BUSY", 0)
    started = []

    class Failing(threading.Thread):
        def start(self):
            started.append(self)
            if len(started) == fails_at:
                raise RuntimeError("can't start new thread")
            super().start()

    cells.load("one.example.com")
    answering = cells.responder()
    answering.refresh()
    monkeypatch.setattr(responder, "Thread", Failing)
    cells.load("two.example.com")
    wait_until(lambda: b"\x03two" in cells.answer(answering))
    wait_until(lambda: threading.active_count() == 1)
    assert (cells.errors, len(started)) == ([], fails_at)
