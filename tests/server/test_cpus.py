"""How many CPUs may be used, by trees of files as the kernel shows them."""

import os

import pytest

from blackhole_guard.server.cpus import count_cpus


@pytest.fixture(autouse=True)
def eight_cpus(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))


def make(tmp_path, cgroup, files):
    proc = tmp_path / "proc" / "self"
    proc.mkdir(parents=True)
    (proc / "cgroup").write_text(cgroup)
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return count_cpus(tmp_path / "proc", tmp_path / "cgroup")


@pytest.mark.parametrize(
    ("cgroup", "files", "cpus"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),  # a container sees its own group as the root
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "1600000 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "nonsense\n"}, 8),
        ("0::/\n", {}, 8),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"}, 3),
        ("0::/a/b\n", {"a/cpu.max": "max 100000\n", "a/b/cpu.max": "100000 100000\n"}, 1),
        ("0::/../other\n", {"cpu.max": "400000 100000\n"}, 4),
        (
            "4:cpu,cpuacct:/x\n1:name=systemd:/\n",
            {"cpu/x/cpu.cfs_quota_us": "250000", "cpu/x/cpu.cfs_period_us": "100000"},
            3,
        ),
        ("4:cpu:/x\n", {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"}, 8),
        ("4:cpu:/x\n", {"cpu/x/cpu.cfs_quota_us": "100000"}, 8),
        ("4:memory:/x\n", {}, 8),
    ],
)
def test_quotas(tmp_path, cgroup, files, cpus):
    assert make(tmp_path, cgroup, files) == cpus


def test_without_proc(tmp_path):
    assert count_cpus(tmp_path / "nothing") == 8


def test_this_machine():
    assert 1 <= count_cpus() <= 8
