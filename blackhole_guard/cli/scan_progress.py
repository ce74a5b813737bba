"""How far `scan` has come with a file: a bar, on terminals."""

import os
from collections.abc import Iterable

from rich.console import RenderableType
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from blackhole_guard.cli.terminal import make_console
from blackhole_guard.leaks.captures import Evidence
from blackhole_guard.wire.names import escape_text


class Reading(Progress):
    """A bar that looks for itself how far a file was read: frames that matter may be hours apart."""

    def __init__(self, file: str, evidence: Evidence, size: int) -> None:
        """Args: file: its path. evidence: what is being read of it. size: octets of it."""
        self._evidence = evidence
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        super().__init__(*columns, console=make_console(errors=True), transient=True)
        self._task = self.add_task(escape_text(os.path.basename(file), limit=40), total=size)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Draw, after a look."""
        if self.tasks:
            self.update(self._task, completed=self._evidence.position())
        yield from super().get_renderables()
