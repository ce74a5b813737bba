"""Times as logs write them: a row per form."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.log_times import LogTimes

EAST = timezone(timedelta(hours=2))
NEWEST = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()
AT = datetime(2026, 11, 26, 7, 31, 50, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("26-Nov-2026 09:31:50.446 queries: info: client", AT + 0.446),
        ("2026-11-26T09:31:50.446 client", AT + 0.446),
        ("2026-11-26T07:31:50.446Z client", AT + 0.446),
        ("2026-11-26T08:31:50+01:00 host named[1]: client", AT),
        ("2026-11-26T08:31:50+0100 host named[1]: client", AT),
        ("2026-11-26T07:31:50.123456+00:00 host named[1]: client", AT + 0.123456),
        ("2026-11-26 09:31:50 client", AT),
        ("2026-11-26 09:31:50,250 client", AT + 0.25),
        ("Nov 26 09:31:50 host dnsmasq[1]: query", AT),
        ("Nov 26 09:31:50.250000 host dnsmasq[1]: query", AT + 0.25),
        ("Dec 31 23:59:59 host dnsmasq[1]: query", datetime(2025, 12, 31, 21, 59, 59, tzinfo=UTC).timestamp()),
        ("Feb 29 01:00:00 host dnsmasq[1]: query", datetime(2024, 2, 28, 23, tzinfo=UTC).timestamp()),
        ("Nov  6 09:31:50 host dnsmasq[1]: query", AT - 20 * 86400),
        ("Thu 2026-11-26 07:31:50 UTC host systemd-resolved[1]: x", AT),
        ("[1795678310] unbound[1:0] info: x", 1795678310.0),
        ("1795678310.250871 host unbound[1]: x", 1795678310.250871),
        ("dnsmasq[17814]: query[PTR] 3.0.0.10.in-addr.arpa from 10.0.0.5", 0.0),
        ("client @0x7f 10.0.0.5#50161", 0.0),
        ("", 0.0),
        ("Nov 26", 0.0),
        ("Nov 31 09:31:50 x", 0.0),
        ("31-Feb-2026 09:31:50.446 x", 0.0),
        ("26-Nop-2026 09:31:50.446 x", 0.0),
        ("26-Nov-2026 25:31:50.446 x", 0.0),
        ("26-Nov-99999 05:31:50.446 x", 0.0),
        ("[0] x", 0.0),
        ("[99999999999999] x", 0.0),
        ("[nan] x", 0.0),
        ("Thu Thu Thu Thu Thu Thu", 0.0),
    ],
)
def test_a_time_in_its_form(line, at):
    assert LogTimes(NEWEST, EAST).read(line) == pytest.approx(at, abs=1e-6)


def test_a_time_of_tomorrow_is_the_clocks_fault_one_of_next_week_is_last_years():
    times = LogTimes(NEWEST, UTC)
    assert times.read("Nov 27 07:31:50 x") == AT + 86400
    assert times.read("Dec  3 07:31:50 x") < AT


def test_without_a_zone_it_is_the_machines():
    line = "26-Nov-2026 09:31:50"
    assert LogTimes(NEWEST).read(line) == datetime(2026, 11, 26, 9, 31, 50).astimezone().timestamp()


CLOCKS = st.sampled_from(
    ("09:31:50.446", "09:31:59", "09:32:00", "9:31:5", "24:00:00", "23:59:60", "-1:75:1", "09:x:1")
)
DAYS = st.sampled_from(("26-Nov-2026", "27-Nov-2026", "Nov 26", "Feb 29", "Nov 31"))


@given(st.lists(st.tuples(DAYS, CLOCKS).map(" ".join), max_size=8))
def test_a_time_does_not_depend_on_those_before_it(lines):
    times = LogTimes(NEWEST, EAST)
    assert [times.read(line) for line in lines] == [LogTimes(NEWEST, EAST).read(line) for line in lines]


@given(st.text(max_size=80) | st.from_regex(r"[\[A-Z]?[a-z0-9-]{0,12}[ T:.+0-9-]{0,30}", fullmatch=True))
def test_any_text_has_a_time_or_none(line):
    at = LogTimes(NEWEST, UTC).read(line)
    assert at == 0.0 or abs(at) < 1e12


@pytest.mark.parametrize("newest", [-(2.0**62), -62135596805.0, -1.0, 253402297200.0, 2.0**55])
def test_a_file_may_have_a_time_that_no_calendar_has(newest):
    times = LogTimes(newest, UTC)
    times.set_newest(newest)
    assert times.read("26-Nov-2026 07:31:50.446 x") == AT + 0.446
    times.read("Nov 26 07:31:50 x")
