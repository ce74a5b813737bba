"""System calls that Python does not offer."""

import ctypes
import errno
import os
import resource
import subprocess
import sys

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


# In a process of its own: one that has run tests has free memory in its heap, and takes blocks from there.
MEASURE = """
import resource
from blackhole_guard.server import system

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
"""


def run_alone(script):
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run([sys.executable, "-c", MEASURE + script], capture_output=True, text=True, env=plain)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_c_library_holds_free_goes_back():
    run_alone("""
blocks = [b"x" * 100_000 for _ in range(300)]  # too large for Python's own pools, too small for maps
last = blocks.pop()  # keeps the heap from shrinking by itself
blocks.clear()
before = resident()
system.trim_memory()
assert resident() < before - 20_000_000, (resident(), before)
""")


def test_large_blocks_go_back_when_they_are_freed():
    run_alone("""
system.map_large_blocks()
freed = bytes(20_000_000)
del freed  # from here on glibc would take blocks up to this size from the heap
blocks = [b"x" * 1_000_000 for _ in range(30)]
last = blocks.pop()
before = resident()
blocks.clear()
assert resident() < before - 25_000_000, (resident(), before)
""")


def test_another_c_library_has_neither(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    system.trim_memory()
    system.map_large_blocks()
