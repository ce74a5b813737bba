"""Real resolvers that want a namespace of their own: Knot Resolver, PowerDNS Recursor, systemd-resolved with networkd.

Each is a context manager as in `peer_servers`. Knot Resolver finds its Lua below /usr/lib alone, and systemd's daemons
their configuration below /run: `make_home` lays both into the namespace, where nobody else sees them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from namespaces import Namespace
from peer_processes import Peer, responds, running, scratch
from peer_programs import UNPACKED, program

USERS = ("systemd-resolve", "systemd-network")
UPLINK, UPLINK_PEER, SIDE_LINK, SIDE_LINK_PEER = "up0", "up1", "vpn0", "vpn1"


def account_files() -> dict[str, str]:
    """Files for `namespaces.namespace`: systemd's users, and neither hosts nor name servers of this machine."""
    numbers = {name: 64000 + number for number, name in enumerate(USERS)}
    users = "".join(f"{name}:x:{number}:{number}::/:/usr/sbin/nologin\n" for name, number in numbers.items())
    groups = "".join(f"{name}:x:{number}:\n" for name, number in numbers.items())
    return {
        "/etc/passwd": f"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\n{users}",
        "/etc/group": f"root:x:0:\nnogroup:x:65534:\n{groups}",
        "/etc/hosts": "127.0.0.1 localhost\n",
        "/etc/resolv.conf": "",
    }


def make_home(host: Namespace) -> None:
    """Lay what the packages have below the machine's /usr, and an empty /run over its own. Once for a namespace."""
    unpacked = UNPACKED.parent / "root" / "usr"
    host.run(program("mount"), "-t", "overlay", "overlay", "-o", f"lowerdir=/usr:{unpacked}", "/usr")
    host.run(program("mount"), "-t", "tmpfs", "tmpfs", "/run")
    # With a /sys that can be written networkd would wait for udev.
    host.run(program("mount"), "-t", "sysfs", "-o", "ro", "sysfs", "/sys")


@contextmanager
def knot_resolver(config: str, *, host: Namespace, address: str, port: int) -> Iterator[Peer]:
    """Knot Resolver with `config` behind a line that makes it listen."""
    with scratch("kresd") as directory:
        (directory / "kresd.conf").write_text(
            f"net.listen('{address}', {port}, {{ kind = 'dns' }})\ncache.open(10 * MB, 'lmdb://{directory}/cache')\n"
            f"modules = {{ 'hints > iterate' }}\n{config}"
        )
        words = [program("kresd"), "-n", "-c", str(directory / "kresd.conf"), str(directory)]
        with running(words, directory, name="kresd", ready=responds, host=host, address=address, port=port) as peer:
            yield peer


def check_knot_resolver(config: str, *, host: Namespace) -> str:
    """Let it read a configuration to the end, without listening; raises PeerError when it does not take it."""
    with scratch("kresd") as directory:
        (directory / "kresd.conf").write_text(f"{config}\nquit()\n")
        words = [program("kresd"), "-n", "-c", str(directory / "kresd.conf"), str(directory)]
        return host.run("env", "KRESD_NO_LISTEN=1", *words)


@contextmanager
def pdns_recursor(
    config: str, lua: str, files: Mapping[str, str], *, host: Namespace, address: str, port: int
) -> Iterator[Peer]:
    """PowerDNS Recursor. `files`: path that `config` names -> text; they stand in the directory instead."""
    with scratch("pdns_recursor") as directory:
        write_recursor(directory, config, lua, files)
        with (directory / "recursor.conf").open("a") as conf:
            conf.write(f"local-address={address}\nlocal-port={port}\nallow-from=0.0.0.0/0, ::/0\n")
        words = [program("pdns_recursor"), f"--config-dir={directory}"]
        with running(
            words, directory, name="pdns_recursor", ready=responds, host=host, address=address, port=port
        ) as peer:
            yield peer


def write_recursor(directory: Path, config: str, lua: str, files: Mapping[str, str]) -> None:
    """Write recursor.conf, and what it names, into a directory."""
    for path, text in files.items():
        own = directory / Path(path).name
        own.write_text(text)
        config = config.replace(path, str(own))
    (directory / "recursor.lua").write_text(lua)
    (directory / "recursor.conf").write_text(
        f"socket-dir={directory}\nlua-config-file={directory}/recursor.lua\ndisable-syslog=yes\nsecurity-poll-suffix=\n"
        f"threads=1\n{config}\n"
    )


