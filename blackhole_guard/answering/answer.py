"""An answer as a value: how a query ends, and the records that say so.

RFC 1034 section 4.3.2 for the outcomes; RFC 8914 section 4 for what an extended error adds to a refusal.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from blackhole_guard.answering.zone_reader import Delegation, ServedZone
from blackhole_guard.wire.codes import ExtendedError, RCode
from blackhole_guard.wire.response import NO_RECORDS, Sections


class Outcome(StrEnum):
    """How a query ends. Where a CNAME leads on within our zones, how it ends there (RFC 6604 section 3)."""

    ANSWER = "answer"  # the records asked for, or a CNAME to where others answer
    NODATA = "nodata"  # the name exists, the type does not
    NXDOMAIN = "nxdomain"
    REFERRAL = "referral"  # below a delegation: the name servers to ask
    REFUSED = "refused"
    NOTAUTH = "notauth"  # an UPDATE of a zone that is not ours, any NOTIFY
    BADKEY = "badkey"  # signed: we have no keys (RFC 8945 section 5.2.1)
    BADVERS = "badvers"  # a version of EDNS that is not ours
    FORMERR = "formerr"


class Refusal(StrEnum):
    """Why a query is refused."""

    CLIENT = "client"  # not in allow_query
    OUTSIDE = "outside"  # in no zone of ours
    DELEGATED = "delegated"  # below a delegation, and recursion was desired
    CLASS = "class"  # neither IN, nor a name of class CH that has an answer
    TRANSFER = "transfer"  # AXFR, IXFR
    UPDATE = "update"


RCODES = {
    Outcome.ANSWER: RCode.NOERROR,
    Outcome.NODATA: RCode.NOERROR,
    Outcome.NXDOMAIN: RCode.NXDOMAIN,
    Outcome.REFERRAL: RCode.NOERROR,
    Outcome.REFUSED: RCode.REFUSED,
    Outcome.NOTAUTH: RCode.NOTAUTH,
    Outcome.BADKEY: RCode.NOTAUTH,
    Outcome.BADVERS: RCode.BADVERS,
    Outcome.FORMERR: RCode.FORMERR,
}

EXTENDED_ERRORS: Mapping[Refusal | None, ExtendedError] = {
    Refusal.CLIENT: ExtendedError.PROHIBITED,
    Refusal.OUTSIDE: ExtendedError.NOT_AUTHORITATIVE,
    Refusal.DELEGATED: ExtendedError.NOT_AUTHORITATIVE,
    Refusal.TRANSFER: ExtendedError.PROHIBITED,
}


class Answer(NamedTuple):
    """What to answer, before it is octets."""

    outcome: Outcome
    sections: Sections = NO_RECORDS
    authoritative: bool = False  # of the first owner name in the answer section, or of the name in the question
    zone: ServedZone | None = None  # the zone of ours that the question's name is in; None: it was not looked for
    cut: Delegation | None = None  # the delegation in that zone that the question's name is at or below
    refusal: Refusal | None = None  # why; None: not refused

    @property
    def rcode(self) -> RCode:
        """The response code, up to 12 bits."""
        return RCODES[self.outcome]


def refuse(why: Refusal) -> Answer:
    """Make an answer that says no."""
    return Answer(Outcome.REFUSED, refusal=why)
