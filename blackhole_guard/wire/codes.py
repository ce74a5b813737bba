"""The numbers of the protocol that we name: types, classes, opcodes, RCODEs, EDNS options, extended errors.

Sources: the IANA registries "Domain Name System (DNS) Parameters"; RFC 1035, RFC 6891, RFC 8914.
"""

from enum import IntEnum


class RRType(IntEnum):
    """Resource record types and question types that we or our metrics call by name."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    NULL = 10
    PTR = 12
    HINFO = 13
    MX = 15
    TXT = 16
    AAAA = 28
    SRV = 33
    NAPTR = 35
    DNAME = 39
    OPT = 41
    DS = 43
    SSHFP = 44
    RRSIG = 46
    NSEC = 47
    DNSKEY = 48
    TLSA = 52
    SVCB = 64
    HTTPS = 65
    TKEY = 249
    TSIG = 250
    IXFR = 251
    AXFR = 252
    MAILB = 253
    MAILA = 254
    ANY = 255
    CAA = 257


def format_type(number: int) -> str:
    """Name a record type: as the registry does, if it is one of `RRType`; else as `TYPE65280` (RFC 3597 section 5)."""
    return _TYPE_NAMES.get(number) or f"TYPE{number}"


_TYPE_NAMES = {int(each): each.name for each in RRType}


class RRClass(IntEnum):
    """Classes (RFC 1035 section 3.2.4, RFC 2136 section 2.4)."""

    IN = 1
    CH = 3
    HS = 4
    NONE = 254
    ANY = 255


class Opcode(IntEnum):
    """Kinds of query (RFC 1035 section 4.1.1, RFC 1996, RFC 2136)."""

    QUERY = 0
    NOTIFY = 4
    UPDATE = 5


class RCode(IntEnum):
    """Response codes; those above 15 need EDNS (RFC 6895 section 2.3)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    NOTAUTH = 9
    BADVERS = 16
    BADCOOKIE = 23


class OptionCode(IntEnum):
    """EDNS options (RFC 6891 section 6.1.2)."""

    NSID = 3
    CLIENT_SUBNET = 8
    COOKIE = 10
    TCP_KEEPALIVE = 11
    EXTENDED_ERROR = 15


class ExtendedError(IntEnum):
    """INFO-CODEs of extended DNS errors (RFC 8914 section 4)."""

    PROHIBITED = 18
    NOT_AUTHORITATIVE = 20
