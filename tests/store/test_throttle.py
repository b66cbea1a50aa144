"""Counts of failures belong to all processes together, on both databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from idp.db.databases import Databases
from idp.db.raw import RawStore, open_raw
from idp.sso import throttle_queries as store
from tests.support.counts import Counts

NOW = 1_000_000.0


@pytest.fixture
def raw_store(databases: Databases) -> Iterator[RawStore]:
    raw_store = open_raw(databases)
    yield raw_store
    raw_store.close()


def test_every_one_of_parallel_failures_is_counted(raw_store: RawStore, counts: Counts) -> None:
    def fail(_: int) -> int:
        with raw_store.lend() as raw:
            return store.count_failure(raw, "account", "anna", NOW, NOW - 60)

    with ThreadPoolExecutor(counts.racers) as pool:
        seen = list(pool.map(fail, range(counts.races)))

    assert sorted(seen) == list(range(1, counts.races + 1))


def test_failures_are_forgotten_after_a_while(raw_store: RawStore) -> None:
    with raw_store.lend() as raw:
        store.count_failure(raw, "account", "anna", NOW - 100, NOW - 160)
        assert store.failures_of(raw, "account", "anna", NOW - 101) == store.Failures(1, NOW - 100)
        assert store.failures_of(raw, "account", "anna", NOW - 100) == store.NONE
        assert store.failures_of(raw, "network", "anna", NOW - 101) == store.NONE
        assert store.count_failure(raw, "account", "anna", NOW, NOW - 60) == 1


def test_accounts_that_a_network_failed_on_are_counted_once_each(raw_store: RawStore) -> None:
    with raw_store.lend() as raw:
        seen = [store.note_guess(raw, "203.0.113.7/32", name, NOW, NOW - 60) for name in ("a", "b", "a")]

        assert seen == [1, 2, 2]
        assert store.accounts_guessed(raw, "another", NOW - 60) == 0


def test_a_device_is_known_to_its_account_only_and_not_for_ever(raw_store: RawStore) -> None:
    with raw_store.lend() as raw:
        store.add_device(raw, "token", "anna", NOW, NOW + 100)
        device = store.find_device(raw, ("x", "token"), "anna", NOW)

        assert device is not None
        assert store.find_device(raw, ("token",), "jan", NOW) is None
        assert store.find_device(raw, ("token",), "anna", NOW + 100) is None
        store.count_device_failure(raw, device.token_hash, NOW + 1, NOW - 60)
        assert store.find_device(raw, ("token",), "anna", NOW) == store.Device(
            device.token_hash, store.Failures(1, NOW + 1)
        )


def test_old_failures_of_a_device_are_forgotten(raw_store: RawStore) -> None:
    with raw_store.lend() as raw:
        store.add_device(raw, "token", "anna", NOW, NOW + 1000)
        device = store.find_device(raw, ("token",), "anna", NOW)
        assert device is not None
        for _ in range(9):
            store.count_device_failure(raw, device.token_hash, NOW, NOW - 60)
        store.count_device_failure(raw, device.token_hash, NOW + 100, NOW + 40)

        assert store.find_device(raw, ("token",), "anna", NOW) == store.Device(
            device.token_hash, store.Failures(1, NOW + 100)
        )


def test_nothing_but_hashes_is_kept(raw_store: RawStore) -> None:
    with raw_store.lend() as raw:
        store.count_failure(raw, "account", "album:12345", NOW, NOW)
        store.note_guess(raw, "203.0.113.7/32", "album:12345", NOW, NOW)
        store.add_device(raw, "token", "anna", NOW, NOW + 100)
        kept = str(
            [
                *raw.all("SELECT * FROM failed_sign_in"),
                *raw.all("SELECT * FROM guessed_account"),
                *raw.all("SELECT * FROM known_device"),
            ]
        )

    assert not any(word in kept for word in ("12345", "203.0.113", "token"))


def test_what_no_longer_counts_is_swept(raw_store: RawStore) -> None:
    with raw_store.lend() as raw:
        store.count_failure(raw, "account", "anna", NOW, NOW)
        store.note_guess(raw, "203.0.113.7/32", "anna", NOW, NOW)
        store.add_device(raw, "token", "anna", NOW, NOW + 100)

        assert store.drop_forgotten(raw, NOW, NOW - 1) == 0
        assert store.drop_forgotten(raw, NOW + 100, NOW) == 3
