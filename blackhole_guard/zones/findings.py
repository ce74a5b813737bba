"""Collects what is wrong with maps that are well by themselves, but not together."""

from blackhole_guard.config.problems import MAX_ERRORS, MAX_WARNINGS, Place, Problem


class Findings:
    """Errors and warnings of one run, bounded: two files of a million lines may contradict each other on every one."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Problem]] = {"error": [], "warning": []}

    def error(self, place: Place, what: str, hint: str) -> None:
        """Note what does not load. `what` and `hint` are printable."""
        self._note(Problem(place, what, hint), MAX_ERRORS)

    def warning(self, place: Place, what: str, hint: str) -> None:
        """Note what loads, but is likely not meant."""
        self._note(Problem(place, what, hint, "warning"), MAX_WARNINGS)

    def _note(self, problem: Problem, most: int) -> None:
        kept = self._kept[problem.severity]
        if len(kept) < most:
            kept.append(problem)
        elif len(kept) == most:
            # The last one says that there are more; how many does not matter to who mends them from the top.
            what = f"more {problem.severity}s than the {most} before this"
            kept.append(Problem(problem.place, what, "mend those first, then look again", problem.severity))

    def all(self) -> tuple[Problem, ...]:
        """Every problem, sorted by place."""
        return tuple(sorted({*self._kept["error"], *self._kept["warning"]}))
