"""System calls that Python does not offer."""

import ctypes
import errno
import os
import resource

import pytest
from doubles import in_child

from blackhole_guard.server import system


def test_descriptors_to_spare_are_what_is_neither_open_nor_reserved():
    def check():
        open_now = len(os.listdir("/proc/self/fd")) - 1  # the listing has one open itself
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 100, open_now + 100))
        assert system.spare_descriptors(60) == pytest.approx(40, abs=1)
        assert system.spare_descriptors(100) == 1
        assert system.spare_descriptors(1000) == 1

    in_child(check)


def test_no_limit_of_descriptors(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert system.spare_descriptors(64) > 100_000


def test_whose_child_we_are():
    def check():
        assert system.die_with_parent(os.getppid())
        assert not system.die_with_parent(os.getppid() + 1)

    in_child(check)


def test_a_refused_prctl_is_an_error(monkeypatch):
    class Refusing:
        def prctl(self, *arguments):
            ctypes.set_errno(errno.EINVAL)
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *arguments, **named: Refusing())
    with pytest.raises(OSError, match="PR_SET_PDEATHSIG") as error:
        system.die_with_parent(1)
    assert error.value.errno == errno.EINVAL
