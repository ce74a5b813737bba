"""Waiting for files to change, by looking at them.

inotify would not see network file systems, nor what a symbolic link leads to.
"""

from collections.abc import Callable, Hashable

INTERVAL = 1.0  # seconds between two looks


def await_change(look: Callable[[], Hashable], known: Hashable, sleep: Callable[[float], None]) -> None:
    """Wait until the files differ from what is known, and have stopped changing.

    Args:
        look: what the files are like by now.
        known: what they were like when they were read.
        sleep: waits for so many seconds.
    """
    before = look()
    while True:
        if before != known:
            # An editor, or a copy of many files, is not done at the first change.
            sleep(INTERVAL / 2)
            now = look()
            if now == before:
                return
            before = now
        else:
            sleep(INTERVAL)
            before = look()
