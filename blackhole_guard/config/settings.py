"""The settings, typed: what config.yaml may say, and what holds where it says nothing.

Every default is here and only here; tests hold docs/configuration.md and config.example.yaml against this module.
Durations are integers in seconds and sizes integers in octets: the loader turns `4h` and `64MiB` into them. The bounds
are here, too; `kind` in a type tells the loader how a value's text is read (`schema`).
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_TTL = 2**31 - 1  # seconds (RFC 2181 section 8)
MAX_SERIAL = 2**32 - 1  # RFC 1982 section 3, RFC 1035 section 3.3.13
DAY = 86400

Ttl = Annotated[int, Meta(ge=0, le=MAX_TTL, extra={"kind": "duration"})]
Patience = Annotated[int, Meta(ge=1, le=DAY, extra={"kind": "duration"})]  # how long a client may take
Limit = Annotated[int, Meta(ge=1, le=1_000_000)]  # how many there may be
HostName = Annotated[str, Meta(extra={"kind": "host"})]
Mailbox = Annotated[str, Meta(extra={"kind": "mailbox"})]
Endpoint = Annotated[str, Meta(extra={"kind": "endpoint"})]
Text255 = Annotated[str, Meta(extra={"kind": "text", "octets": 255})]  # a character-string (RFC 1035 section 3.3)


class Soa(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a map or the defaults say of a zone's SOA; None: not said. Names are absolute and ready for the wire."""

    mname: HostName | None = None
    rname: Mailbox | None = (
        None  # as a domain name (RFC 1035 section 3.3.13); the loader turns admin@example.com into it
    )
    serial: Annotated[int, Meta(ge=0, le=MAX_SERIAL)] | None = None
    refresh: Ttl | None = None
    retry: Ttl | None = None
    expire: Ttl | None = None
    minimum: Ttl | None = None


class TcpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of TCP service (RFC 7766 section 6 names them, without values). Each worker has its own."""

    connections: Limit = 256  # open at once; when full the longest idle one is closed
    per_client: Limit = 16  # open at once from one IPv4 address or IPv6 /64
    first_query: Patience = 5  # seconds from accept to the first whole message
    idle: Patience = 10  # seconds between messages
    message: Patience = 2  # seconds from a message's first octet to its last
    write_stall: Patience = 5  # seconds that a client may leave a full send buffer untouched
    lifetime: Patience = 120  # seconds a connection may last
    pipelined: Limit = 100  # queries in flight on one connection


class ServerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How and whom to serve."""

    listen: Annotated[tuple[Endpoint, ...], Meta(min_length=1)] | None = (
        None  # address, address:port, [v6]:port or interface name; None: 127.0.0.1 and ::1
    )
    port: Annotated[int, Meta(ge=0, le=65535)] = 53  # where `listen` names none; 0: any that is free
    workers: Annotated[int, Meta(ge=1, le=1024)] | Literal["auto"] = "auto"
    user: Annotated[str, Meta(extra={"kind": "user"})] | None = (
        None  # whom to become once the sockets are open; user or user:group
    )
    state_dir: str | None = None  # None: a private temporary directory
    allow_query: Annotated[tuple[Annotated[str, Meta(extra={"kind": "client"})], ...], Meta(min_length=1)] = (
        "local",
    )  # `local`, `loopback`, `any`, addresses or CIDRs
    watch: bool = False
    recursive_clients: Literal["refuse", "refer"] = "refuse"  # what RD=1 gets below a delegation
    # octets (RFC 6891 section 6.2.5; 1232 + 48 never needs a fragment); more than 4096 would only serve amplification
    udp_payload_size: Annotated[int, Meta(ge=512, le=4096, extra={"kind": "size"})] = 1232
    version: Text255 | None = None  # CH TXT version.bind and version.server; None: REFUSED
    identity: Text255 | None = None  # CH TXT id.server and hostname.bind; None: REFUSED
    nsid: Annotated[str, Meta(extra={"kind": "text", "octets": 64})] | None = (
        None  # NSID option (RFC 5001); None: not sent
    )
    max_drop: Annotated[int, Meta(ge=0, le=100)] = 50  # per cent of the records that a reload may lose without --force
    trusted_resolvers: tuple[Annotated[str, Meta(extra={"kind": "client"})], ...] = ()  # as `allow_query`
    trusted_proxies: tuple[Annotated[str, Meta(extra={"kind": "client"})], ...] = ()  # as `allow_query`
    tcp: TcpSettings = TcpSettings()


class TopsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who causes averted leaks, and for which addresses."""

    enabled: bool = True
    clients: Literal["addresses", "networks"] = "addresses"  # networks: the /24 or /56 that an address is in


class ApiSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the observer knows, as JSON."""

    enabled: bool = True
    allow: tuple[Annotated[str, Meta(extra={"kind": "client"})], ...] = ("loopback",)  # as `allow_query`


class TelemetrySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The observer's HTTP service."""

    enabled: bool = True
    listen: Annotated[tuple[Endpoint, ...], Meta(min_length=1)] = ("127.0.0.1:9353",)
    api: ApiSettings = ApiSettings()
    tops: TopsSettings = TopsSettings()


class DnstapSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What resolvers nearby tell of their own queries."""

    socket: str | None = None  # path of the unix socket to listen on; None: none
    # Whose processes may send, besides root's and our own: names or numbers of users.
    users: tuple[Annotated[str, Meta(extra={"kind": "account"})], ...] = ()
    group: Annotated[str, Meta(extra={"kind": "account"})] | None = None  # of the socket file; None: our own
    producers: Annotated[int, Meta(ge=1, le=256)] = 16  # connected at once


class WatchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `blackhole-guard watch` sees on interfaces, if it runs beside the server."""

    enabled: bool = True
    socket: str | None = None  # path of the unix socket to listen on; None: in the runtime or the state directory
    # Whose processes may send, besides root's and our own: names or numbers of users.
    users: tuple[Annotated[str, Meta(extra={"kind": "account"})], ...] = ()
    group: Annotated[str, Meta(extra={"kind": "account"})] | None = None  # of the socket file; None: our own


class LeakSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Leaks that still happen, and how they are seen."""

    # Servers of the operator's on public addresses, addresses or CIDRs: what is sent to them is no leak.
    own_servers: tuple[Annotated[str, Meta(extra={"kind": "network"})], ...] = ()
    dnstap: DnstapSettings = DnstapSettings()
    watch: WatchSettings = WatchSettings()


class LogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where log lines go and how they look."""

    format: Literal["auto", "text", "json", "journald"] = "auto"  # auto: journald under systemd, else text
    level: Literal["debug", "info", "warning", "error"] = "info"


class Defaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds for each map that says nothing of its own."""

    ttl: Ttl = 3600  # seconds, of PTR records
    ns: tuple[HostName, ...] = ()  # absolute names; empty: the apex itself, as in an empty zone (RFC 6303 section 3)
    soa: Soa = Soa()


class ReservedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The built-in empty zones."""

    serve: bool = True  # the zones of the IANA registry
    extras: bool = True  # the ones that are not in the registry yet


class DoctorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The examination of resolvers by the server itself, on a schedule."""

    # seconds from one examination to the next; None: none. Each is some 200 questions, which may go as far as they leak
    interval: Annotated[int, Meta(ge=60, le=7 * DAY, extra={"kind": "duration"})] | None = None
    resolvers: tuple[Annotated[str, Meta(extra={"kind": "resolver"})], ...] = ()  # empty: those of /etc/resolv.conf


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of config.yaml but the maps."""

    server: ServerSettings = ServerSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    leaks: LeakSettings = LeakSettings()
    log: LogSettings = LogSettings()
    defaults: Defaults = Defaults()
    reserved: ReservedSettings = ReservedSettings()
    doctor: DoctorSettings = DoctorSettings()
    include: tuple[str, ...] = ()  # patterns of map files; the loader makes them relative to the working directory
