"""The hot path: most messages are like one that was answered before, and are recognised by their octets.

What the engine has answered is kept under the whole message, without the ID: who asks the same way, as most do, is
recognised in one look. Else a message is taken apart at the end of its question. What stands before it is turned to
lower case. What stands behind it, the OPT, is recognised by its first octets, so that cookies and client subnets, which
differ from message to message, do not matter. In its place comes the tail that is usual for its kind, and the key is
that of the message as most would have sent it. All that is learned comes from messages that the engine has read and
answered, so whatever has the same octets is as well-formed, and means the same. The PTR of one address among many is
put together from the store's ready records (`regions`). All else is the engine's.

Four liberties for the loop's time, each as it is here, and plainly: whole messages are looked up before they are taken
apart (454 and 670 ns a message, on an Intel Xeon), unless hardly any is found, as with a client subnet in each; where
the question ends is guessed first, as far from the message's end as in the message before; values are octets with a
number at their end where a tuple would read better, as each object on the way is one more miss of the CPU's cache; for
the same reason no response is looked for while hardly one is found, as in a scan of all addresses (2.55 and 2.70 us).
Measured: python -m bench.hot_path
"""

from collections.abc import Sequence
from itertools import islice

from blackhole_guard.answering.answer import Answer, Outcome, Refusal
from blackhole_guard.answering.batch import Batch
from blackhole_guard.answering.engine import Answered, Engine
from blackhole_guard.answering.forms import Forms
from blackhole_guard.answering.policy import Policy
from blackhole_guard.answering.regions import Regions
from blackhole_guard.answering.tails import HEAD, KINDS, UNKNOWN, Tails
from blackhole_guard.answering.tally import Tally, find_lane
from blackhole_guard.answering.zone_reader import ShelfReader
from blackhole_guard.wire.codes import Opcode, RRClass, RRType
from blackhole_guard.wire.edns import MIN_PAYLOAD
from blackhole_guard.wire.header import TC
from blackhole_guard.wire.query import Query

_MOST = 21504  # responses that are kept, about 250 octets each; the dict of a few more is twice as large
_ONE_IN = 16  # answers of the engine is learned from when there are so many, so that a flood of names pushes out little
_AT_ONCE = 256  # keys that are looked up to go next
_LEAST_LEARNED = 4096  # answers of the engine before all that was learned from them may be forgotten
_MOST_CLIENTS = 1 << 16
_MOST_SCORE = 1 << 16  # messages
_LOOK_WHOLE = 16  # large batches: in one of so many whole messages are looked up, while hardly any is found
_OFTEN = 32  # votes for a tail, less those for others, make it the usual one
_LOOK_IN = 16  # batches: in the first of so many it is looked whether anything is kept, while hardly anything is
_NOTHING: dict[bytes, bytes] = {}
_PTR_IN = int(RRType.PTR).to_bytes(2) + int(RRClass.IN).to_bytes(2)  # the end of a question for the name of an address
_PERSONAL = frozenset((Refusal.CLIENT, Refusal.TRANSFER))  # these depend on more than the octets


