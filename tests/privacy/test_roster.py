"""Rosters: rounded down, one slot a patient, the same slots whatever becomes of the store."""

from __future__ import annotations

import numpy as np
import pytest

from cape_fed.errors import InputError
from cape_fed.privacy.roster import find_slots, freeze_roster, renew_roster, round_down, split_of_roster
from cape_fed.store.split import split_patients
from tests.conftest import TinyStore

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("count", "rounded"), [(0, 0), (9, 0), (10, 10), (47, 40), (1234, 1200), (1999, 1900)])
def test_counts_are_rounded_down(count: int, rounded: int) -> None:
    assert round_down(count) == rounded


def test_slots_are_training_patients_with_all_their_records(tiny_store: TinyStore) -> None:
    store = tiny_store("a", patients=50)
    split = split_patients(store, 0)
    roster = freeze_roster([store], {"a": split}, RNG)
    slots = find_slots(roster, store)
    assert roster.size == len(slots) == 30  # 35 train
    for index, key in enumerate(roster.cohorts["a"].slots):
        rows = slots.rows[slots.start[index] : slots.start[index] + slots.count[index]]
        assert {store.patient_keys[code] for code in store.patients[rows]} == {key}
        assert len(rows) == (store.patients == store.patient_keys.index(key)).sum()
    again = split_of_roster(roster, store)
    assert set(again.train) <= set(split.train)
    assert np.array_equal(again.test, split.test)


def test_a_patient_of_two_cohorts_has_one_slot(tiny_store: TinyStore) -> None:
    keys = [f"p{row % 40}" for row in range(80)]
    signals = tiny_store("x", patients=90, repeats=(1,)).signals
    stores = [
        tiny_store("a", signals=signals[:80], patient=keys),
        tiny_store("b", signals=signals[:80], patient=[f"p{row % 40 + 20}" for row in range(80)]),
    ]
    everybody = np.arange(80)
    nobody = everybody[:0]
    splits = {store.cohort: (everybody, nobody, nobody) for store in stores}
    roster = freeze_roster(stores, splits, RNG)  # type: ignore[arg-type]
    assert roster.size == len(roster.members) == 60


def test_a_withdrawn_patient_leaves_an_empty_slot(tiny_store: TinyStore) -> None:
    store = tiny_store("a", patients=50)
    roster = freeze_roster([store], {"a": split_patients(store, 0)}, RNG)
    gone = roster.cohorts["a"].slots[3]
    kept = np.array([store.patient_keys[code] != gone for code in store.patients])
    later = tiny_store("b", signals=store.signals[kept], patient=store.column("patient").to_numpy()[kept])
    later.meta = later.meta.model_copy(update={"cohort": "a"})
    slots = find_slots(roster, later)
    assert slots.empty == 1
    assert slots.count[3] == 0
    renewed = renew_roster([roster], [later], RNG)
    assert gone not in renewed.members
    assert not renewed.members & {*roster.cohorts["a"].test, *roster.cohorts["a"].valid}
    assert find_slots(renewed, later).empty == 0
    assert renewed.fingerprint != roster.fingerprint


def test_who_is_held_out_in_one_cohort_has_a_slot_in_none(tiny_store: TinyStore) -> None:
    signals = tiny_store("x", patients=60).signals
    stores = [
        tiny_store(name, signals=signals, patient=[f"p{row + begin}" for row in range(len(signals))])
        for name, begin in (("a", 0), ("b", 30))
    ]
    roster = freeze_roster(stores, {store.cohort: split_patients(store, 0) for store in stores}, RNG)
    held_out = {key for part in roster.cohorts.values() for key in (*part.valid, *part.test)}
    assert not roster.members & held_out


def test_who_was_held_out_once_stays_held_out_where_a_store_was_missing_meanwhile(tiny_store: TinyStore) -> None:
    stores = [tiny_store(name, patients=60) for name in "ab"]
    first = freeze_roster(stores, {store.cohort: split_patients(store, 0) for store in stores}, RNG)
    second = renew_roster([first], stores[:1], RNG)
    third = renew_roster([first, second], stores, RNG)
    for name in "ab":
        assert third.cohorts[name].test == first.cohorts[name].test
        assert not {*first.cohorts[name].valid, *first.cohorts[name].test} & third.members


def test_too_few_patients_are_no_roster(tiny_store: TinyStore) -> None:
    store = tiny_store("a", patients=12)
    with pytest.raises(InputError, match="cohort a has 8 patients for a roster, 10 is the least"):
        freeze_roster([store], {"a": split_patients(store, 0)}, RNG)
