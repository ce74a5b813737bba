"""The loader's reports, and what a watcher makes of them."""

import gc
import os
import threading
import time

import msgspec
import pytest
from supervisors import wait_until

from blackhole_guard.app import loader
from blackhole_guard.app.loader import Loader, Report, look_at
from blackhole_guard.config.load import load_settings
from blackhole_guard.server.loads import LoadRequest, LoadResult, Purpose

MAP = "zone: 10.0.0.0/8\nptr:\n  10.0.0.3: web.example.com\n"


class Setup:
    def __init__(self, folder):
        self.folder = folder
        self.map = folder / "maps" / "map.yaml"
        self.map.parent.mkdir()
        self.map.write_text(MAP)
        self.config = folder / "config.yaml"
        self.config.write_text("include: [maps/*.yaml]\n")
        (folder / "state").mkdir()
        self.begun = []
        self.started = load_settings(str(self.config))

    def run(self, purpose=Purpose.LOAD, force=False, known=b""):
        made = Loader(str(self.config), {}, str(self.folder / "state"), self.started)
        report = made.run(LoadRequest(purpose, force, known), lambda: self.begun.append(time.monotonic()))
        assert msgspec.json.decode(report, type=LoadResult).result  # the supervisor understands it, too
        return report

    def load(self, **how):
        return msgspec.json.decode(self.run(**how), type=Report)

    def age(self):
        """Let so much time go by that the files are older than a load that begins now."""
        time.sleep(0.05)


@pytest.fixture
def setup(tmp_path):
    yield Setup(tmp_path)
    # What a loader does to the collector ends with its process; here it would go on.
    gc.enable()
    gc.unfreeze()


def test_a_report_has_all_that_the_supervisor_and_the_watcher_need(setup):
    setup.age()
    report = setup.load()
    assert (report.result, report.serving, report.watch, report.records) == ("loaded", True, False, 3)
    assert report.generation > 0
    assert report.files == (str(setup.config), str(setup.map))
    assert report.fingerprint == look_at(report.files, report.patterns)
    assert setup.begun == []  # that is for who waits


def test_a_failed_load_reports_what_stands(setup):
    before = setup.load()
    setup.map.write_text("zone: 10.0.0.0/8\nptr: {10.0.0.3: 10.0.0.4}\n")
    report = setup.load()
    assert (report.result, report.serving, report.generation) == ("failed", True, before.generation)
    assert report.problems[0].place.line == 2


def test_what_a_loader_wrote_that_was_killed_before_it_reported_is_loaded_by_the_next(setup):
    known = setup.run()
    setup.map.write_text(MAP.replace("web", "www"))
    setup.run()
    report = setup.run(known=known)
    assert msgspec.json.decode(report, type=Report).result == "loaded"
    assert setup.load(known=report).result == "unchanged"


def test_whether_to_watch_follows_the_settings_as_long_as_they_can_be_read(setup):
    setup.config.write_text("include: [maps/*.yaml]\nserver: {watch: true}\n")
    known = setup.run()
    assert msgspec.json.decode(known, type=Report).watch
    setup.config.write_text("include: [maps/*.yaml]\nserver: {watch: maybe}\n")
    report = setup.load(known=known)
    assert (report.result, report.watch) == ("failed", True)
    assert not setup.load().watch  # nothing is known: as at the start


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("server: {workers: 3}", "server.workers"),
        ("server: {listen: [127.0.0.2], user: nobody}", "server.listen, server.user"),
        ("telemetry: {enabled: false}", "telemetry"),
        ("log: {level: debug}", "log"),
        ("server: {nsid: x}", None),
    ],
)
def test_settings_that_count_at_the_start_only_are_named(setup, config, named):
    setup.config.write_text(f"include: [maps/*.yaml]\n{config}\n")
    assert setup.load().text.partition("; a restart is needed for ")[2] == (named or "")


class TestLook:
    def test_an_empty_store(self, setup):
        report = setup.load(purpose=Purpose.LOOK)
        assert (report.result, report.serving, report.generation) == ("failed", False, 0)

    def test_what_it_holds(self, setup):
        before = setup.load()
        report = setup.load(purpose=Purpose.LOOK)
        assert (report.result, report.serving) == ("failed", True)
        assert (report.generation, report.zones, report.records) == (before.generation, before.zones, before.records)


