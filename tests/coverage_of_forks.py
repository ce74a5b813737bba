"""A plugin of coverage.py for a suite that starts thousands of processes, most of them forks.

A child that ends by os._exit(2) saves what it has run. coverage has a patch for that, `_exit`, but with it (7.17) each
child saves what its forebears had run until the fork, too: at the end of a long session that is a second each time, and
a second in which a test may kill it. Nor need every process look through the sources for modules that nobody imports.
"""

import contextlib
import os
from pathlib import Path
from typing import NoReturn

from coverage import Coverage, CoveragePlugin
from coverage.plugin_support import Plugins
from coverage.types import TConfigurable, TConfigValueIn

PACKAGE = Path(__file__).parents[1] / "blackhole_guard"

_exit_at_once = os._exit


def _save_and_exit(status: int) -> NoReturn:
    with contextlib.suppress(Exception):  # another user's process may not write: its end shall be the same
        if (coverage := Coverage.current()) is not None:
            coverage.save()
    _exit_at_once(status)


class _Descendant(CoveragePlugin):
    """What differs in processes other than the first."""

    def configure(self, config: TConfigurable) -> None:
        if "COVERAGE_PROCESS_CONFIG" in os.environ:  # set by the first, for those that it starts
            config.set_option("run:source", None)
            config.set_option("run:include", [f"{PACKAGE}/*"])


def coverage_init(plugins: Plugins, options: dict[str, TConfigValueIn]) -> None:
    """As coverage.py calls it, in each process and again in each fork."""
    os._exit = _save_and_exit
    plugins.add_configurer(_Descendant())
