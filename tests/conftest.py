"""What of the suite cannot run here: it is listed at the end, in CI a failure. And what no test may do to others."""

import os
from collections.abc import Iterator

import pytest
from peer_programs import find_program

from blackhole_guard.cli import reading

IN_CI = os.environ.get("CI", "").lower() == "true"


@pytest.fixture(autouse=True)
def as_nice_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that are run in this process must not lower its priority: there is no way back, for no other test."""
    monkeypatch.setattr(reading, "be_modest", lambda: None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-measured", action="store_true", help="write what tests see to docs/measured.md")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        missing = sorted(set(_missing(item)))
        if missing:
            item.add_marker(pytest.mark.skip(reason=f"without {', '.join(missing)}"))


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
