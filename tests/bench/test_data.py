"""The records to measure with: the same ones for ours and for the peers."""

from ipaddress import ip_address

import dns.zone
import pytest
import yaml

from bench.data import address, has_entry, host_name, reverse_name, write_dataset, write_maps, write_zone


@pytest.mark.parametrize("family", [4, 6])
def test_maps_and_master_file_have_the_same_records(tmp_path, family):
    dataset = write_dataset(tmp_path, 450, family)
    mapped = {}
    for path in dataset.maps.glob("*.yaml"):
        mapped |= yaml.safe_load(path.read_text()).get("ptr", {})
    zone = dns.zone.from_file(str(dataset.zone_file), dataset.apex, relativize=False)
    served = {str(name): str(rdata.target) for name, _, rdata in zone.iterate_rdatas("PTR")}
    assert len(mapped) == 450
    assert served == {ip_address(key).reverse_pointer + ".": f"{name}." for key, name in mapped.items()}
    assert mapped[str(ip_address(address(449, family)))] == host_name(449)


def test_changed_entries_have_another_name(tmp_path):
    dataset = write_dataset(tmp_path, 20)
    write_maps(dataset, {7})
    write_zone(dataset, {7}, serial=2026010102)
    text = "".join(path.read_text() for path in dataset.maps.glob("*.yaml"))
    assert text.count("-new.") == dataset.zone_file.read_text().count("-new.") == 1
    assert f"10.0.0.8: {host_name(7, is_changed=True)}\n" in text
    assert "2026010102" in dataset.zone_file.read_text()
    assert sorted(path.suffix for path in dataset.maps.iterdir()) == [".yaml"] * 16


@pytest.mark.parametrize("entries", [1, 200, 201, 777])
def test_an_address_has_an_entry_or_none(entries):
    there = {int.from_bytes(address(entry)[1:], "big") for entry in range(entries)}
    assert len(there) == entries
    assert {number for number in range(2048) if has_entry(number, entries)} == there


def test_a_million_entries_fit():
    assert address(999_999) == bytes((10, 19, 135, 200))
    assert address(999_999, 6) != address(999_998, 6)
    assert reverse_name(address(0)) == "1.0.0.10.in-addr.arpa"
