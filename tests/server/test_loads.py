"""Loads whose loader cannot be started, or says too much; all else is tested with a real supervisor."""

import json
import os
import subprocess
import sys
import time

import pytest
from supervisors import wait_until

from blackhole_guard.server import loads
from blackhole_guard.server.loads import Loads, Purpose
from blackhole_guard.server.poller import Poller
from blackhole_guard.server.processes import fork_child, reap

GOOD = {"result": "loaded", "text": "fine", "generation": 1, "serving": True, "watch": True}


class Rig:
    """Loads with real forks, as long as they shall succeed."""

    def __init__(self):
        self.poller = Poller()
        self.fails = False
        self.results, self.purposes = [], []
        self.report = json.dumps(GOOD).encode()
        self.work = lambda request: None
        self.loads = Loads(
            self.poller,
            self.fork,
            self.run,
            on_begin=lambda: None,
            on_result=self.results.append,
            clock=time.monotonic,
        )

    def fork(self, run, first):
        if self.fails:
            raise OSError(12, "Cannot allocate memory")
        return fork_child("loader", run, first=first)

    def run(self, request, begun):
        self.work(request)
        if request.purpose is Purpose.WATCH:
            time.sleep(60)
        return self.report

    def turn(self):
        self.poller.turn(0.02)
        for child in reap():
            self.loads.take_exit(child)
        self.loads.tick(time.monotonic())

    def await_result(self, number=1):
        def has_come():
            self.turn()
            return len(self.results) == number

        wait_until(has_come)
        return self.results[-1]


@pytest.fixture
def rig():
    made = Rig()
    yield made
    made.loads.stop()
    while made.loads.pid is not None:
        made.turn()
    made.poller.close()


def test_without_memory_for_a_loader_it_is_a_failed_load(rig):
    rig.fails = True
    answers = []
    rig.loads.ask(answer=answers.append)
    result = rig.await_result()
    assert (result.result, result.reported) == ("failed", False)
    assert "no loader could be started: Cannot allocate memory" in result.text
    assert json.loads(answers[0])["result"] == "failed"


def test_without_a_descriptor_for_the_report_it_is_a_failed_load(rig, monkeypatch):
    def fail():
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as short:
        short.setattr(loads.os, "pipe", fail)
        rig.loads.ask()
    result = rig.await_result()
    assert (result.result, result.reported) == ("failed", False)
    assert "no loader could be started: Too many open files" in result.text


def test_without_memory_for_a_watcher_it_is_tried_again_later(rig):
    rig.loads.ask()
    rig.fails = True  # from the next one on
    rig.await_result(4)
    assert rig.loads.deadline() > time.monotonic()
    rig.fails = False
    wait_until(lambda: (rig.turn(), rig.loads.pid is not None)[1])
    assert rig.results[-1].watch


def test_a_report_without_end_is_cut_off(rig, monkeypatch):
    monkeypatch.setattr(loads, "_LARGEST", 100_000)
    rig.report = b"x" * 10_000_000
    rig.loads.ask()
    result = rig.await_result()
    assert result.result == "failed"
    assert "killed by SIGKILL" in result.text


def policy():
    return os.sched_getscheduler(0), os.nice(0)


def test_the_first_load_takes_its_share_and_the_next_ones_yield(rig, tmp_path):
    seen = tmp_path / "seen"

    def note(request):
        with seen.open("a") as file:
            file.write(f"{request.purpose.name} {policy()}\n")

    rig.work = note
    rig.loads.ask()
    rig.await_result()
    rig.loads.ask()
    rig.await_result(2)
    normal, yielding = policy(), (os.SCHED_IDLE, os.nice(0))
    wait_until(lambda: (rig.turn(), seen.read_text().count("WATCH"))[1])
    lines = seen.read_text().splitlines()
    assert lines[0] == f"LOAD {normal}"
    assert {line for line in lines[1:] if line.startswith("LOAD")} == {f"LOAD {yielding}"}
    assert {line for line in lines[1:] if line.startswith("WATCH")} == {f"WATCH {yielding}"}


@pytest.fixture
def busy_cpu():
    """A CPU that another process keeps busy all the time."""
    cpu = max(os.sched_getaffinity(0))
    hog = subprocess.Popen(["taskset", "-c", str(cpu), sys.executable, "-c", "while True: pass"])
    yield cpu
    hog.kill()
    hog.wait()


@pytest.mark.alone
def test_a_load_that_gets_no_cpu_begins_anew_with_a_small_share(rig, busy_cpu, monkeypatch):
    monkeypatch.setattr(loads, "_STARVED", 0.5)
    answers = []
    rig.loads.ask()
    rig.await_result()

    def work(request):
        os.sched_setaffinity(0, {busy_cpu})
        rig.report = json.dumps({**GOOD, "watch": False, "text": f"{request.force} {policy()}"}).encode()
        until = time.process_time() + 0.2  # of CPU: 0.3 % of it take a minute
        while time.process_time() < until:
            pass

    rig.work = work
    rig.loads.ask(force=True, answer=answers.append)
    assert rig.await_result(2).text == f"True {(os.SCHED_OTHER, min(os.nice(0) + 10, 19))}"
    assert [json.loads(answer)["result"] for answer in answers] == ["loaded"]


def test_after_the_stop_nothing_is_started(rig):
    rig.loads.stop()
    rig.loads.ask()
    rig.loads.tick(time.monotonic() + 100)
    assert rig.loads.pid is None
    assert rig.results == []
