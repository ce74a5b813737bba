"""The settings, typed: what config.yaml may say, and what holds where it says nothing.

Every default is here and only here; docs/configuration.md and config.example.yaml are held against this module by a test.
Durations are integers in seconds and sizes integers in octets: the loader turns `4h` and `64MiB` into them.
"""

from typing import Literal

import msgspec


class Soa(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a map or the defaults say of a zone's SOA; None: not said."""

    mname: str | None = None
    rname: str | None = None  # as a domain name (RFC 1035 section 3.3.13); the loader turns admin@example.com into it
    serial: int | None = None
    refresh: int | None = None
    retry: int | None = None
    expire: int | None = None
    minimum: int | None = None


class TcpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of TCP service (RFC 7766 section 6, which names them and gives no values). All are per worker but `per_client`."""

    connections: int = 256  # open at once; when full the longest idle one is closed
    per_client: int = 16  # open at once from one IPv4 address or IPv6 /64
    first_query: int = 5  # seconds from accept to the first whole message
    idle: int = 10  # seconds between messages
    message: int = 2  # seconds from a message's first octet to its last
    write_stall: int = 5  # seconds that a client may leave a full send buffer untouched
    lifetime: int = 120  # seconds a connection may last
    pipelined: int = 100  # queries in flight on one connection


class ServerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How and whom to serve."""

    listen: tuple[str, ...] | None = None  # address, address:port, [v6]:port or interface name; None: 127.0.0.1 and ::1
    port: int = 53  # where `listen` names none
    workers: int | Literal["auto"] = "auto"
    user: str | None = None  # whom to become once the sockets are open; user or user:group
    state_dir: str | None = None  # None: a private temporary directory
    allow_query: tuple[str, ...] = ("local",)  # `local`, `loopback`, `any`, addresses or CIDRs
    watch: bool = False
    recursive_clients: Literal["refuse", "refer"] = "refuse"  # what RD=1 gets below a delegation
    udp_payload_size: int = 1232  # octets (RFC 6891 section 6.2.5; 1232 + 48 never needs a fragment)
    version: str | None = None  # CH TXT version.bind and version.server; None: REFUSED
    identity: str | None = None  # CH TXT id.server and hostname.bind; None: REFUSED
    nsid: str | None = None  # NSID option (RFC 5001); None: not sent
    max_drop: int = 50  # per cent of the records that a reload may lose without --force
    tcp: TcpSettings = TcpSettings()


class TelemetrySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The observer's HTTP service."""

    enabled: bool = True
    listen: tuple[str, ...] = ("127.0.0.1:9353",)


class LogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where log lines go and how they look."""

    format: Literal["auto", "text", "json", "journald"] = "auto"  # auto: journald under systemd, else text
    level: Literal["debug", "info", "warning", "error"] = "info"


class Defaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds for each map that says nothing of its own."""

    ttl: int = 3600  # seconds, of PTR records
    ns: tuple[str, ...] = ()  # empty: the apex itself, as in an empty zone (RFC 6303 section 3)
    soa: Soa = Soa()


class ReservedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The built-in empty zones."""

    serve: bool = True  # the zones of the IANA registry
    extras: bool = True  # the ones that are not in the registry yet


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of config.yaml but the maps."""

    server: ServerSettings = ServerSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    log: LogSettings = LogSettings()
    defaults: Defaults = Defaults()
    reserved: ReservedSettings = ReservedSettings()
    include: tuple[str, ...] = ()  # patterns of map files, relative to the file that names them
