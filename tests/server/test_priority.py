"""Who goes before whom, asked of the kernel."""

import ctypes
import os
import struct

import pytest
from doubles import in_child
from supervisors import Supervisor

from blackhole_guard.server import priority, system
from blackhole_guard.server.priority import be_modest, be_prompt, seconds_waited, yield_to_all

SCHED_GETATTR = {"x86_64": 315, "aarch64": 275, "riscv64": 275}


def read_attributes(pid=0):
    """The kernel's own view: policy, niceness, slice in nanoseconds."""
    got = ctypes.create_string_buffer(48)
    assert ctypes.CDLL(None).syscall(SCHED_GETATTR[os.uname().machine], pid, got, 48, 0) == 0
    _, policy, _, niceness, _, runtime, _, _ = struct.unpack("=IIQiIQQQ", got.raw)
    return policy, niceness, runtime


def knows_slices():
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    return release >= (6, 12)


def test_a_prompt_process_has_the_shortest_slice_and_nothing_else_changes():
    def check():
        before = os.nice(3)
        be_prompt()
        policy, niceness, runtime = read_attributes()
        assert (policy, niceness) == (os.SCHED_OTHER, before)
        if knows_slices():
            assert runtime == 100_000

    in_child(check)


def test_a_policy_that_somebody_chose_stays():
    def check():
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        be_prompt()
        assert os.sched_getscheduler(0) == os.SCHED_BATCH

    in_child(check)


def test_a_refusal_costs_nothing(monkeypatch):
    def refuse(*arguments, what):
        raise PermissionError(1, what)

    monkeypatch.setattr(system, "_call", refuse)
    before = read_attributes()
    be_prompt()
    assert read_attributes() == before


def test_where_nobody_says_what_the_policy_is(monkeypatch):
    """As on musl."""

    def refuse(pid):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(priority.os, "sched_getscheduler", refuse)
    before = read_attributes()
    be_prompt()
    assert read_attributes() == before


def test_on_a_processor_whose_call_is_not_known(monkeypatch):
    monkeypatch.setattr(system, "_SCHED_SETATTR", {})
    before = read_attributes()
    be_prompt()
    assert read_attributes() == before
    with pytest.raises(OSError, match="not implemented"):
        system.set_slice(1e-4)


def test_yielding_and_being_modest():
    def check():
        before = os.getpriority(os.PRIO_PROCESS, 0)
        be_modest()
        assert read_attributes()[:2] == (os.SCHED_OTHER, min(before + 10, 19))
        yield_to_all()
        assert os.sched_getscheduler(0) == os.SCHED_IDLE

    in_child(check)


def test_yielding_where_it_may_not_choose_a_policy(monkeypatch):
    def refuse(*arguments):
        raise PermissionError

    def check():
        yield_to_all()
        assert read_attributes()[:2] == (os.SCHED_OTHER, 19)

    monkeypatch.setattr(priority.os, "sched_setscheduler", refuse)
    in_child(check)


def test_a_worker_is_prompt():
    with Supervisor() as supervisor:
        supervisor.start()
        supervisor.await_ready()
        policy, _, runtime = read_attributes(supervisor.processes[0].pid)
        assert policy == os.SCHED_OTHER
        if knows_slices():
            assert runtime == 100_000


def test_the_time_that_a_process_waited():
    assert seconds_waited(os.getpid()) >= 0
    assert seconds_waited(1 << 22) == 0.0
