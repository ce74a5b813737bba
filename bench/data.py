"""PTR records to measure with: the same ones as maps for ours and as a master file for the peers.

Entries are numbered from 0 and lie as hosts do: 200 of each /24 of 10.0.0.0/8 from its start, at .1 to .200, so that
there are addresses without a name in every network. In fd00::/8 they are 200 of each /64. An entry's name depends on
its number alone.
"""

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

_IN_A_NETWORK = 200
_FILES = 16  # of maps: one may have 64 MiB
_SOA = "ns1.example.com. admin.example.com. 2026010101 3600 1200 604800 10800"


@dataclass(frozen=True)
class Dataset:
    """Entries, written to a directory."""

    directory: Path  # holds maps/*.yaml and zone
    entries: int
    family: int = 4

    @property
    def apex(self) -> str:
        """The one zone of all entries, absolute."""
        return "10.in-addr.arpa." if self.family == 4 else "d.f.ip6.arpa."

    @property
    def maps(self) -> Path:
        """The directory of the maps: *.yaml."""
        return self.directory / "maps"

    @property
    def zone_file(self) -> Path:
        """The zone as a master file (RFC 1035 section 5)."""
        return self.directory / "zone"


def address(entry: int, family: int = 4) -> bytes:
    """The address of an entry: 4 or 16 octets."""
    network, host = divmod(entry, _IN_A_NETWORK)
    if family == 4:
        return bytes((10, network >> 8, network & 255, host + 1))
    return b"\xfd\x12\x34\x56\x78\x9a" + network.to_bytes(2, "big") + bytes(7) + bytes((host + 1,))


def has_entry(number: int, entries: int) -> bool:
    """Whether 10.0.0.0 + `number` is the address of one of the first `entries`."""
    network, host = divmod(number, 256)
    return 1 <= host <= _IN_A_NETWORK and network * _IN_A_NETWORK + host - 1 < entries


def host_name(entry: int, *, is_changed: bool = False) -> str:
    """The name that the PTR of an entry holds, without the last dot."""
    return f"host{entry}{'-new' if is_changed else ''}.rack{entry % 997}.example.com"


def write_dataset(directory: Path, entries: int, family: int = 4) -> Dataset:
    """Write maps and the master file."""
    dataset = Dataset(directory, entries, family)
    directory.mkdir(parents=True, exist_ok=True)
    write_maps(dataset)
    write_zone(dataset)
    return dataset


def write_maps(dataset: Dataset, changed: Collection[int] = frozenset()) -> None:
    """Write the maps, in which the `changed` entries have another name, each file in one rename."""
    dataset.maps.mkdir(exist_ok=True)
    block, family = ("10.0.0.0/8", 4) if dataset.family == 4 else ("fd00::/8", 6)
    head = f"zone: {block}\nns: [ns1.example.com]\nsoa: {{mname: ns1.example.com, rname: admin.example.com}}\nptr:\n"
    for number in range(_FILES):
        numbers = range(dataset.entries * number // _FILES, dataset.entries * (number + 1) // _FILES)
        path = dataset.maps / f"{number:02}.yaml"
        lines = [f"  {_text(e, family)}: {host_name(e, is_changed=e in changed)}\n" for e in numbers]
        path.with_suffix(".new").write_text(head + "".join(lines) if lines else head.removesuffix("ptr:\n"))
        path.with_suffix(".new").rename(path)


def write_zone(dataset: Dataset, changed: Collection[int] = frozenset(), serial: int = 2026010101) -> None:
    """Write the master file, in which the `changed` entries have another name."""
    soa = _SOA.replace("2026010101", str(serial))
    with dataset.zone_file.with_suffix(".new").open("w") as file:
        file.write(f"$ORIGIN {dataset.apex}\n$TTL 3600\n@ SOA {soa}\n@ NS ns1.example.com.\n")
        cut = -len("." + dataset.apex) + 1
        for entry in range(dataset.entries):
            owner = reverse_name(address(entry, dataset.family))[:cut]
            file.write(f"{owner} PTR {host_name(entry, is_changed=entry in changed)}.\n")
    dataset.zone_file.with_suffix(".new").rename(dataset.zone_file)


def reverse_name(octets: bytes) -> str:
    """The owner name of an address, without the last dot."""
    if len(octets) == 4:
        return f"{octets[3]}.{octets[2]}.{octets[1]}.{octets[0]}.in-addr.arpa"
    return ".".join(reversed(octets.hex())) + ".ip6.arpa"


def _text(entry: int, family: int) -> str:
    octets = address(entry, family)
    if family == 4:
        return f"{octets[0]}.{octets[1]}.{octets[2]}.{octets[3]}"
    return str(IPv6Address(octets))
