"""Forms of responses: the pairs of header and account that there are, numbered, so that one octet stands for both."""

from blackhole_guard.answering.tails import KINDS
from blackhole_guard.answering.tally import Account

_MOST = 256


class Forms:
    """The forms that were met so far, numbered apart for each kind of OPT."""

    def __init__(self) -> None:
        # By kind and number: the response from the flags up to the question, and where it is counted.
        self.known: tuple[list[tuple[bytes, Account]], ...] = tuple([] for _ in range(KINDS))
        self._numbers: dict[tuple[int, bytes, int], bytes] = {}
        self.are_short = False  # whether a form was refused its number

    def find(self, kind: int, head: bytes, account: Account) -> bytes | None:
        """Give the number of a form as an octet; None: there are too many."""
        key = (kind, head, id(account))  # accounts live as long as their tally
        number = self._numbers.get(key)
        if number is None:
            if len(self.known[kind]) == _MOST:
                self.are_short = True
                return None
            number = self._numbers[key] = bytes((len(self.known[kind]),))
            self.known[kind].append((head, account))
        return number

    def clear(self) -> None:
        """Forget all forms; no number means anything then."""
        for known in self.known:
            known.clear()
        self._numbers.clear()
        self.are_short = False
