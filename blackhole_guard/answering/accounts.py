"""Which account a message that was read belongs to: the counters that its answer moves, the ledger's among them.

A query of class IN in a reserved zone of ours is entered in the ledger of averted leaks by block, sink, shape and
outcome. Not entered: what strangers and the doctor ask, transfers, zones that are not reserved, and PARTIAL names.
"""

from blackhole_guard.answering.answer import RCODES, Answer, Outcome, Refusal
from blackhole_guard.answering.tally import LEDGER_OUTCOMES, NO_TYPE, PUBLIC, Account, Key, Tally, qtype_label
from blackhole_guard.answering.zone_reader import ServedZone
from blackhole_guard.reserved.addresses import parse_reverse_name
from blackhole_guard.reserved.probes import is_probe
from blackhole_guard.reserved.registry import BLOCKS
from blackhole_guard.reserved.shapes import Shape, find_shape
from blackhole_guard.wire.codes import Opcode
from blackhole_guard.wire.query import Query

# All that decides an account: the type as it is counted, the opcode, the outcome, why it is refused, and the block and
# the shape where the name is in a zone of ours. Closed sets, so no client can make the accounts many.
_Kind = tuple[str, int, Outcome, Refusal | None, str | None, Shape | None]
_ADDRESSES = frozenset((Shape.HOST, Shape.NETWORK))  # where a PTR is asked for
_UNMAPPED = frozenset((Outcome.NXDOMAIN, Outcome.NODATA))


class Accounts:
    """Finds the accounts of answers in a tally. Each kind of answer is spelled out once, when it is first given."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._known: dict[_Kind, Account] = {}

    def find(self, query: Query, answer: Answer) -> Account:
        """Find the account of an answer."""
        opcode, zone = query.opcode, answer.zone
        label = qtype_label(query.qtype) if opcode == Opcode.QUERY and query.question else NO_TYPE
        block, shape = None, None
        if zone is not None:
            block, shape = zone.block, _find_shape(query, answer, zone)
        kind = (label, opcode, answer.outcome, answer.refusal, block, shape)
        account = self._known.get(kind)
        if account is None:
            account = self._known[kind] = self._open(*kind)
        return account

    def _open(
        self,
        qtype: str,
        opcode: int,
        outcome: Outcome,
        refusal: Refusal | None,
        block: str | None,
        shape: Shape | None,
    ) -> Account:
        keys: list[Key] = []
        rcode = RCODES[outcome].name
        if refusal is not None:
            keys.append(("refused", refusal))
        if opcode == Opcode.UPDATE and refusal is not Refusal.CLIENT:
            keys.append(("updates", rcode.lower()))
        if shape is not None:
            keys += list_ledger_keys(block, shape, outcome)
        return self._tally.open_account(qtype, rcode, tuple(keys))


def list_ledger_keys(block: str | None, shape: Shape, outcome: Outcome) -> list[Key]:
    """Say what a message for a name in a zone of ours counts as in the ledger.

    Args:
        block: of the zone; None: it is not reserved.
    """
    keys: list[Key] = []
    if shape in _ADDRESSES and outcome in _UNMAPPED:
        keys.append(("unmapped_queries", PUBLIC if block is None else block))
    if block is None:
        return keys
    if shape is not Shape.PARTIAL:
        keys.append(("leaks_averted", block, BLOCKS[block], shape, LEDGER_OUTCOMES[outcome]))
    elif outcome is Outcome.NXDOMAIN:
        keys.append(("searches_ended", block, BLOCKS[block]))
    return keys


def find_averted(query: Query, answer: Answer) -> tuple[bytes, bool] | None:
    """Find what the ledger's entry for a message is about.

    Returns:
        The whole address that was asked for, or nothing, and whether it has no PTR; None: there is no entry.
    """
    zone = answer.zone
    if zone is None or zone.block is None:
        return None
    shape = _find_shape(query, answer, zone)
    if shape is None or shape is Shape.PARTIAL:
        return None
    address = parse_reverse_name(query.qname) if shape in _ADDRESSES else None
    return address or b"", address is not None and answer.outcome in _UNMAPPED


def _find_shape(query: Query, answer: Answer, zone: ServedZone) -> Shape | None:
    """Tell the shape of a message for a name in a zone of ours; None: a probe of the doctor's, and nobody's leak."""
    if query.opcode == Opcode.UPDATE:
        return Shape.UPDATE
    if is_probe(query.qname):
        return None
    return find_shape(query.qname, query.qtype, apex=zone.apex, cut=None if answer.cut is None else answer.cut.owner)
