"""When a child that died is started again."""

FIRST = 0.1  # seconds
LONGEST = 5.0
RESET = 60.0  # who lived this long did not die of its start


class Backoff:
    """The deaths of one child: at once the first time, then after 100 ms, doubling to 5 s.

    A child that dies at each start so costs a fork in five seconds, not a machine.
    """

    def __init__(self) -> None:
        self._deaths = 0

    def next_start(self, started: float, died: float) -> float:
        """Enter a death.

        Args:
            started: when the child was started; monotonic seconds.
            died: when it died; monotonic seconds.
        Returns:
            When to start the next one.
        """
        if died - started >= RESET:
            self._deaths = 0
        delay = min(LONGEST, FIRST * 2 ** (self._deaths - 1)) if self._deaths else 0.0
        self._deaths = min(self._deaths + 1, 32)  # beyond that the power would grow for nothing
        return died + delay
