"""The times that stand at the beginning of log lines, in the forms that resolvers, syslog and journald write.

    26-Nov-2026 07:31:50.446                BIND; in local time
    2026-11-26T07:31:50.446Z                ISO 8601, with or without a zone: BIND, Unbound, rsyslog, journald
    Nov 26 07:31:50                         syslog, journald, Unbound: no year, in local time
    [1795678784]  or  1795678784.250871     unix time: Unbound, journald
    Thu 2026-11-26 07:31:50 UTC             journald's short-full
Left out: times anywhere else in a line.
"""

from datetime import UTC, datetime, timedelta, tzinfo

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_DAYS = frozenset(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))
_FIRST_UNIX = 100_000_000.0  # 1973: smaller numbers are something else
_LAST_UNIX = 100_000_000_000.0
_SECONDS_OF_A_DAY = 86_400
_LEAP_YEAR = 2024  # for the 29th of February, whose year is not told
# What a file's time is taken for at least and at most, unix seconds: 1970 to 9000. Filesystems keep others, too, and
# whoever packs or copies a file may give it any; no calendar has all of them.
_FIRST_NEWEST, _LAST_NEWEST = 0.0, 221_845_392_000.0


class LogTimes:
    """Reads the times of one file."""

    def __init__(self, newest: float, zone: tzinfo | None = None) -> None:
        """Remember what is needed where a time says less than all.

        Args:
            newest: unix seconds: when the file was last written to. A time without a year is the last one before that.
            zone: of times that name none; None: the machine's.
        """
        self._zone = zone
        # The minute that was read last, for most lines are of the same one: when it began (unix seconds, and since
        # midnight). The clock of a zone takes longer than the rest of a line's time.
        self._minute: tuple[datetime, str, str] | None = None
        self._begins = self._clock = 0.0
        self.set_newest(newest)

    def set_newest(self, newest: float) -> None:
        """Say that the file was written to since. `newest`: unix seconds."""
        newest = min(max(newest, _FIRST_NEWEST), _LAST_NEWEST)
        self._newest = datetime.fromtimestamp(newest, self._zone) + timedelta(days=1)  # zones and clocks may differ

    def read(self, line: str) -> float:
        """Read the time at the beginning of a line.

        Returns:
            Unix seconds; 0: there is none, or it is none that there can be.
        """
        words = line[:64].split(None, 4)
        try:
            return self._read_words(words)
        except (ValueError, OverflowError, OSError):
            return 0.0

    def _read_words(self, words: list[str]) -> float:
        """Read the first words of a line. Raises what datetime does for a time that cannot be."""
        if not words:
            return 0.0
        first = words[0]
        if first in _MONTHS:
            return self._read_syslog(words)
        if first in _DAYS:
            return self._read_words(words[1:])
        if first[0] == "[" or first[:9].isdecimal():
            number = float(first.strip("[]"))
            return number if _FIRST_UNIX <= number < _LAST_UNIX else 0.0
        if first[4:5] == "-":
            return self._read_iso(words)
        if first[2:3] == "-" and len(words) > 1:
            day, month, year = first.split("-")
            return self._add_clock(datetime(int(year), _MONTHS.get(month, 0), int(day)), words[1])
        return 0.0

    def _read_syslog(self, words: list[str]) -> float:
        if len(words) < 3:
            return 0.0
        month, day = _MONTHS[words[0]], int(words[1])
        datetime(_LEAP_YEAR, month, day)  # raises where there is no such day
        for year in range(self._newest.year, self._newest.year - 9, -1):
            try:
                found = self._add_clock(datetime(year, month, day), words[2])
            except ValueError:  # the 29th of February of a year without one
                continue
            if found <= self._newest.timestamp():
                return found
        return 0.0

    def _read_iso(self, words: list[str]) -> float:
        text, rest = words[0], words[1:]
        if len(text) == 10 and rest:
            text, rest = f"{text} {rest[0]}", rest[1:]
        found = datetime.fromisoformat(text.replace(",", "."))
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC if rest[:1] == ["UTC"] else self._zone)
        return found.timestamp()

    def _add_clock(self, day: datetime, text: str) -> float:
        """Put a day and `07:31:50.446` together."""
        hours, minutes, seconds = text.split(":")
        if self._minute != (day, hours, minutes):
            clock = timedelta(hours=int(hours), minutes=int(minutes))
            self._begins = (day + clock).replace(tzinfo=self._zone).timestamp()
            self._clock, self._minute = clock.total_seconds(), (day, hours, minutes)
        after = float(seconds)
        if not 0 <= self._clock + after < _SECONDS_OF_A_DAY + 1:
            raise ValueError("no time of a day")
        return self._begins + after
