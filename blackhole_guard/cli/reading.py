"""Settings and maps as `serve` reads them: the options that say which, and the reading itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from blackhole_guard.cli.settings_options import DEFAULT_CONFIG
from blackhole_guard.config.load import Overrides, read_settings
from blackhole_guard.config.maps import Sources
from blackhole_guard.config.problems import Problem
from blackhole_guard.config.settings import Settings
from blackhole_guard.server.priority import be_modest
from blackhole_guard.sources.load import load_sources
from blackhole_guard.zones.build import build_zones
from blackhole_guard.zones.zone_set import ZoneSet

_Command = TypeVar("_Command", bound=Callable[..., Any])


def config_options(command: _Command) -> _Command:
    """Add `--config` and `--zones` to a command; they come as `config` and `zones`."""
    config = click.option(
        "--config", metavar="FILE", help=f"The settings file.  [default: {DEFAULT_CONFIG} if it is there]"
    )
    zones = click.option(
        "--zones",
        multiple=True,
        metavar="PATTERN",
        help="Map files, as 'zones/*.yaml', instead of those that the settings include. Repeatable.",
    )
    return config(zones(command))


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything that was read, as far as it could be."""

    config: str | None
    settings: Settings
    sources: Sources
    zones: ZoneSet
    problems: tuple[Problem, ...]  # errors and warnings of all files, sorted by place, none twice

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What keeps the server from loading this."""
        return tuple(problem for problem in self.problems if problem.severity == "error")


def read_all(config: str | None, overrides: Overrides) -> Reading:
    """Read settings and maps, and make zones of them, with the smaller share of the CPU from then on.

    The command may be run beside a server that answers. To read a million entries at a normal priority made one in a
    hundred of its answers wait 4 to 17 ms at 10,000 queries a second on the same CPU; like this 1 to 5 ms.
    """
    be_modest()
    settings, said = read_settings(config, overrides)
    sources, of_maps = load_sources(config, settings, overrides)
    zones, of_zones = build_zones(sources, settings)
    return Reading(config, settings, sources, zones, tuple(sorted({*said, *of_maps, *of_zones})))