class HotPath:
    """Answers messages out of one snapshot, by one policy."""

    def __init__(self, engine: Engine, zones: ShelfReader, policy: Policy, tally: Tally) -> None:
        self._engine = engine
        self._policy = policy
        self._tails = Tails(answers_nsid=policy.nsid is not None)
        self._forms = Forms()
        self._regions = Regions(zones, tally, self._forms)
        # By kind of OPT: message without the ID, in lower case, with the usual tail -> what follows the question in the
        # response, and its form.
        self._caches: tuple[dict[bytes, bytes], ...] = tuple({} for _ in range(KINDS))
        self._oldest: tuple[list[bytes], ...] = tuple([] for _ in range(KINDS))  # keys that go next, the first one last
        self._clients: set[int | bytes] = set()  # who may ask, as far as they have asked
        self._answered = 0  # by the engine
        self._began = 0  # `_answered` when what is known began to be learned
        self._behind = 2  # of the last message: octets from the question's end to its own, and the two of the ID
        self._kind = 0  # of the last message's OPT
        self._blind = 0  # batches until it is looked again whether responses are kept
        self._score = 0  # whole messages that were found, less those that were not
        # Messages that are known but for their tail, less all others; too many of them have one vote. Their tail is not
        # the usual one, or that is longer than HEAD, and then the votes for it change nothing.
        self._strange = 0
        self._candidate = b""  # the tail that most votes were for, if one has the majority (Boyer and Moore)
        self._votes = 0  # for it, less those for others

    def respond_batch(self, batch: Batch) -> None:
        """Answer the messages of a batch, in their places."""
        sizes = batch.sizes if self._clients.issuperset(batch.senders) else self._sift(batch)
        lane, done = int(batch.is_ipv6), batch.responses.append
        find_tail, tails = self._tails.known.get, self._tails.usual
        find_in_region, caches = self._regions.find, self._caches
        room = _MOST - sum(map(len, caches))
        kind, behind, unusual, strange, unkept, spare = self._kind, self._behind, 0, 0, 0, b""
        find, usual, forms = caches[kind].get, len(tails[kind]) + 2, self._forms.known[kind]
        if self._blind:
            find = _NOTHING.get
        looks_whole = self._score >= -_MOST_SCORE
        for slot, size in zip(batch.slots, sizes, strict=False):
            message = slot[2:size]
            end = size - usual
            rest = find(message) if looks_whole else None
            if rest is None:
                unusual += 1
                end = size - behind
                asked, expected, is_usual = find_tail(message[end : end + HEAD], UNKNOWN)
                # A tail that is longer than the message would have it end before it begins.
                if expected == behind < size:
                    if asked != kind:
                        kind, spare = asked, b""
                        find, usual, forms = caches[kind].get, len(tails[kind]) + 2, self._forms.known[kind]
                    key = message.lower() if is_usual else message[:end].lower() + tails[kind]
                    rest = find(key)
                    if rest is None:
                        question = key[:end]
                        rest = find_in_region(question, kind)
                        if room > 0 and rest is not None:
                            caches[kind][key] = rest
                            room -= 1
                        elif rest is not None:
                            unkept += 1
                            spare, spared = key, rest
                    elif not is_usual:
                        strange += 1
                if rest is None:
                    spare = b""  # the engine's answer may be one that has all forms forgotten
                    # The end of any message looks as if no OPT were behind it: where the question ends must be right.
                    if expected == behind < size and question.find(0, 10) + 5 == end:
                        self._respond_anew(batch, question, kind)
                    else:
                        self._respond_slowly(batch)
                        behind = self._behind
                    room -= 1
                    continue
            head, account = forms[rest[-1]]
            account[lane] += 1
            slot[2:12] = head
            end += 2
            after = end + len(rest)
            slot[end:after] = rest
            done(after - 1)
        self._kind = kind
        self._blind = self._blind - 1 if self._blind else (_LOOK_IN - 1) * (8 * unkept > 7 * len(sizes))
        # Without room one of a batch is kept, so that what is asked often comes in, and a scan pushes out little.
        if spare and spare not in caches[kind]:
            self._keep(spare, kind, spared)
        if looks_whole:
            self._score = min(self._score + len(sizes) - 2 * unusual, _MOST_SCORE)
        else:
            self._score += 1 + len(sizes) // _LOOK_WHOLE
        self._strange = min(max(self._strange + 2 * strange - len(sizes), 0), _MOST_SCORE)
        if self._strange == _MOST_SCORE:
            self._reconsider(message)

    def forget(self, most: int) -> bool:
        """Let go of so many cached responses; returns whether there may be more. Nothing may be asked afterwards.

        There may be so many that to let go of all at once takes milliseconds, in which nothing else is done.
        """
        for cache in self._caches:
            while cache and most:
                cache.popitem()
                most -= 1
        return self._regions.forget(most) or any(self._caches)

    def _sift(self, batch: Batch) -> list[int]:
        """Admit senders that may ask; returns the sizes, with 0 for messages that the loop must not answer."""
        sizes = list(batch.sizes)
        senders: Sequence[int | bytes] = batch.senders
        for number, sender in enumerate(senders):
            if sender not in self._clients:
                source = batch.source(number)
                # IPv4 through a socket for both families is counted by what it is, and not by the batch.
                if (len(source) == 16) is not batch.is_ipv6 or not self._admit(sender, source):
                    sizes[number] = 0
        return sizes

    def _admit(self, sender: int | bytes, source: bytes) -> bool:
        """Take note of a sender that may ask."""
        if source not in self._policy.clients:
            return False
        if len(self._clients) == _MOST_CLIENTS:
            self._clients.clear()
        self._clients.add(sender)
        return True

    def _respond_anew(self, batch: Batch, key: bytes, kind: int) -> None:
        """Answer the next message of a batch: from who may ask, well understood, but not known."""
        number = len(batch.responses)
        octets, source = batch.message(number), batch.source(number)
        if self._blind:
            batch.put(self._respond(octets, key, source, over_tcp=False))
        else:
            batch.put(self._ask_engine(octets, key, kind, source, over_tcp=False))

    def _respond_slowly(self, batch: Batch) -> None:
        """Answer the next message of a batch, whatever it is."""
        number = len(batch.responses)
        if batch.sizes[number] < 0:
            batch.put(None)
            return
        octets = batch.message(number)
        key = _find_key(octets)
        batch.put(self._respond(octets, key, batch.source(number), over_tcp=False))
        self._behind = len(octets) - len(key)

    def respond(self, octets: bytes, source: bytes, *, over_tcp: bool) -> bytes | None:
        """Answer one message, as `Engine.respond` does."""
        if source in self._clients:
            kind = self._kind
            rest = self._caches[kind].get(octets[2:])
            if rest is not None:
                lane = find_lane(source, over_tcp=over_tcp)
                return self._complete(octets, len(octets) - len(self._tails.usual[kind]), kind, rest, lane)
        key = _find_key(octets)
        self._behind = len(octets) - len(key)
        return self._respond(octets, key, source, over_tcp=over_tcp)

    def _respond(self, octets: bytes, key: bytes, source: bytes, *, over_tcp: bool) -> bytes | None:
        kind = UNKNOWN[0]
        if source in self._clients or self._admit(source, source):
            end = 2 + len(key)
            kind = self._tails.find_kind(octets[end:])
            if kind != UNKNOWN[0]:
                self._kind = kind
                rest = self._find(key, kind)
                if rest is not None:
                    return self._complete(octets, end, kind, rest, find_lane(source, over_tcp=over_tcp))
        return self._ask_engine(octets, key, kind, source, over_tcp=over_tcp)

    def _complete(self, octets: bytes, end: int, kind: int, rest: bytes, lane: int) -> bytes:
        """Put the response together, and count it; `end` is that of the question."""
        head, account = self._forms.known[kind][rest[-1]]
        account[lane] += 1
        return b"".join((octets[:2], head, octets[12:end], rest[:-1]))

    def _ask_engine(self, octets: bytes, key: bytes, kind: int, source: bytes, *, over_tcp: bool) -> bytes | None:
        answered = self._engine.answer_message(octets, source, over_tcp=over_tcp)
        if answered is None:
            return None
        answered.account[find_lane(source, over_tcp=over_tcp)] += 1
        if kind != UNKNOWN[0]:
            self._learn(key, kind, answered)
        return answered.response

    def _find(self, key: bytes, kind: int) -> bytes | None:
        whole = key + self._tails.usual[kind]
        rest = self._caches[kind].get(whole)
        if rest is None:
            rest = self._regions.find(key, kind)
            if rest is not None and sum(map(len, self._caches)) < _MOST:
                self._caches[kind][whole] = rest
        return rest

    def _keep(self, key: bytes, kind: int, rest: bytes) -> None:
        """Keep a response; what came first goes when there are too many."""
        sizes = list(map(len, self._caches))
        if sum(sizes) >= _MOST:
            fullest = sizes.index(max(sizes))
            oldest = self._oldest[fullest]
            if not oldest:
                # A dict comes to its first key by all the places of those that are gone, up to 20 us: so many at once.
                oldest += islice(self._caches[fullest], _AT_ONCE)
                oldest.reverse()
            del self._caches[fullest][oldest.pop()]
        self._caches[kind][key] = rest

    def _reconsider(self, message: bytes) -> None:
        """Vote for the tail of a message, without its ID; the one with enough votes is in the keys from then on.

        What was learned of that kind is forgotten, and soon known again.
        """
        self._strange -= _MOST_SCORE // _OFTEN  # so many more until the next vote
        tail = message[message.find(0, 10) + 5 :]
        if tail != self._candidate and self._votes:
            self._votes -= 1
            return
        self._candidate = tail
        self._votes += 1
        if self._votes < _OFTEN:
            return
        self._votes = self._strange = 0
        kind = self._tails.choose(tail)
        if kind is not None:
            self._score = 0
            self._caches[kind].clear()
            self._oldest[kind].clear()

    def _start_over(self) -> None:
        """Forget everything that was learned, as all forms are taken: what is asked now is soon known again."""
        for cache, oldest in zip(self._caches, self._oldest, strict=True):
            cache.clear()
            oldest.clear()
        self._regions.clear()
        self._forms.clear()
        self._began = self._answered

    def _learn(self, key: bytes, kind: int, answered: Answered) -> None:
        """Keep a response, if it is one that whoever sends the same question gets, too."""
        self._answered += 1
        if self._answered % _ONE_IN and sum(map(len, self._caches)) >= _MOST:
            return
        response, account, query, answer, opt = answered
        if query is None or answer is None or not _is_general(response, query, answer):
            return
        if len(query.question) != len(key) - 10 or kind != self._tails.kind_of(query.edns):
            return
        if self._forms.are_short and self._answered - self._began > _LEAST_LEARNED:
            self._start_over()
        form = self._forms.find(kind, response[2:12], account)
        # Types with octets that are letters are not told apart in lower case.
        if form is None or key[-4:].islower():
            return
        rest = response[2 + len(key) :] + form
        self._keep(key + self._tails.usual[kind], kind, rest)
        if key.endswith(_PTR_IN) and answer.zone is not None and answer.cut is None:
            # A CNAME may lead to what is not there: that is no neighbour's answer.
            is_missing = answer.outcome is Outcome.NXDOMAIN and not answer.sections.answer
            self._regions.learn(key, kind, opt, answer.zone, rest if is_missing else None)


def _find_key(octets: bytes) -> bytes:
    """Take out what stands before the end of the question, without the ID and in lower case.

    A label may have a zero in it. Then this ends within the name, and is never a key of anything.
    """
    key = octets[2:].lower()
    return key[: key.find(0, 10) + 5]


def _is_general(response: bytes, query: Query, answer: Answer) -> bool:
    """Say whether a response depends on nothing but the question, the flags and the kind of OPT."""
    return (
        query.opcode == Opcode.QUERY
        and query.tsig is None
        and answer.outcome is not Outcome.BADVERS
        and answer.refusal not in _PERSONAL
        and query.qtype != RRType.AXFR  # over UDP it is malformed
        # It fits whatever size was named, and nothing was left out.
        and len(response) <= MIN_PAYLOAD
        and not response[2] & TC >> 8
    )