@contextmanager
def systemd_resolved(
    files: Mapping[str, str], *, upstream: str, host: Namespace, address: str, options: str = ""
) -> Iterator[Peer]:
    """systemd-resolved and systemd-networkd, which tells it of links. It answers on port 53 of `address`.

    Args:
        files: path below /etc/systemd -> text, put below /run/systemd instead.
        upstream: the name server of the link that is there anyway, as DHCP would say it.
        options: further lines for [Resolve].
    """
    _clear_links(host)
    _put(host, f"/run/systemd/network/{UPLINK}.network", _network(UPLINK, "10.255.0.1/24", f"DNS={upstream}\n"))
    _put(host, f"/run/systemd/network/{SIDE_LINK}.network", _network(SIDE_LINK, "10.255.1.1/24", ""))
    for path, text in files.items():
        # The kernel that tests run on may lack dummy links; an ifb link is one, too, that sends nothing anywhere.
        _put(host, path.replace("/etc/", "/run/", 1), text.replace("Kind=dummy", f"Kind={_kind_of_dummy(host)}"))
    _put(
        host,
        "/run/systemd/resolved.conf.d/00-test.conf",
        f"[Resolve]\nDNSStubListenerExtra={address}\nLLMNR=no\nMulticastDNS=no\nFallbackDNS=\n{options}",
    )
    names = {UPLINK, SIDE_LINK, *re.findall(r"^Name=(\S+)$", "\n".join(files.values()), re.MULTILINE)}
    with ExitStack() as stack:
        stack.enter_context(_networkd(host, sorted(names)))
        directory = stack.enter_context(scratch("resolved"))
        words = _on_console(program("systemd-resolved"), level="debug")  # its query log
        yield stack.enter_context(
            running(words, directory, name="systemd-resolved", ready=responds, host=host, address=address, port=53)
        )


@contextmanager
def _networkd(host: Namespace, links: Sequence[str]) -> Iterator[None]:
    def ready(peer: Peer) -> bool:
        return all(_is_configured(host, link) for link in links)

    with (
        scratch("networkd") as directory,
        running(
            _on_console(program("systemd-networkd"), level="info"),
            directory,
            name="systemd-networkd",
            ready=ready,
            host=host,
        ) as peer,
    ):
        yield
        # It reads on after a line that it does not understand, and says so.
        assert not re.search("unknown|fail|invalid|ignoring", peer.log, re.IGNORECASE), peer.log


def _on_console(path: str, *, level: str) -> list[str]:
    return ["env", "SYSTEMD_LOG_TARGET=console", f"SYSTEMD_LOG_LEVEL={level}", path]


def _clear_links(host: Namespace) -> None:
    """Begin with nothing but two links that have a carrier."""
    host.run("rm", "-rf", "/run/systemd", "/run/dnssec-trust-anchors.d")
    host.run("install", "-d", "-o", "systemd-network", "-g", "systemd-network", "/run/systemd/netif")
    for link, peer in ((UPLINK, UPLINK_PEER), (SIDE_LINK, SIDE_LINK_PEER)):
        host.run(program("ip"), "link", "delete", link, check=False)
        host.run(program("ip"), "link", "add", link, "type", "veth", "peer", "name", peer)
        host.run(program("ip"), "link", "set", peer, "up")
        _put(host, f"/run/systemd/network/{peer}.network", f"[Match]\nName={peer}\n\n[Link]\nUnmanaged=yes\n")


def _network(link: str, address: str, more: str) -> str:
    return (
        f"[Match]\nName={link}\n\n[Network]\nAddress={address}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLMNR=no\n"
        f"MulticastDNS=no\n{more}"
    )


def _kind_of_dummy(host: Namespace) -> str:
    host.run(program("ip"), "link", "add", "try0", "type", "dummy", check=False)
    has_dummies = "try0" in host.run(program("ip"), "-o", "link")
    host.run(program("ip"), "link", "delete", "try0", check=False)
    return "dummy" if has_dummies else "ifb"


def _is_configured(host: Namespace, link: str) -> bool:
    number = host.run(program("ip"), "-o", "link", "show", link, check=False).partition(":")[0]
    state = host.run("sh", "-c", f"cat /run/systemd/netif/links/{number or 'none'}", check=False)
    return "ADMIN_STATE=configured" in state


def _put(host: Namespace, path: str, text: str) -> None:
    with scratch("file") as directory:
        (directory / "file").write_text(text)
        host.run("sh", "-c", f"mkdir -p {Path(path).parent} && cp {directory}/file {path}")
