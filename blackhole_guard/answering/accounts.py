"""Which account a message that was read belongs to: the counters that its answer moves, the ledger's among them."""

from blackhole_guard.answering.answer import Answer, Outcome, Refusal
from blackhole_guard.answering.ledger import Shape, find_shape
from blackhole_guard.answering.tally import LEDGER_OUTCOMES, NO_TYPE, PUBLIC, Account, Key, Tally, qtype_label
from blackhole_guard.answering.zone_reader import ServedZone
from blackhole_guard.reserved.registry import BLOCKS
from blackhole_guard.wire.codes import Opcode
from blackhole_guard.wire.query import Query


def open_account(tally: Tally, query: Query, answer: Answer) -> Account:
    """Find the account of an answer."""
    keys: list[Key] = []
    if answer.refusal is not None:
        keys.append(("refused", answer.refusal))
    if query.opcode == Opcode.UPDATE and answer.refusal is not Refusal.CLIENT:
        keys.append(("updates", answer.rcode.name.lower()))
    if answer.zone is not None:
        keys += list_ledger_keys(answer.zone.block, _find_shape(query, answer, answer.zone), answer.outcome)
    is_query = query.opcode == Opcode.QUERY and query.question
    return tally.open_account(qtype_label(query.qtype) if is_query else NO_TYPE, answer.rcode.name, tuple(keys))


def list_ledger_keys(block: str | None, shape: Shape, outcome: Outcome) -> list[Key]:
    """Say what a message for a name in a zone of ours counts as in the ledger.

    Args:
        block: of the zone; None: it is not reserved.
    """
    keys: list[Key] = []
    if shape in (Shape.HOST, Shape.NETWORK) and outcome in (Outcome.NXDOMAIN, Outcome.NODATA):
        keys.append(("unmapped_queries", PUBLIC if block is None else block))
    if block is None:
        return keys
    if shape is not Shape.PARTIAL:
        keys.append(("leaks_averted", block, BLOCKS[block], shape, LEDGER_OUTCOMES[outcome]))
    elif outcome is Outcome.NXDOMAIN:
        keys.append(("searches_ended", block, BLOCKS[block]))
    return keys


def _find_shape(query: Query, answer: Answer, zone: ServedZone) -> Shape:
    if query.opcode == Opcode.UPDATE:
        return Shape.UPDATE
    return find_shape(query.qname, query.qtype, apex=zone.apex, cut=None if answer.cut is None else answer.cut.owner)
