"""Query logs: lines of BIND, Unbound, dnsmasq and systemd-resolved that tell of a query for a reserved name.

What a line proves:
- A client's query (BIND, Unbound): that it was asked for. The resolver may answer it itself, so it may leak.
- `forwarded NAME to ADDRESS` (dnsmasq), `Using DNS server ADDRESS` (systemd-resolved): a public server got it. What a
  client asked them is no line of its own here: they log whatever they send on.
- Which server was asked or replied (Unbound, verbosity 2 and up; BIND, debug level 11 and up): observed, if a sink.
- `RFC 1918 response from Internet` (BIND up to 9.18): observed. BIND logs it for responses out of its cache, too.
Lines depend on those before them, so a reader belongs to one file. It knows neither files nor clocks; lines that it
does not understand are nothing, and what a line costs is in proportion to its length, which has a limit.
"""

from blackhole_guard.leaks.log_lines import LogSighting, Sightings
from blackhole_guard.leaks.log_programs import BindLines, DnsmasqLines, ProgramLines, ResolvedLines, UnboundLines
from blackhole_guard.leaks.log_times import LogTimes

LONGEST_LINE = 8192  # octets; what is behind them is not looked at
# Parts of the lines that matter, in lower case: a name's, then those of lines that have no name in them.
_TELLING = (b"arpa", b"sending packet to ", b"sending to target: ", b"using dns server ")


def pick_lines(block: bytes) -> list[bytes]:
    """Of whole lines, each with its end, give those that may show something, in their order and without their ends.

    Most lines of most logs are about other names: this is all that they cost, a tenth of a look at each by itself.
    """
    lowered, ends = block.lower(), dict[int, int]()  # by where a line begins
    for part in _TELLING:
        position = lowered.find(part)
        while position >= 0:
            end = block.find(b"\n", position)
            ends[block.rfind(b"\n", 0, position) + 1] = end
            position = lowered.find(part, end)
    return [block[start : ends[start]] for start in sorted(ends)]


class LogReader:
    """Reads the lines of one log, in their order."""

    def __init__(self, times: LogTimes) -> None:
        """Begin.

        Args:
            times: reads the times of this file.
        """
        self.has_understood = False  # any line: until then it may be no query log
        # Unbound before BIND: both say `query: `, but Unbound's lines are told for certain. Each has its own clients.
        self._programs: tuple[ProgramLines, ...] = tuple(
            make(Sightings(times)) for make in (UnboundLines, BindLines, DnsmasqLines, ResolvedLines)
        )

    def read(self, line: bytes) -> LogSighting | None:
        """Read one line, with or without its end; None: it shows nothing."""
        if len(line) > LONGEST_LINE:
            line = line[:LONGEST_LINE]
        text = line.decode("ascii", "replace")
        for program in self._programs:
            shown = program.read(text)
            if shown is not None:
                self.has_understood = True
                return shown.sighting
        return None
