"""The hot path says and counts what an engine without memory does, whatever was asked before."""

import random
from contextlib import contextmanager

import pytest
from hot_messages import (
    CLIENTS,
    COOKIE,
    ECS,
    PADDING,
    PLAIN_TAILS,
    STRANGERS,
    TYPES,
    Both,
    Sent,
    compose,
    every_question,
    make_slots,
    recase,
    sequences,
    split_families,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_messages import opt, option
from shelved_zones import ODD_NAMES, open_zones

from blackhole_guard.answering import forms, hot_path, regions, tails
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import pack_name

LIMITS = {
    "as they are": {},
    "small": {
        hot_path: {"_MOST": 4, "_MOST_CLIENTS": 2, "_ONE_IN": 2, "_AT_ONCE": 3, "_MOST_SCORE": 2},
        regions: {"_MOST": 5, "_MOST_ENDINGS": 9, "_MOST_SHELVES": 2, "_ONE_IN": 1},
        tails: {"_MOST_KNOWN": 3},
        forms: {"_MOST": 12},
    },
    "usual tails often chosen anew": {hot_path: {"_MOST_SCORE": 3, "_OFTEN": 2}},
    "shelves at hand": {regions: {"_ONE_IN": 1}},
    "no regions": {regions: {"_MOST_ENDINGS": 0}},
    "few forms": {forms: {"_MOST": 3}},
    "few forms, often forgotten": {forms: {"_MOST": 3}, hot_path: {"_LEAST_LEARNED": 5}},
    "no forms": {forms: {"_MOST": 0}},
}
WEB = pack_name("3.0.0.10.in-addr.arpa")
ALL_UPPER = (1 << 64) - 1
GONE = pack_name("99.0.0.10.in-addr.arpa")


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    opened = open_zones(tmp_path_factory.mktemp("zones"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def slots():
    return make_slots()


@pytest.fixture
def both(snapshot, slots):
    return Both(snapshot, slots)


@contextmanager
def limits(name):
    with pytest.MonkeyPatch.context() as patch:
        for module, values in LIMITS[name].items():
            for constant, value in values.items():
                patch.setattr(module, constant, value)
        yield


class TestAnyMessages:
    @pytest.mark.parametrize("name", LIMITS)
    def test_all_questions_in_any_order_one_by_one(self, snapshot, slots, name):
        with limits(name):
            both = Both(snapshot, slots)
            for seed in range(3):
                for octets in every_question(seed):
                    both.ask(octets)
            both.check_counts()

    @pytest.mark.parametrize("name", LIMITS)
    def test_all_questions_in_any_order_in_batches(self, snapshot, slots, name):
        chance = random.Random(name)
        with limits(name):
            both = Both(snapshot, slots)
            for seed in range(3):
                left = every_question(seed)
                while left:
                    size = chance.choice((1, 2, 64))
                    batch, left = [Sent(octets) for octets in left[:size]], left[size:]
                    both.ask_batch(batch, is_ipv6=False)
                    both.check_counts()

    @pytest.mark.parametrize("name", LIMITS)
    @given(batches=sequences(), refer=st.booleans(), nsid=st.sampled_from((None, "x", "n" * 64)))
    @settings(max_examples=60, deadline=None)
    def test_any_batches_from_anybody(self, snapshot, slots, name, batches, refer, nsid):
        with limits(name):
            both = Both(snapshot, slots, recursive_clients="refer" if refer else "refuse", nsid=nsid)
            for _ in range(2):
                for batch in batches:
                    for is_ipv6, part in split_families(batch):
                        both.ask_batch(part, is_ipv6=is_ipv6)
                    both.check_counts()

    @given(batches=sequences(most=12), over_tcp=st.lists(st.booleans(), min_size=12, max_size=12))
    @settings(max_examples=60, deadline=None)
    def test_any_messages_one_by_one_over_udp_and_tcp_and_in_batches_between(self, snapshot, slots, batches, over_tcp):
        both = Both(snapshot, slots)
        for batch in batches:
            both.ask_batch(batch, is_ipv6=True)
            for each, tcp in zip(batch, over_tcp, strict=False):
                both.ask(each.octets, each.source, over_tcp=tcp)
        both.check_counts()


class TestMessagesThatAreNearlyTheSame:
    BASES = (
        compose(WEB),
        compose(WEB, tail=(opt(), 0, 1)),
        compose(GONE, tail=(opt(option(COOKIE, b"ABCDefgh")), 0, 1)),
        compose(pack_name("10.in-addr.arpa"), RRType.SOA),
        compose(pack_name("0.0.10.in-addr.arpa"), tail=(opt(do=True), 0, 1)),
        compose(b"".join(b"\x01" + b"0123456789abcdef"[n % 3 : n % 3 + 1] for n in range(30)) + b"\1d\1f\3ip6\4arpa\0"),
    )

    @pytest.mark.parametrize("base", BASES)
    def test_a_message_that_differs_in_one_bit_is_answered_as_what_it_is(self, snapshot, slots, base):
        both = Both(snapshot, slots)
        others = []
        for bit in range(8 * len(base)):
            other = bytearray(base)
            other[bit // 8] ^= 1 << bit % 8
            others.append(bytes(other))
            fresh = Both(snapshot, slots)
            fresh.ask(others[-1])
            fresh.ask(base)
            fresh.ask(others[-1])
            fresh.check_counts()
            both.ask_batch([Sent(base), Sent(others[-1]), Sent(base), Sent(others[-1])], is_ipv6=False)
        for octets in others:
            both.ask(octets)
        both.check_counts()

    @pytest.mark.parametrize("tail", PLAIN_TAILS)
    def test_each_end_of_a_message_is_no_other_message(self, both, tail):
        whole = compose(WEB, tail=tail)
        for _ in range(2):
            both.ask(whole)
            both.ask_batch([Sent(whole)] * 2 + [Sent(whole[:end]) for end in range(len(whole))][-60:], is_ipv6=False)
        both.check_counts()

    @pytest.mark.parametrize("padding", [0, 1, 30, 58, 100, 286, 700, 2000])
    @pytest.mark.parametrize("first", [pack_name("x"), WEB])
    def test_a_tail_that_is_longer_than_its_whole_message_hides_no_question(self, both, padding, first):
        tail = (opt(option(PADDING, bytes(padding))), 0, 1)
        known, padded, whole = compose(WEB, tail=(opt(), 0, 1)), compose(first, tail=tail), compose(WEB, tail=tail)
        both.ask_batch([Sent(known)] * 2, is_ipv6=False)
        for end in range(len(whole)):
            both.ask_batch([Sent(padded), Sent(whole[:end]), Sent(known)], is_ipv6=False)
        for is_ipv6 in (False, True):
            # What was too long for its slot comes without its end, and is not to be answered.
            both.ask_batch([Sent(padded), Sent(whole, dropped=True), Sent(known)], is_ipv6=is_ipv6)
        both.check_counts()

    @pytest.mark.parametrize(("letter", "other"), [(0x41, 0x61), (0x5A, 0x7A), (0x410C, 0x610C), (0x0C41, 0x0C61)])
    @pytest.mark.parametrize("where", ["qtype", "qclass"])
    def test_types_whose_octets_are_letters_are_told_apart(self, both, letter, other, where):
        for number in (letter, other, letter, other):
            for _ in range(2):
                octets = compose(WEB, **{where: number})
                assert both.ask(octets)[12 : len(octets)] == octets[12:]
                both.ask_batch([Sent(octets)] * 2, is_ipv6=False)

    @pytest.mark.parametrize("odd", ODD_NAMES)
    def test_a_name_with_a_zero_in_it_is_no_key_of_anything(self, both, odd):
        for name in (WEB, odd, GONE, odd, WEB):
            both.ask(compose(name))
            both.ask_batch([Sent(compose(name))] * 3, is_ipv6=False)
        both.check_counts()

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("1.2.0.10.in-addr.arpa", "123.0.10.in-addr.arpa"),  # as long, in the region of 10.0.0.0/16
            ("111.3.1.10.in-addr.arpa", "1.2.3.1.10.in-addr.arpa"),  # in that of 10.1.3.0/24
            ("7.0.4.10.in-addr.arpa", "6.0.4.10.in-addr.arpa"),  # a CNAME to what is not there, and nothing at all
            ("255.0.4.10.in-addr.arpa", "255.1.4.10.in-addr.arpa"),  # the same at the edge of a network
            ("99.0.0.10.in-addr.arpa", "255.1.0.10.in-addr.arpa"),
            ("5.1.0.10.in-addr.arpa", "6.1.0.10.in-addr.arpa"),  # on a sparse shelf
        ],
    )
    def test_what_one_name_taught_holds_for_no_name_of_another_kind(self, both, first, second):
        for name in (first, second, first, second):
            both.ask(compose(pack_name(name)))
        for name in (first, second):
            both.ask_batch([Sent(compose(pack_name(name)))] * 20, is_ipv6=False)
        both.check_counts()

    @pytest.mark.parametrize("first", ["99.2.0.10.in-addr.arpa", "0.200.0.10.in-addr.arpa", "7.1.0.10.in-addr.arpa"])
    def test_one_missing_address_teaches_what_all_of_its_region_get(self, both, first):
        both.ask(compose(pack_name(first)))
        both.forbid_engine()  # `ask` compares with another one
        for host in (0, 5, 77, 254, 255):
            for third in (2, 33, 201, 255):
                both.ask(compose(pack_name(f"{host}.{third}.0.10.in-addr.arpa")))
        both.check_counts()

    def test_what_did_not_fit_for_one_client_is_whole_for_another(self, both):
        long = pack_name("11.0.0.10.in-addr.arpa")
        sizes = [(opt(size=size), 0, 1) for size in (512, 1232, 512, 4096, 0)]
        for tail in (*sizes, PLAIN_TAILS[0], *sizes):
            both.ask(compose(long, tail=tail))
        assert both.ask(compose(long, tail=sizes[0]))[2] & 2  # TC
        both.check_counts()

    def test_case_of_a_question_is_its_own(self, both):
        for name in (WEB, GONE, pack_name("10.in-addr.arpa")):
            for bits in (0, 2**64 - 1, 0x5555555555555555):
                for _ in range(2):
                    octets = compose(recase(name, bits))
                    assert both.ask(octets)[12 : len(octets)] == octets[12:]

    @pytest.mark.parametrize("qtype", TYPES)
    def test_what_was_learned_over_udp_holds_over_tcp_where_it_may(self, both, qtype):
        for over_tcp in (False, True, False, True):
            for tail in PLAIN_TAILS[:3]:
                both.ask(compose(WEB, qtype, tail=tail), over_tcp=over_tcp)
                both.ask(compose(pack_name("10.in-addr.arpa"), qtype, tail=tail), over_tcp=over_tcp)
        both.check_counts()


class TestClients:
    def test_cookies_and_subnets_of_one_client_are_in_nobodys_response(self, both):
        chance = random.Random(1)
        secrets = [chance.randbytes(8) for _ in range(64)]
        for code in (COOKIE, ECS):
            for name in (WEB, GONE):
                tails = [(opt(option(code, secret)), 0, 1) for secret in secrets]
                batch = [Sent(compose(name, tail=tail)) for tail in tails]
                for _ in range(3):
                    responses = both.ask_batch(batch, is_ipv6=False)
                    assert not [secret for secret in secrets if any(secret in response for response in responses)]

    def test_a_stranger_never_gets_what_was_kept_for_others(self, both):
        for _ in range(3):
            both.ask(compose(WEB))
            for stranger in STRANGERS:
                response = both.ask(compose(WEB), stranger)
                assert response[3] & 15 == 5
                batch = [Sent(compose(WEB)), Sent(compose(WEB), stranger), Sent(compose(WEB))]
                both.ask_batch(batch, is_ipv6=True)
        both.check_counts()

    def test_what_must_not_be_answered_is_not_even_where_all_is_known(self, both):
        for _ in range(3):
            batch = [Sent(compose(WEB), dropped=n % 2 == 1) for n in range(8)]
            responses = both.ask_batch(batch, is_ipv6=False)
            assert [response is None for response in responses] == [n % 2 == 1 for n in range(8)]
            both.check_counts()

    def test_ipv4_through_a_socket_for_both_families_is_counted_as_ipv4(self, both):
        for _ in range(3):
            both.ask_batch([Sent(compose(WEB), source) for source in CLIENTS], is_ipv6=True)
            families = {key[2]: n for key, n in both.check_counts().items() if key[0] == "queries"}
            assert families == {"ipv4": 3, "ipv6": 2}

    def test_more_clients_than_are_kept_in_mind(self, both, monkeypatch):
        monkeypatch.setattr(hot_path, "_MOST_CLIENTS", 3)
        sources = [bytes((10, 0, 0, octet)) for octet in range(10)]
        for _ in range(3):
            both.ask_batch([Sent(compose(WEB), source) for source in (*sources, *STRANGERS[:1])], is_ipv6=False)
            for source in sources:
                both.ask(compose(WEB), source)
            assert len(both.hot._clients) <= 3
        both.check_counts()


class TestMemory:
    """The path is worth something: what is asked again does not reach the engine."""

    def test_the_second_time_the_engine_is_not_asked(self, both):
        names = (WEB, GONE, pack_name("0.0.0.10.in-addr.arpa"), pack_name("8.0.0.10.in-addr.arpa"))
        for name in names:
            for tail in PLAIN_TAILS:
                both.ask(compose(name, tail=tail))
        both.forbid_engine()
        for tail in PLAIN_TAILS:
            batch = [Sent(compose(recase(name, 0xFF << n), tail=tail, number=n)) for n, name in enumerate(names)]
            for each in batch:
                both.ask(each.octets)

    @pytest.mark.parametrize("first", PLAIN_TAILS)
    def test_in_batches_whatever_the_message_before_was_like(self, both, first):
        names = (pack_name("www.example.com"), WEB, GONE)
        batches = [[Sent(compose(name, RRType.A, tail=tail)) for name in names] for tail in PLAIN_TAILS]
        both.ask_batch([Sent(compose(pack_name("example.com"), tail=first))], is_ipv6=False)
        for batch in batches:
            both.ask_batch(batch, is_ipv6=False)
        both.forbid_engine()
        for batch in batches:
            for each in batch:
                both.ask(each.octets)

    @pytest.mark.parametrize(
        ("options", "is_usual"),
        [
            ((b"",), True),
            ((option(COOKIE, b"12345678"),), True),  # of the one resolver that asks
            ((option(ECS, bytes.fromhex("0001180a0101")),), True),
            (tuple(option(COOKIE, bytes((n,)) * 8) for n in range(7)), False),  # of several
            ((option(PADDING, bytes(100)),), False),
        ],
    )
    def test_keys_get_the_tail_that_most_messages_have_if_it_is_short(self, both, monkeypatch, options, is_usual):
        monkeypatch.setattr(hot_path, "_MOST_SCORE", 100)
        tails = [opt(each, size=1472) for each in options]
        for n in range(100):
            tail = (tails[n % len(tails)], 0, 1)
            names = [recase(name, case) for name in (WEB, GONE) for case in (0, ALL_UPPER)]
            both.ask_batch([Sent(compose(name, tail=tail)) for name in names], is_ipv6=False)
        kept = {key for cache in both.hot._caches for key in cache}
        assert len(kept) == 2
        assert all(key.endswith(tails[0]) is is_usual for key in kept)
        both.forbid_engine()
        both.ask_batch([Sent(compose(name, tail=(opt(size=512), 0, 1))) for name in (WEB, GONE)], is_ipv6=False)

    def test_of_a_usual_tail_with_an_option_another_content_is_no_second_response(self, both, monkeypatch):
        monkeypatch.setattr(hot_path, "_MOST_SCORE", 100)
        first, *others = ((opt(option(COOKIE, bytes((n,)) * 8)), 0, 1) for n in range(9))
        for _ in range(100):
            both.ask_batch([Sent(compose(WEB, tail=first))] * 4, is_ipv6=False)
        for tail in others:
            both.ask_batch([Sent(compose(name, tail=tail)) for name in (WEB, GONE) * 2], is_ipv6=False)
        kept = [key for cache in both.hot._caches for key in cache]
        assert len(kept) == 2
        both.check_counts()

    def test_what_is_kept_is_found_while_whole_messages_are_not_looked_for(self, both, monkeypatch):
        monkeypatch.setattr(hot_path, "_MOST_SCORE", 20)
        odd = [Sent(compose(recase(name, ALL_UPPER))) for name in (WEB, GONE) * 20]
        plain = [Sent(compose(name)) for name in (WEB, GONE)]
        for _ in range(3):
            both.ask_batch(odd, is_ipv6=False)
        assert both.hot._score < -20
        both.forbid_engine()
        monkeypatch.setattr(both.hot._regions, "find", None)
        both.ask_batch(plain + odd, is_ipv6=False)
        assert len([key for cache in both.hot._caches for key in cache]) == 2
        for _ in range(60):
            both.ask_batch(plain * 20, is_ipv6=False)
        assert both.hot._score > 0
        both.check_counts()

    def test_the_tail_of_keys_stays_while_no_other_is_more_usual(self, both, monkeypatch):
        monkeypatch.setattr(hot_path, "_MOST_SCORE", 100)
        usual, other = (Sent(compose(GONE, tail=(opt(size=size), 0, 1))) for size in (1232, 4096))
        for _ in range(200):
            both.ask_batch([usual, other, usual, other], is_ipv6=False)
        (key,) = both.hot._caches[1]
        assert key.endswith(opt(size=1232))

    @pytest.mark.parametrize("flood", [b"", option(COOKIE, b"AAAAAAAA")])
    def test_names_that_nobody_asked_for_before_do_not_choose_the_tail(self, both, monkeypatch, flood):
        monkeypatch.setattr(hot_path, "_MOST_SCORE", 100)
        known = [Sent(compose(name, tail=(opt(), 0, 1))) for name in (WEB, GONE)]
        for number in range(200):
            names = (pack_name(f"{number}.{each}.example.com") for each in range(9))
            new = [Sent(compose(name, RRType.A, tail=(opt(flood, size=4096), 0, 1))) for name in names]
            both.ask_batch([*known, *new], is_ipv6=False)
        assert both.hot._tails.usual[1] == opt()
        both.check_counts()

    def test_neither_do_a_few_after_many_that_had_a_tail_each(self, both, monkeypatch):
        monkeypatch.setattr(hot_path, "_MOST_SCORE", 320)  # ten messages a vote
        tails = [(opt(option(COOKIE, bytes((n,)) * 8)), 0, 1) for n in range(200)]
        for tail in tails:
            both.ask_batch([Sent(compose(name, tail=tail)) for name in (WEB, GONE)], is_ipv6=False)
        for _ in range(300):
            both.ask_batch([Sent(compose(WEB, tail=tails[0]))], is_ipv6=False)
        assert both.hot._tails.usual[1] == opt()

    def test_neither_do_a_few_after_many_that_are_unusual_by_their_letters(self, both, monkeypatch):
        monkeypatch.setattr(hot_path, "_MOST_SCORE", 100)
        tail = (opt(option(COOKIE, b"AAAAAAAA")), 0, 1)
        odd = [Sent(compose(recase(name, ALL_UPPER), tail=(opt(), 0, 1))) for name in (WEB, GONE)]
        for _ in range(200):
            both.ask_batch(odd, is_ipv6=False)
        for _ in range(90):
            both.ask_batch([Sent(compose(WEB, tail=tail))], is_ipv6=False)
        assert both.hot._tails.usual[1] == opt()

    def test_one_address_teaches_what_holds_for_its_neighbours(self, both):
        both.ask(compose(GONE))
        both.ask(compose(pack_name("255.3.0.10.in-addr.arpa")))
        both.forbid_engine()
        for name in ("3.0.0.10", "0.0.0.10", "98.2.0.10", "77.77.0.10", "5.1.0.10", "50.1.0.10", "0.2.0.10"):
            both.ask(compose(pack_name(f"{name}.in-addr.arpa")))

    def test_what_a_neighbour_taught_is_kept_while_there_is_room_and_pushes_out_nothing(self, both, monkeypatch):
        both.ask(compose(GONE))
        monkeypatch.setattr(hot_path, "_MOST", 3)
        for host in range(90, 100):
            both.ask(compose(pack_name(f"{host}.2.0.10.in-addr.arpa")), over_tcp=True)
        kept = [key for cache in both.hot._caches for key in cache]
        assert [key[10:13] for key in kept] == [b"\x0299", b"\x0290", b"\x0291"]

    def test_what_is_kept_is_not_asked_for_again_though_a_scan_does_not_look_for_it(self, both, monkeypatch):
        for number in range(60):  # they go first
            both.ask(compose(pack_name(f"{number}.example.com"), RRType.A))
        known = [Sent(compose(pack_name("10.in-addr.arpa"), RRType.SOA)), Sent(compose(GONE))]
        both.ask_batch(known, is_ipv6=False)
        monkeypatch.setattr(hot_path, "_MOST", sum(map(len, both.hot._caches)))
        scan = [Sent(compose(pack_name(f"{host}.2.0.10.in-addr.arpa"))) for host in range(30, 60)]
        both.forbid_engine()
        looked = []
        for _ in range(10):
            for batch in (scan, [*known, *scan], scan):
                both.ask_batch(batch, is_ipv6=False)
                looked.append(not both.hot._blind)
        assert not looked[0]
        assert any(looked)
        for _ in range(20):
            both.ask_batch(known, is_ipv6=False)
        assert not both.hot._blind
        both.check_counts()

    def test_what_came_first_goes_when_the_caches_are_full(self, snapshot, slots, monkeypatch):
        monkeypatch.setattr(hot_path, "_MOST", 8)
        monkeypatch.setattr(hot_path, "_ONE_IN", 1)
        monkeypatch.setattr(regions, "_MOST_ENDINGS", 0)
        both = Both(snapshot, slots)
        for host in range(8):
            both.ask(compose(pack_name(f"{host}.0.0.10.in-addr.arpa")))
        both.ask(compose(GONE))
        both.forbid_engine()
        both.ask(compose(GONE))
        for host in range(1, 8):
            both.ask(compose(pack_name(f"{host}.0.0.10.in-addr.arpa")))

    def test_names_that_never_come_again_push_out_little(self, snapshot, slots, monkeypatch):
        monkeypatch.setattr(hot_path, "_MOST", 20)
        both = Both(snapshot, slots)
        for number in range(80):
            both.ask(compose(pack_name(f"{number}.example.com"), RRType.A))
        assert len(both.hot._caches[0]) == 20
        both.forbid_engine()
        for number in (*range(4, 20), 31, 47, 63, 79):
            both.ask(compose(pack_name(f"{number}.example.com"), RRType.A))

    def test_flags_that_nobody_means_teach_regions_nothing(self, both):
        for flags in range(0, 0x10000, 16):
            octets = bytearray(compose(GONE))
            octets[2:4] = (flags & 0x07BF).to_bytes(2)  # any query
            both.ask(bytes(octets))
        assert sum(len(kind) for region in both.hot._regions._known.values() for kind in region.endings) <= 8

    def test_many_forms_do_not_keep_new_regions_out(self, snapshot, slots, monkeypatch):
        monkeypatch.setattr(forms, "_MOST", 12)
        monkeypatch.setattr(hot_path, "_LEAST_LEARNED", 50)
        both = Both(snapshot, slots)
        for octets in every_question(1):
            both.ask(octets)
        for _ in range(30):  # nothing of it is kept, until all is forgotten
            for name in (WEB, GONE):
                both.ask(compose(name))
        both.forbid_engine()
        for name in (WEB, GONE):
            both.ask(compose(name))

    def test_what_is_kept_of_a_batch_is_not_from_before_all_was_forgotten(self, snapshot, slots, monkeypatch):
        monkeypatch.setattr(forms, "_MOST", 6)
        monkeypatch.setattr(hot_path, "_LEAST_LEARNED", 20)
        monkeypatch.setattr(hot_path, "_MOST", 1)
        both = Both(snapshot, slots)
        chance = random.Random(7)
        asked = every_question(2)
        for _ in range(60):
            known = [Sent(compose(name)) for name in (GONE, WEB)]
            both.ask_batch([*known, *(Sent(octets) for octets in chance.sample(asked, 20))], is_ipv6=False)
            both.ask_batch(known, is_ipv6=False)
        both.check_counts()

    def test_memory_is_bounded(self, snapshot, slots):
        with limits("small"):
            both = Both(snapshot, slots)
            for octets in every_question(1):
                both.ask(octets)
            assert sum(map(len, both.hot._caches)) <= 4
            known = both.hot._regions
            assert len(known._known) <= 5
            assert len(known._places) <= 2
            assert len(both.hot._tails.known) <= 3
