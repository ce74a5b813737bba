"""The same zones in ours, in Knot and in NSD, and 20,000 generated queries.

Each response of ours is Knot's or NSD's, or a rule in docs/conformance.md says why it is not.

    .venv/bin/python -m pytest tests/conformance/test_conformance.py -s

prints the figures. CONFORMANCE_SEED and CONFORMANCE_QUERIES set other ones than the test's own.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import dns.exception
import pytest
from exchanges import exchange
from peer_servers import guard, knot, nsd
from question_mix import Mix
from questions import Question
from response_rules import Verdicts, View, describe, faults, read_rules, view
from reverse_data import make_zones, master_zones, render_maps, render_master

SEED = int(os.environ.get("CONFORMANCE_SEED", "20090125"))
QUERIES = int(os.environ.get("CONFORMANCE_QUERIES", "20000"))
LEAST = QUERIES // 40  # of each kind: 500 of 20,000

pytestmark = pytest.mark.peers("knotd", "nsd")


@dataclass
class Comparison:
    """Everything that was asked and answered, and the verdicts."""

    questions: list[Question]
    octets: list[bytes]
    responses: dict[str, dict[int, bytes]]  # server -> number of the query -> response
    lost: dict[str, int]
    views: dict[str, dict[int, View]]
    verdicts: Verdicts


@pytest.fixture(scope="module")
def comparison() -> Iterator[Comparison]:
    zones = make_zones(SEED)
    masters = master_zones(zones)
    mix = Mix(zones, masters, SEED)
    share = -(-QUERIES // len(mix.kinds))
    questions = mix.make(share)
    octets = [question.octets(number) for number, question in enumerate(questions)]
    texts = {zone.apex: render_master(zone) for zone in masters}
    with (
        knot(texts) as knot_peer,
        nsd(texts, extra="minimal-responses: yes\nround-robin: no") as nsd_peer,
        guard({"all.yaml": render_maps(zones)}, settings={"server": {"workers": 2}}) as ours,
    ):
        peers = {"ours": ours, "knot": knot_peer, "nsd": nsd_peer}
        addresses = {name: (peer.address, peer.port) for name, peer in peers.items()}
        found = asyncio.run(_ask_all(addresses, questions, octets))
    known: dict[bytes, View | None] = {}
    views = {name: _views(one.responses, known) for name, one in found.items()}
    verdicts = Verdicts(read_rules())
    for number, question in enumerate(questions):
        if all(number in views[name] for name in views):
            theirs = {name: views[name][number] for name in ("knot", "nsd")}
            verdicts.enter(question.kind, str(question), views["ours"][number], theirs)
    result = Comparison(
        questions,
        octets,
        {name: one.responses for name, one in found.items()},
        {name: one.lost for name, one in found.items()},
        views,
        verdicts,
    )
    _print(result)
    yield result


async def _ask_all(addresses, questions, octets):
    udp = [(number, octets[number]) for number, question in enumerate(questions) if not question.tcp]
    tcp = [(number, octets[number]) for number, question in enumerate(questions) if question.tcp]
    results = await asyncio.gather(*(exchange(address, udp, tcp) for address in addresses.values()))
    return dict(zip(addresses, results, strict=True))


def _views(responses: dict[int, bytes], known: dict[bytes, View | None]) -> dict[int, View]:
    """Decode all responses; `known`: what has been decoded already, since two servers often say the same octets."""
    found = {}
    for number, octets in responses.items():
        if octets not in known:
            try:
                known[octets] = view(octets)
            except dns.exception.DNSException:
                known[octets] = None  # the test that counts them finds it missing
        seen = known[octets]
        if seen is not None:
            found[number] = seen
    return found


def _print(result: Comparison) -> None:
    kinds = Counter(question.kind for question in result.questions)
    print(f"\nseed {SEED}, {len(result.questions)} queries; equal to: {dict(result.verdicts.equal)}")
    print(f"wrong: {len(result.verdicts.wrong)}; sent a second time: {result.lost}")
    print("kinds:", ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())))
    for rule, count in result.verdicts.used.most_common():
        print(f"rule {rule.kind} / {rule.field} / {rule.ours}: {count}")


def test_each_query_has_a_response_that_dnspython_can_read(comparison):
    for name, views in comparison.views.items():
        assert len(views) == len(comparison.questions), (name, len(comparison.responses[name]))


def test_there_are_enough_queries_of_each_kind(comparison):
    questions = comparison.questions
    assert len(questions) >= QUERIES
    counts = Counter(question.kind for question in questions)
    counts["over UDP"] = sum(not question.tcp for question in questions)
    counts["over TCP"] = sum(question.tcp for question in questions)
    counts["with EDNS"] = sum(question.edns is not None for question in questions)
    counts["without EDNS"] = sum(question.edns is None for question in questions)
    counts["with DO"] = sum(question.edns is not None and question.edns.do for question in questions)
    counts["with unknown options"] = sum(
        question.edns is not None and bool(question.edns.options) for question in questions
    )
    assert {kind: count for kind, count in counts.items() if count < LEAST} == {}


# What makes a query be of its kind, said of the response of Knot: the generator knows no answers.
KINDS = {
    "hit": lambda seen: seen.rcode == "NOERROR" and seen.aa and len(seen.answer) == 1,
    "several": lambda seen: seen.tc or 2 <= len(seen.answer) <= 4,
    "miss": lambda seen: seen.rcode == "NXDOMAIN" and len(seen.authority) == 1,
    "odd-label": lambda seen: seen.rcode == "NXDOMAIN",
    "empty-non-terminal": lambda seen: seen.rcode == "NOERROR" and not seen.answer and len(seen.authority) == 1,
    "apex": lambda seen: seen.rcode == "NOERROR" and seen.aa,
    "other-class": lambda seen: seen.rcode == "REFUSED",
    "outside": lambda seen: seen.rcode == "REFUSED",
    "delegation": lambda seen: seen.rcode == "NOERROR" and not seen.aa and not seen.answer and seen.authority,
    "delegation-foreign-glue": lambda seen: not seen.aa and not seen.answer and seen.authority,
    "delegation-recursive": lambda seen: not seen.aa and not seen.answer and seen.authority,
    "classless": lambda seen: seen.rcode == "NOERROR" and (seen.answer or seen.tc),
    "cut": lambda seen: seen.rcode == "NOERROR" and seen.aa and not seen.answer,
    "version": lambda seen: seen.rcode == "BADVERS",
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_queries_of_a_kind_are_of_that_kind(comparison, kind):
    numbers = [number for number, question in enumerate(comparison.questions) if question.kind == kind]
    others = [
        comparison.views["knot"][number] for number in numbers if not KINDS[kind](comparison.views["knot"][number])
    ]
    assert not others, f"{len(others)} of {len(numbers)}, such as {others[0]}"


def test_a_third_of_the_large_answers_is_truncated(comparison):
    numbers = [number for number, question in enumerate(comparison.questions) if question.kind == "truncated"]
    assert sum(comparison.views["knot"][number].tc for number in numbers) > len(numbers) / 3


def test_each_response_echoes_its_query_and_has_no_record_twice(comparison):
    wrong = [
        f"{question}: {found}"
        for number, question in enumerate(comparison.questions)
        if (octets := comparison.responses["ours"].get(number)) is not None
        and number in comparison.views["ours"]
        and (found := faults(comparison.octets[number], octets))
    ]
    assert not wrong, f"{len(wrong)} of them:\n" + "\n".join(wrong[:10])


def test_no_response_is_longer_than_its_client_takes(comparison):
    for number, question in enumerate(comparison.questions):
        if not question.tcp:
            most = 512 if question.edns is None else min(max(question.edns.size, 512), 1232)
            assert len(comparison.responses["ours"][number]) <= most, question


def test_each_response_is_that_of_knot_or_nsd_or_a_rule_says_why_not(comparison):
    wrong = comparison.verdicts.wrong
    kinds = Counter(text.partition(":")[0] for text in wrong)
    assert not wrong, f"{len(wrong)} are not: {dict(kinds)}\n" + "\n".join(_one_of_each(wrong))


def _one_of_each(wrong: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    shown = []
    for text in wrong:
        kind = text.partition(":")[0]
        seen[kind] += 1
        if seen[kind] <= 3:
            shown.append(text)
    return shown


def test_each_rule_is_needed(comparison):
    assert [rule for rule in comparison.verdicts.rules if not comparison.verdicts.used[rule]] == []


def test_the_rules_are_few(comparison):
    """Most responses need none: a rule that swallows a kind of query as a whole would hide what goes wrong in it."""
    by_rule = comparison.verdicts.equal["by rule"]
    assert by_rule < len(comparison.questions) / 4, by_rule


def test_a_difference_is_seen(comparison):
    """The comparison itself: a response to another query is not taken for the right one."""
    numbers = [number for number, question in enumerate(comparison.questions) if question.kind == "hit"][:2]
    ours = comparison.views["ours"][numbers[0]]
    theirs = {name: comparison.views[name][numbers[1]] for name in ("knot", "nsd")}
    verdicts = Verdicts(())
    verdicts.enter("hit", "swapped", ours, theirs)
    assert len(verdicts.wrong) == 1 and "answer" in describe(ours, theirs, ["answer"])
