"""Files of queries: what is asked, and what must be answered."""

import struct

import dns.edns
import dns.message
import dns.rdatatype
import pytest

from bench.data import Dataset, address, has_entry, reverse_name
from bench.queries import WORKLOADS, write_workload


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    return Dataset(tmp_path_factory.mktemp("data"), 1000)  # of which the files need not be there


def read(path) -> list[bytes]:
    octets, messages, place = path.read_bytes(), [], 0
    while place < len(octets):
        (length,) = struct.unpack_from("!H", octets, place)
        messages.append(octets[place + 2 : place + 2 + length])
        place += 2 + length
    return messages


def number_of(owner: str) -> int:
    labels = owner.lower().split(".")
    assert labels[4:] == ["in-addr", "arpa", ""] and labels[3] == "10"
    return int(labels[2]) << 16 | int(labels[1]) << 8 | int(labels[0])


@pytest.mark.parametrize("name", WORKLOADS)
def test_each_query_is_well_formed_and_has_the_answer_that_is_expected(name, dataset, tmp_path):
    workload = write_workload(name, dataset, tmp_path)
    messages = read(workload.path)
    assert len(messages) == len(workload.is_there)
    for octets, is_there in list(zip(messages, workload.is_there, strict=True))[:500]:
        query = dns.message.from_wire(octets)
        question = query.question[0]
        assert question.rdtype == dns.rdatatype.PTR
        assert has_entry(number_of(str(question.name)), dataset.entries) == bool(is_there)
        assert query.edns == (-1 if name == "plain" else 0)


def options(path) -> list[dns.edns.Option]:
    return [option for octets in read(path)[:2000] for option in dns.message.from_wire(octets).options]


def test_mixed_has_half_of_each_and_hits_only_names(dataset, tmp_path):
    mixed = write_workload("mixed", dataset, tmp_path)
    assert 0.49 < sum(mixed.is_there) / len(mixed.is_there) < 0.51
    assert all(write_workload("hits", dataset, tmp_path).is_there)


def test_a_scan_asks_for_each_record_once_and_in_another_order_with_another_seed(dataset, tmp_path):
    first, second = (read(write_workload("scan", dataset, tmp_path, seed).path) for seed in (1, 2))
    assert first != second
    owners = {str(dns.message.from_wire(octets).question[0].name) for octets in first}
    assert len(first) == 1000
    assert owners == {reverse_name(address(entry)) + "." for entry in range(1000)}
    assert write_workload("scan", dataset, tmp_path).arguments()[-2:] == ["-n", "1"]


def test_cookies_are_the_same_and_subnets_are_many(dataset, tmp_path):
    cookies = options(write_workload("cookie", dataset, tmp_path).path)
    assert {option.to_wire() for option in cookies} == {bytes.fromhex("0123456789abcdef")}
    subnets = options(write_workload("ecs", dataset, tmp_path).path)
    assert all(option.srclen == 24 for option in subnets)
    assert len({option.address for option in subnets}) > 1500


def test_random_case_is_of_the_same_names(dataset, tmp_path):
    messages = read(write_workload("case", dataset, tmp_path).path)[:100]
    names = [str(dns.message.from_wire(octets).question[0].name) for octets in messages]
    assert all(name.lower().endswith(".10.in-addr.arpa.") for name in names)
    assert len({name[-14:] for name in names}) > 50


def test_expected_answers_are_counted_over_the_ends_of_the_file(dataset, tmp_path):
    workload = write_workload("mixed", dataset, tmp_path)
    whole = sum(workload.is_there)
    assert workload.expected(0) == 0
    assert workload.expected(3) == sum(workload.is_there[:3])
    assert workload.expected(2 * len(workload.is_there) + 5) == 2 * whole + sum(workload.is_there[:5])


def test_what_has_no_name_is_none_of_many_records(tmp_path):
    dataset = Dataset(tmp_path, 6_000_000)  # more than a third of all addresses
    workload = write_workload("mixed", dataset, tmp_path)
    for octets, is_there in list(zip(read(workload.path), workload.is_there, strict=True))[:500]:
        name = str(dns.message.from_wire(octets).question[0].name)
        assert has_entry(number_of(name), dataset.entries) == bool(is_there)
