import re
from itertools import chain

import pytest

from blackhole_guard.answering.answer import RCODES, Outcome, Refusal
from blackhole_guard.answering.tally import FAMILIES, LEDGER_OUTCOMES, Tally, qtype_label
from blackhole_guard.reserved.registry import BLOCKS
from blackhole_guard.wire.codes import RRType

BY_NAME = {family.name: family for family in FAMILIES}


def values(name: str, label: str) -> set[str]:
    index = BY_NAME[name].labels.index(label)
    return {series[index] for series in BY_NAME[name].series}


def test_there_are_never_more_than_1500_series():
    assert sum(len(family.series) for family in FAMILIES) < 1500


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_lists_each_of_its_series_once_and_in_plain_text(family):
    assert len(set(family.series)) == len(family.series)
    for series in family.series:
        assert len(series) == len(family.labels)
        assert all(type(value) is str and re.fullmatch(r"[A-Za-z0-9._:/-]+", value) for value in series)


def test_every_rcode_that_we_send_has_its_series():
    assert values("queries", "rcode") == {rcode.name for rcode in RCODES.values()} | {"NOTIMP", "SERVFAIL"}
    assert set(RCODES) == set(Outcome)


def test_every_block_has_its_series():
    assert values("leaks_averted", "block") == set(BLOCKS)
    assert values("unmapped_queries", "block") == {block for block in BLOCKS if "/" in block} | {"public"}
    assert values("leaks_averted", "outcome") == {"answered", "nodata", "nxdomain", "referral", "refused"}
    assert {series[:2] for series in BY_NAME["leaks_averted"].series} == set(BLOCKS.items())
    assert values("refused", "reason") == {refusal.value for refusal in Refusal}
    assert set(LEDGER_OUTCOMES) == set(Outcome) - {Outcome.NOTAUTH, Outcome.BADKEY, Outcome.BADVERS, Outcome.FORMERR}


def test_types_are_named_as_far_as_people_ask_for_them():
    labels = {qtype_label(qtype) for qtype in range(65536)}
    assert labels | {"none"} == values("queries", "qtype")
    assert (qtype_label(RRType.PTR), qtype_label(RRType.MAILB), qtype_label(0)) == ("PTR", "other", "other")


def test_a_take_begins_anew():
    tally = Tally()
    tally.add("refused", "client")
    tally.add("refused", "client")
    tally.add("answer_errors")
    first = tally.take()
    assert first == {("refused", "client"): 2, ("answer_errors",): 1}
    assert tally.take() == {}
    tally.add("refused", "client")
    assert first["refused", "client"] == 2
    assert tally.take() == {("refused", "client"): 1}
    assert list(chain.from_iterable(BY_NAME["answer_errors"].series)) == []