class TestFingerprint:
    """Whatever may have changed since a load began, leaves no fingerprint that somebody could trust."""

    def change_nothing(self, setup):
        pass

    def rewrite(self, setup):
        setup.map.write_text(MAP + "\n")

    def replace(self, setup):
        (setup.folder / "new").write_text(MAP)
        (setup.folder / "new").rename(setup.map)

    def add(self, setup):
        (setup.map.parent / "another.yaml").write_text(MAP)

    def remove(self, setup):
        setup.map.unlink()

    @pytest.mark.parametrize(
        ("change", "certain"), [("change_nothing", True), ("rewrite", False), ("replace", False), ("add", False)]
    )
    def test_while_it_loads(self, setup, monkeypatch, change, certain):
        setup.age()
        real = loader.loading.load

        def slow(*arguments, **named):
            report = real(*arguments, **named)
            getattr(self, change)(setup)
            return report

        monkeypatch.setattr(loader.loading, "load", slow)
        assert bool(setup.load().fingerprint) == certain

    def test_a_link_on_the_way_that_is_swapped_for_one_made_long_ago(self, setup, monkeypatch):
        data = setup.folder / "data"
        for name in ("one", "two"):
            (setup.folder / name).mkdir()
            (setup.folder / name / "map.yaml").write_text(MAP)
        data.symlink_to("one")
        (setup.folder / "other").symlink_to("two")
        setup.config.write_text("include: [data/map.yaml]\n")
        setup.age()
        real = loader.loading.load

        def slow(*arguments, **named):
            report = real(*arguments, **named)
            (setup.folder / "other").rename(data)
            return report

        monkeypatch.setattr(loader.loading, "load", slow)
        assert setup.load().fingerprint == ""

    def test_a_directory_of_which_nothing_was_read(self, setup, monkeypatch):
        more = setup.folder / "more"
        more.mkdir()
        setup.config.write_text("include: [maps/*.yaml, more/*.yaml]\n")
        setup.age()
        real = loader.loading.load

        def slow(*arguments, **named):
            report = real(*arguments, **named)
            (more / "first.yaml").write_text("zone: 192.168.1.0/24\n")
            return report

        monkeypatch.setattr(loader.loading, "load", slow)
        assert setup.load().fingerprint == ""

    def test_a_file_from_the_future_is_no_change(self, setup, monkeypatch):
        real = loader.time_ns
        monkeypatch.setattr(loader, "time_ns", lambda: real() - 3_600_000_000_000)
        assert setup.load().fingerprint


class TestWatch:
    def watch(self, setup, known, seconds=10):
        """Run a watcher; returns the thread and where its report will be."""
        reports = []
        thread = threading.Thread(target=lambda: reports.append(setup.load(purpose=Purpose.WATCH, known=known)))
        thread.start()
        return thread, reports

    def test_a_change_is_loaded(self, setup):
        setup.age()
        thread, reports = self.watch(setup, setup.run())
        time.sleep(0.3)
        assert setup.begun == []
        setup.map.write_text(MAP.replace("web", "www"))
        thread.join(30)
        assert (reports[0].result, reports[0].changes) == ("loaded", 1)
        assert len(setup.begun) == 1

    def test_a_doubtful_fingerprint_and_files_that_are_what_was_loaded(self, setup):
        known = msgspec.json.encode(msgspec.structs.replace(setup.load(), fingerprint=""))
        thread, reports = self.watch(setup, known)
        time.sleep(1)
        assert thread.is_alive() and setup.begun == []
        setup.map.write_text(MAP.replace("web", "www"))
        thread.join(30)
        assert reports[0].changes == 1

    @pytest.mark.parametrize("may_fork", [True, False])
    def test_what_the_look_into_all_files_takes_does_not_stay_with_the_watcher(self, setup, monkeypatch, may_fork):
        def look_and_say_where(*arguments):
            (setup.folder / "pid").write_text(str(os.getpid()))
            return real(*arguments)

        def refuse(*arguments):
            raise BlockingIOError

        real = Loader._is_loaded
        monkeypatch.setattr(Loader, "_is_loaded", look_and_say_where)
        if not may_fork:
            monkeypatch.setattr(loader, "fork_child", refuse)
        known = msgspec.json.encode(msgspec.structs.replace(setup.load(), fingerprint=""))
        thread, reports = self.watch(setup, known)
        wait_until((setup.folder / "pid").exists)
        time.sleep(0.5)
        assert thread.is_alive()  # it has seen that the files are what was loaded
        assert ((setup.folder / "pid").read_text() != str(os.getpid())) is may_fork
        setup.map.write_text(MAP.replace("web", "www"))
        thread.join(30)
        assert reports[0].changes == 1

    def test_a_doubtful_fingerprint_and_a_change_before_the_watcher_began(self, setup):
        known = msgspec.json.encode(msgspec.structs.replace(setup.load(), fingerprint=""))
        setup.map.write_text(MAP.replace("web", "www"))
        thread, reports = self.watch(setup, known)
        thread.join(30)
        assert reports[0].changes == 1

    def test_broken_maps_are_not_loaded_all_the_time(self, setup, monkeypatch):
        slept = []
        monkeypatch.setattr(loader, "sleep", slept.append)
        setup.map.write_text("nonsense")
        known = msgspec.json.encode(msgspec.structs.replace(setup.load(), fingerprint=""))
        assert setup.load(purpose=Purpose.WATCH, known=known).result == "failed"
        assert max(slept) == 5

    def test_without_any_report_the_settings_file_is_watched(self, setup, monkeypatch):
        monkeypatch.setattr(loader, "sleep", lambda seconds: None)
        assert setup.load(purpose=Purpose.WATCH).result == "loaded"
        os.unlink(setup.config)
        assert setup.load(purpose=Purpose.WATCH).result == "failed"
