"""What of the suite cannot run here: it is listed at the end, in CI a failure. And what no test may do to others."""

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from peer_programs import find_program

from blackhole_guard.cli import reading

IN_CI = os.environ.get("CI", "").lower() == "true"
HERE = Path(__file__).parent
# Many queries and many loads: what of ours they run, the tests of its room run, too, and these know where it is wrong.
UNTRACED = {"bench", "conformance", "endurance"}

# How long an example takes says more of what else the machine does.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def as_nice_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that are run in this process must not lower its priority: there is no way back, for no other test."""
    monkeypatch.setattr(reading, "be_modest", lambda: None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-measured", action="store_true", help="write what tests see to docs/measured.md")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(HERE).parts[0] in UNTRACED:
            item.add_marker(pytest.mark.untraced)
        missing = sorted(set(_missing(item)))
        if missing:
            item.add_marker(pytest.mark.skip(reason=f"without {', '.join(missing)}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keep coverage's tracer out of tests that it would make two or three times as long, and show nothing new by it."""
    if item.get_closest_marker("untraced") is None:
        return (yield)
    tracer, config = sys.gettrace(), os.environ.pop("COVERAGE_PROCESS_CONFIG", None)
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)
        if config is not None:
            os.environ["COVERAGE_PROCESS_CONFIG"] = config


def _missing(item: pytest.Item) -> Iterator[str]:
    """What this machine lacks of what a test asks for by `@pytest.mark.root` and `@pytest.mark.peers("knotd", ...)`."""
    if os.geteuid() != 0 and item.get_closest_marker("root"):
        yield "root"
    for marker in item.iter_markers("peers"):
        yield from (program for program in marker.args if find_program(program) is None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.stats.get("skipped", [])
    if not reports:
        return
    terminalreporter.section("not run")
    for report in reports:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"{report.nodeid}: {str(reason).removeprefix('Skipped: ')}")
    if IN_CI:
        terminalreporter.write_line("CI leaves no test out: this run has failed.")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")  # None in the workers of pytest-xdist
    if IN_CI and reporter is not None and reporter.stats.get("skipped") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
