"""Who causes averted leaks: that all are counted while they are few, and the sample is fair when they are not."""

import random
from collections import Counter
from ipaddress import ip_address

import pytest
from hot_messages import CLIENT, CLIENTS, STRANGERS, Sent, compose, every_question, make_slots, policy, split_families
from hypothesis import given
from hypothesis import strategies as st
from raw_messages import opt, option
from shelved_zones import PROBE, open_zones

from blackhole_guard.answering.averted import AvertedLeaks, find_client
from blackhole_guard.answering.batch import Batch
from blackhole_guard.answering.engine import Engine
from blackhole_guard.answering.hot_path import HotPath
from blackhole_guard.answering.policy import Clients, parse_clients
from blackhole_guard.answering.tally import Tally
from blackhole_guard.reserved.addresses import reverse_name
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import pack_name

ECS = 8
FEW = 1 << 30  # looks a second: more than there are messages


def packed(text):
    return ip_address(text).packed


def ask_for(address, options=None, qtype=RRType.PTR):
    tail = (b"", 0, 0) if options is None else (opt(options), 0, 1)
    return compose(reverse_name(packed(address)), qtype, tail=tail)


class Worker:
    """A hot path and what counts beside it, asked as a worker does."""

    def __init__(self, snapshot, slots, looks=FEW, seed=1, **changes):
        self.now = 0.0
        self.rules = policy(**changes)
        self.tally = Tally()
        engine = Engine(snapshot, self.rules, self.tally)
        self.hot = HotPath(engine, snapshot, self.rules, self.tally)
        self.averted = AvertedLeaks(random.Random(seed).getrandbits, looks, looks)
        self.averted.follow(engine, self.rules.resolvers)
        self._slots = slots

    def ask_batch(self, batch, *, is_ipv6=False):
        for slot, each in zip(self._slots, batch, strict=False):
            slot[: len(each.octets)] = each.octets
        asked = Batch(
            slots=self._slots,
            sizes=[-1 if each.dropped else len(each.octets) for each in batch],
            senders=[each.source for each in batch],
            is_ipv6=is_ipv6,
            source=lambda number: batch[number].source,
        )
        if not self.averted.is_drawn(len(batch)):
            self.hot.respond_batch(asked)
            return
        drawn = self.averted.draw_from(asked)
        self.hot.respond_batch(asked)
        self.averted.set_aside(drawn, asked)
        self.averted.settle()

    def ask(self, octets, source=CLIENT, *, over_tcp=False):
        response = self.hot.respond(octets, source, over_tcp=over_tcp)
        self.averted.note(octets, response, source, over_tcp=over_tcp)

    def take(self, seconds=1.0):
        self.now += seconds
        self.averted.adapt(self.now)
        return self.averted.take()


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    opened = open_zones(tmp_path_factory.mktemp("zones"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def slots():
    return make_slots()


@pytest.fixture
def worker(snapshot, slots):
    return Worker(snapshot, slots)


def by_ledger(tally):
    """How many entries the ledger has, and how many of them are unmapped addresses."""
    counts = tally.take()
    leaks = sum(n for key, n in counts.items() if key[0] == "leaks_averted")
    return leaks, sum(n for key, n in counts.items() if key[0] == "unmapped_queries" and key[1] != "public")


def by_tops(counted):
    unmapped = sum(n for (_, _, is_unmapped), n in counted.counts.items() if is_unmapped)
    return sum(counted.counts.values()), unmapped


class TestWhatIsCounted:
    def test_who_asked_for_what(self, worker):
        worker.ask_batch([Sent(ask_for("10.0.0.3")), Sent(ask_for("10.9.9.9"), packed("10.1.1.1"))] * 2)
        worker.ask(ask_for("10.0.0.3"), over_tcp=True)
        assert worker.take().counts == {
            (CLIENT, packed("10.0.0.3"), False): 3,
            (packed("10.1.1.1"), packed("10.9.9.9"), True): 2,
        }
        assert worker.take().counts == {}

    @pytest.mark.parametrize(
        ("octets", "expected"),
        [
            (ask_for("10.0.0.0"), ("10.0.0.0", False)),  # the first of a network
            (ask_for("fd00::1"), ("fd00::1", False)),
            (ask_for("fd00::9:9"), ("fd00::9:9", True)),
            (ask_for("10.0.0.3", qtype=RRType.TXT), (None, False)),  # a leak, but for no PTR
            (compose(pack_name("lb._dns-sd._udp.0.0.0.10.in-addr.arpa")), (None, False)),
            (compose(pack_name("10.in-addr.arpa"), RRType.SOA, flags=0x2800), (None, False)),  # UPDATE
            (compose(pack_name("0.10.in-addr.arpa"), RRType.A), None),  # PARTIAL
            (ask_for("8.8.8.8"), None),  # a public zone
            (ask_for("192.0.2.1"), None),  # in no zone of ours
            (compose(pack_name("www.example.org"), RRType.A), None),
            (compose(pack_name("112535012345678901.9.9.9.10.in-addr.arpa")), None),  # the doctor's probes
            (ask_for(PROBE), None),
        ],
    )
    def test_what_is_an_averted_leak_and_for_which_address(self, worker, octets, expected):
        worker.ask_batch([Sent(octets)])
        found = None if expected is None else (packed(expected[0]) if expected[0] else b"", expected[1])
        assert list(worker.take().counts) == ([] if found is None else [(CLIENT, *found)])

    def test_what_strangers_ask_is_none(self, worker):
        worker.ask_batch([Sent(ask_for("10.0.0.3"), STRANGERS[0])])
        worker.ask(ask_for("10.0.0.3"), STRANGERS[0], over_tcp=True)
        assert worker.take().counts == {}

    @pytest.mark.parametrize("seed", range(3))
    def test_it_is_what_the_ledger_has_whatever_is_asked(self, worker, seed):
        chance = random.Random(seed)
        sent = [Sent(each, chance.choice(CLIENTS + STRANGERS), chance.random() < 0.05) for each in every_question(seed)]
        for start in range(0, len(sent), 64):
            for is_ipv6, batch in split_families(sent[start : start + 64]):
                worker.ask_batch(batch, is_ipv6=is_ipv6)
        assert by_tops(worker.take()) == by_ledger(worker.tally)

    def test_when_nobody_takes_them_memory_has_its_bound_and_the_rest_is_lost(self, worker):
        for number in range(5000):
            worker.ask(ask_for(f"10.0.{number >> 8}.{number & 255}"))
        counted = worker.take()
        assert len(counted.counts) == 4096
        assert sum(counted.counts.values()) + counted.lost == 5000


class TestSampling:
    def test_few_are_all_looked_at(self, snapshot, slots):
        worker = Worker(snapshot, slots, looks=1000)
        for _ in range(10):
            worker.ask_batch([Sent(ask_for("10.0.0.3"))] * 50)
        counted = worker.take()
        assert (sum(counted.counts.values()), counted.passed, counted.one_in) == (500, 0, 1)

    def test_many_are_sampled_at_once_and_it_is_said(self, snapshot, slots):
        worker = Worker(snapshot, slots, looks=100)
        for _ in range(500):
            worker.ask_batch([Sent(ask_for("10.0.0.3"))] * 64)
        counted = worker.take()
        assert counted.one_in >= 64
        assert 31_000 < counted.passed < 32_000
        assert abs(sum(counted.counts.values()) - 32_000) <= 5_000

    def test_in_a_moment_nothing_is_chosen_anew(self, snapshot, slots):
        worker = Worker(snapshot, slots, looks=100)
        for _ in range(100):
            worker.ask_batch([Sent(ask_for("10.0.0.3"))] * 64)
        worker.take()
        bits = worker.averted._bits
        worker.take(0.01)
        assert worker.averted._bits == bits > 0

    def test_less_are_all_looked_at_again(self, snapshot, slots):
        worker = Worker(snapshot, slots, looks=100)
        for _ in range(100):
            worker.ask_batch([Sent(ask_for("10.0.0.3"))] * 64)
        for _ in range(5):
            worker.take()
        worker.ask_batch([Sent(ask_for("10.0.0.3"))] * 3)
        assert worker.take() == ({(CLIENT, packed("10.0.0.3"), False): 3}, 0, 1, 0)

    def test_after_a_pause_few_are_looked_at_until_there_are_as_many_as_before(self, snapshot, slots):
        worker = Worker(snapshot, slots, looks=100)
        looked = []
        for _ in range(2):
            for _ in range(500):
                worker.ask_batch([Sent(ask_for("10.0.0.3"))] * 64)
            counted = worker.take()
            looked.append(32_000 - counted.passed)
            worker.take()
        assert looked[1] < looked[0] / 2

    def test_nothing_is_looked_at_before_the_responses_have_left(self, worker, monkeypatch):
        monkeypatch.setattr(worker.averted, "settle", lambda: None)
        for _ in range(4):
            worker.ask_batch([Sent(ask_for("10.0.0.3"))] * 60)
        assert not worker.averted._counts
        AvertedLeaks.settle(worker.averted)
        assert list(worker.averted._counts.values()) == [240]

    def test_no_place_in_a_batch_and_no_way_to_ask_is_preferred(self, monkeypatch):
        """Over many seeds, so each count is a mean. Its standard deviation is one per cent of what was asked."""
        monkeypatch.setattr("blackhole_guard.answering.averted._MOST_NOTED", 1 << 20)  # nobody else looks
        seen, asked, rounds = Counter(), Counter(), 600
        for seed in range(rounds):
            averted = AvertedLeaks(random.Random(seed).getrandbits, 50, 50)
            for now in range(1, 5):
                for turn in range(20):
                    size = 44 + turn
                    if averted.is_drawn(size):
                        batch = Batch([b"x"] * size, [1] * size, [0] * size, False, lambda number: b"")
                        for number, _, weight in averted.draw_from(batch):
                            seen[number % 7] += weight
                    asked.update(number % 7 for number in range(size))
                    for _ in range(9):
                        averted.note(b"", b"", b"over TCP", over_tcp=True)
                    asked["over TCP"] += 9
                seen["over TCP"] += sum(weight for *_, weight, _ in averted._drawn)
                averted._drawn.clear()
                averted.adapt(float(now))
        for kind, expected in asked.items():
            assert seen[kind] == pytest.approx(expected, rel=0.05)

    @given(st.lists(st.integers(1, 64), max_size=40), st.integers(1, 50), st.integers(0, 9))
    def test_of_each_n_in_a_row_one_is_drawn(self, sizes, looks, seed):
        averted = AvertedLeaks(random.Random(seed).getrandbits, looks, looks)
        total = weight = 0
        for size in sizes:
            total += size
            if averted.is_drawn(size):
                batch = Batch([b"x"] * size, [1] * size, [b"c"] * size, False, lambda number: b"c")
                weight += sum(each for _, _, each in averted.draw_from(batch))
        assert abs(weight - total) < 1 << averted._bits or weight == total


class TestTrueClients:
    SUBNET = option(ECS, bytes.fromhex("0001180064400a"))  # 100.64.10.0/24
    HOST = option(ECS, bytes.fromhex("0001200064400a07"))
    HIDDEN = option(ECS, bytes.fromhex("00010000"))
    MALFORMED = option(ECS, bytes.fromhex("0001200064400a"))

    @pytest.mark.parametrize(
        ("options", "client"),
        [
            (SUBNET, packed("100.64.10.0") + b"\x18"),
            (HOST, packed("100.64.10.7")),
            (option(10, b"12345678") + HOST, packed("100.64.10.7")),
            (option(ECS, b"\0\x02\x80\0" + packed("fd00::7")), packed("fd00::7")),
            (HIDDEN, CLIENT),
            (MALFORMED, CLIENT),
            (b"", CLIENT),
            (None, CLIENT),
        ],
    )
    @pytest.mark.parametrize("over_tcp", [False, True])
    def test_a_listed_resolver_is_believed(self, snapshot, slots, options, client, over_tcp):
        worker = Worker(snapshot, slots, trusted_resolvers=("10.9.9.0/24",))
        octets = ask_for("10.0.0.3", options)
        if over_tcp:
            worker.ask(octets, over_tcp=True)
        else:
            worker.ask_batch([Sent(octets)] * 2)
        assert {key[0] for key in worker.take().counts} == {client}

    def test_nobody_else_is(self, snapshot, slots):
        worker = Worker(snapshot, slots, trusted_resolvers=("10.9.8.0/24",))
        worker.ask_batch([Sent(ask_for("10.0.0.3", self.HOST))])
        worker.averted.follow(worker.averted._ledger, parse_clients(["10.9.9.9"]))  # after a reload
        worker.ask_batch([Sent(ask_for("10.0.0.4", self.HOST))])
        assert set(worker.take().counts) == {(packed("100.64.10.7"), packed(f"10.0.0.{n}"), False) for n in (3, 4)}
        worker.averted.follow(worker.averted._ledger, Clients(()))
        worker.ask_batch([Sent(ask_for("10.0.0.3", self.HOST))])
        assert {key[0] for key in worker.take().counts} == {CLIENT}

    @given(st.binary(max_size=80))
    def test_any_octets_have_a_client_or_none(self, octets):
        client = find_client(octets)
        assert client is None or len(client) in (4, 5, 16, 17)
