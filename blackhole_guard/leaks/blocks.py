"""Findings by block: 23 rows that people can read, where the registry has 100 zones."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from blackhole_guard.leaks.doctor import Finding
from blackhole_guard.leaks.verdicts import WORST_FIRST, Verdict
from blackhole_guard.reserved.registry import Sink


@dataclass(frozen=True, slots=True)
class BlockFinding:
    """What becomes of queries for one block."""

    block: str  # a key of `registry.BLOCKS`
    verdict: Verdict  # of its worst zone
    verdicts: Counter[Verdict]  # of all its zones
    sinks: tuple[Sink, ...]  # that it was seen to leak to
    leaking: tuple[str, ...]  # types that leak, or are made up, somewhere in it
    what: str  # of the first of its worst zones
    seconds: float | None  # the slowest first answer


def group_by_block(findings: Iterable[Finding]) -> list[BlockFinding]:
    """Put the findings of each block together, in the order in which the blocks come."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.zone.block, []).append(finding)
    return [_summarise(block, group) for block, group in groups.items()]


def _summarise(block: str, group: list[Finding]) -> BlockFinding:
    worst = min(group, key=lambda finding: WORST_FIRST.index(finding.verdict))
    return BlockFinding(
        block=block,
        verdict=worst.verdict,
        verdicts=Counter(finding.verdict for finding in group),
        sinks=tuple(dict.fromkeys(finding.sink for finding in group if finding.sink is not None)),
        leaking=tuple(dict.fromkeys(qtype for finding in group for qtype in finding.leaking)),
        what=worst.what,
        seconds=max((finding.seconds for finding in group if finding.seconds is not None), default=None),
    )
