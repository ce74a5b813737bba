"""What the observer of a server in a namespace publishes, as `curl 127.0.0.1:9353/metrics` there would show it."""

import socket

from peer_processes import Host
from prometheus_client.parser import text_string_to_metric_families

PORT = 9353


def averted(host: Host, **labels: str) -> dict[tuple[str, str], float]:
    """blackhole_guard_leaks_averted_total by shape and outcome, where it is not 0 and has these labels."""
    found = _read(host, "blackhole_guard_leaks_averted_total")
    return {
        (each["shape"], each["outcome"]): value for each, value in found if value and labels.items() <= each.items()
    }


def searches_ended(host: Host) -> dict[str, float]:
    """blackhole_guard_searches_ended_total by block, where it is not 0."""
    return {each["block"]: value for each, value in _read(host, "blackhole_guard_searches_ended_total") if value}


def samples(host: Host, name: str) -> dict[frozenset[tuple[str, str]], float]:
    """A metric's samples by their labels."""
    return {frozenset(labels.items()): value for labels, value in _read(host, f"blackhole_guard_{name}")}


def _read(host: Host, name: str) -> list[tuple[dict[str, str], float]]:
    with host.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect(("127.0.0.1", PORT))
        client.sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        page = b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")[2].decode()
    return [
        (sample.labels, sample.value)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name
    ]
