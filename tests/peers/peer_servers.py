"""Real name servers, and ours as a process: each a context manager, ready when its body begins.

    with knot({"10.in-addr.arpa.": zone_text}) as peer:
        peer.ask(dns.message.make_query("3.0.0.10.in-addr.arpa.", "PTR"))

They listen on one address, over UDP and TCP: on a free port of 127.0.0.1 unless told otherwise. In a namespace of the
test's own (`namespaces`) it may be any address and port.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from peer_processes import HERE, Host, Peer, PeerError, free_port, responds, running, scratch, serves
from peer_programs import program

LOOPBACK = "127.0.0.1"


@contextmanager
def knot(
    zones: Mapping[str, str],
    *,
    host: Host = HERE,
    address: str = LOOPBACK,
    port: int | None = None,
    extra: str = "",
    zone_options: str = "",
) -> Iterator[Peer]:
    """Knot DNS with these zones: apex, absolute -> master file text.

    `extra` goes into its `server:` section, `zone_options` into each zone's.
    """

    def configure(directory: Path, listen_port: int) -> list[str]:
        (directory / "knot.conf").write_text(
            f"server:\n    rundir: {directory}\n    listen: {address}@{listen_port}\n    udp-workers: 1\n"
            "    tcp-workers: 1\n    background-workers: 1\n"
            f"{_indented(extra)}"
            f"log:\n  - target: stdout\n    any: info\ndatabase:\n    storage: {directory}\n"
            "template:\n  - id: default\n    zonefile-sync: -1\n    zonefile-load: whole\n    journal-content: none\n"
            f"    semantic-checks: off\n{_indented(zone_options)}"
            "zone:\n" + "".join(f"  - domain: {apex}\n    file: {path}\n" for apex, path in _write(directory, zones))
        )
        return [program("knotd"), "-c", str(directory / "knot.conf")]

    with _server("knot", configure, host, address, port, serves(*zones)) as peer:
        yield peer


@contextmanager
def nsd(
    zones: Mapping[str, str],
    *,
    host: Host = HERE,
    address: str = LOOPBACK,
    port: int | None = None,
    extra: str = "",
) -> Iterator[Peer]:
    """NSD with these zones: apex, absolute -> master file text.

    `extra` goes into its `server:` section. It limits no rates, as Debian's would.
    """

    def configure(directory: Path, listen_port: int) -> list[str]:
        (directory / "nsd.conf").write_text(
            f'server:\n    ip-address: {address}@{listen_port}\n    server-count: 1\n    username: ""\n'
            f'    zonesdir: {directory}\n    database: ""\n    pidfile: ""\n    xfrdfile: {directory}/xfrd.state\n'
            f"    xfrdir: {directory}\n    zonelistfile: {directory}/zone.list\n    rrl-ratelimit: 0\n"
            f"{_indented(extra)}"
            "remote-control:\n    control-enable: no\n"
            + "".join(f"zone:\n    name: {apex}\n    zonefile: {path}\n" for apex, path in _write(directory, zones))
        )
        return [program("nsd"), "-d", "-c", str(directory / "nsd.conf")]

    with _server("nsd", configure, host, address, port, serves(*zones)) as peer:
        yield peer


@contextmanager
def bind(
    config: str, *, options: str = "", host: Host = HERE, address: str = LOOPBACK, port: int | None = None
) -> Iterator[Peer]:
    """BIND with `config` as its named.conf.

    What it must have, and `options`, go into the `options` block of `config`, or into one made for it.
    """

    def configure(directory: Path, listen_port: int) -> list[str]:
        family = "listen-on-v6" if ":" in address else "listen-on"
        own = (
            f'options {{ directory "{directory}"; pid-file none; session-keyfile "{directory}/session.key";'
            f" {family} port {listen_port} {{ {address}; }};"
            f" {'listen-on' if ':' in address else 'listen-on-v6'} {{ none; }}; recursion yes;"
            f" allow-query {{ any; }}; allow-recursion {{ any; }}; {options} "
        )
        text = config.replace("options {", own, 1) if "options {" in config else f"{own} }};\n{config}"
        (directory / "named.conf").write_text(f"controls {{ }};\n{text}\n")
        return [program("named"), "-g", "-n", "1", "-c", str(directory / "named.conf")]

    with _server("named", configure, host, address, port, responds) as peer:
        yield peer


@contextmanager
def unbound(config: str, *, host: Host = HERE, address: str = LOOPBACK, port: int | None = None) -> Iterator[Peer]:
    """Unbound with `config` behind a `server:` clause of its own. It logs each query that it gets."""

    def configure(directory: Path, listen_port: int) -> list[str]:
        (directory / "unbound.conf").write_text(
            f"server:\n    interface: {address}@{listen_port}\n    access-control: 0.0.0.0/0 allow\n"
            '    access-control: ::/0 allow\n    num-threads: 1\n    chroot: ""\n    username: ""\n'
            f'    pidfile: ""\n    directory: {directory}\n    use-syslog: no\n    logfile: ""\n    log-queries: yes\n'
            f"    module-config: iterator\nremote-control:\n    control-enable: no\n{config}\n"
        )
        return [program("unbound"), "-d", "-c", str(directory / "unbound.conf")]

    with _server("unbound", configure, host, address, port, responds) as peer:
        yield peer


@contextmanager
def dnsmasq(
    config: str,
    *,
    queries: str = "log-queries",
    host: Host = HERE,
    address: str = LOOPBACK,
    port: int | None = None,
) -> Iterator[Peer]:
    """dnsmasq with `config`; it reads neither /etc/hosts nor /etc/resolv.conf, and logs queries as `queries` says."""

    def configure(directory: Path, listen_port: int) -> list[str]:
        (directory / "dnsmasq.conf").write_text(
            f"listen-address={address}\nport={listen_port}\nbind-interfaces\nno-hosts\nno-resolv\n{queries}\nlog-facility=-\n"
            f"{'user=root' if os.geteuid() == 0 else ''}\n{config}\n"
        )
        return [program("dnsmasq"), "--keep-in-foreground", f"--conf-file={directory}/dnsmasq.conf", "--pid-file"]

    with _server("dnsmasq", configure, host, address, port, responds) as peer:
        yield peer


@contextmanager
def guard(
    maps: Mapping[str, str],
    *,
    settings: Mapping[str, object] | None = None,
    host: Host = HERE,
    address: str = LOOPBACK,
    port: int | None = None,
    metrics: int | None = None,
) -> Iterator[Peer]:
    """Ours with these maps: file name -> YAML text; its configuration, maps and state lie in `peer.directory`.

    Args:
        settings: as in config.yaml; those of listening, the state directory and `include` are set here.
        metrics: the port of telemetry on 127.0.0.1; None: no observer.
    """

    def configure(directory: Path, listen_port: int) -> list[str]:
        (directory / "zones").mkdir()
        for name, text in maps.items():
            (directory / "zones" / name).write_text(text)
        wanted: dict[str, object] = {**(settings or {})}
        server = wanted.pop("server", {})
        assert isinstance(server, dict)
        if "user" in server:
            directory.chmod(0o755)
        endpoint = f"[{address}]:{listen_port}" if ":" in address else f"{address}:{listen_port}"
        wanted["server"] = {"workers": 1, **server, "listen": [endpoint], "state_dir": str(directory / "state")}
        wanted["telemetry"] = {"enabled": False} if metrics is None else {"listen": [f"127.0.0.1:{metrics}"]}
        if maps:
            wanted["include"] = ["zones/*.yaml"]
        (directory / "config.yaml").write_text(yaml.safe_dump(wanted, sort_keys=False))
        return [sys.executable, "-m", "blackhole_guard", "serve", "--config", str(directory / "config.yaml")]

    with _server("blackhole-guard", configure, host, address, port, responds) as peer:
        yield peer


def _write(directory: Path, zones: Mapping[str, str]) -> list[tuple[str, Path]]:
    """Write each zone into a file and give (apex, its file)."""
    files = []
    for number, (apex, text) in enumerate(zones.items()):
        path = directory / f"{number}.zone"
        path.write_text(text)
        files.append((apex, path))
    return files


def _indented(lines: str) -> str:
    return "".join(f"    {line.strip()}\n" for line in lines.splitlines() if line.strip())


@contextmanager
def _server(
    name: str,
    configure: Callable[[Path, int], Sequence[str]],
    host: Host,
    address: str,
    port: int | None,
    ready: Callable[[Peer], bool],
) -> Iterator[Peer]:
    """Configure and run a server; with a port of our own choice try again when somebody took it meanwhile."""
    tries = 1 if port is not None else 3
    for left in reversed(range(tries)):
        chosen = free_port() if port is None else port
        ran = False
        try:
            with (
                scratch(name) as directory,
                running(
                    configure(directory, chosen),
                    directory,
                    name=name,
                    ready=ready,
                    host=host,
                    address=address,
                    port=chosen,
                ) as peer,
            ):
                ran = True
                yield peer
            return
        except PeerError:
            if ran or left == 0:
                raise
