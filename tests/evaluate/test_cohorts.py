from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cape_fed.errors import InputError
from cape_fed.evaluate.cohorts import EvaluatedCohort, make_cohorts, site_cohorts
from cape_fed.store import Store, open_store, write_store
from cape_fed.store.split import split_patients
from tests.evaluate.fake import PROFILE, make_store


def cohorts_of(train: list[Store], others: list[Store], seed: int = 0) -> dict[str, EvaluatedCohort]:
    splits = {store.cohort: split_patients(store, seed) for store in (*train, *others)}
    return {cohort.name: cohort for cohort in make_cohorts(train, others, splits, ["age"])}


def with_signals_of(path, cohort: str, other: Store, rows: list[int], seed: int) -> Store:
    """A store in which some records have the signals of another store's records."""
    own = make_store(path / f"{cohort}-own", cohort, seed=seed, patients=20)
    signals = np.array(own.signals)
    signals[: len(rows)] = other.signals[rows]
    columns = {"record": list(own.records), "patient": [own.patient_keys[code] for code in own.patients]}
    return write_store(path / cohort, cohort=cohort, profile=PROFILE, signals=signals, records=columns)


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> dict[str, Store]:
    folder = tmp_path_factory.mktemp("stores")
    return {name: make_store(folder / name, name, seed=seed, patients=30) for seed, name in enumerate("abc")}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_nobody_evaluated_was_trained_on(stores: dict[str, Store], seed: int) -> None:
    cohorts = cohorts_of([stores["a"], stores["b"]], [stores["c"]], seed)
    for cohort in cohorts.values():
        own = set(cohort.store.patients[np.concatenate([cohort.train, cohort.valid])])
        assert own.isdisjoint(cohort.store.patients[cohort.tested["within"]])
        if cohort.role == "id":
            assert own.isdisjoint(cohort.store.patients[cohort.tested["transfer"]])
    assert len(cohorts["c"].tested["transfer"]) == len(stores["c"])


def test_patients_on_both_sides_are_refused(stores, tmp_path) -> None:
    keys = [stores["a"].patient_keys[code] for code in stores["a"].patients]
    again = make_store(tmp_path / "again", "again", seed=9, patients=30, patient=keys)
    with pytest.raises(InputError, match="patients are in both a"):
        cohorts_of([stores["a"]], [again])


def test_signals_of_a_training_cohort_are_not_evaluated(stores, tmp_path) -> None:
    copied = with_signals_of(tmp_path, "copied", stores["a"], [0, 1, 2, 3], seed=5)
    ood = cohorts_of([stores["a"]], [copied])["copied"]
    assert ood.left_out == 4
    assert set(ood.tested["transfer"]).isdisjoint(range(4))
    assert set(ood.tested["within"]).isdisjoint(range(4))

    both = cohorts_of([stores["a"], copied], [])
    trained = set(stores["a"].digests[np.concatenate([both["a"].train, both["a"].valid])])
    assert trained.isdisjoint(copied.digests[both["copied"].tested["transfer"]])


def test_a_patient_known_from_another_training_cohort_is_not_tested(stores, tmp_path) -> None:
    keys = [stores["a"].patient_keys[code] for code in stores["a"].patients]
    same = make_store(tmp_path / "same", "same", seed=9, patients=30, patient=keys)
    cohorts = cohorts_of([stores["a"], same], [])
    for one, other in (("a", "same"), ("same", "a")):
        seen = cohorts[other].store.patients[np.concatenate([cohorts[other].train, cohorts[other].valid])]
        tested = cohorts[one].store.patients[cohorts[one].tested["transfer"]]
        other_keys = {cohorts[other].store.patient_keys[code] for code in seen}
        assert other_keys.isdisjoint(cohorts[one].store.patient_keys[code] for code in tested)


def test_sites_alone_make_the_cohorts_that_all_make_together(stores) -> None:
    splits = {store.cohort: split_patients(store, 0) for store in stores.values()}
    together = make_cohorts([stores["a"]], [stores["b"], stores["c"]], splits, ["age", "AF"])
    alone = site_cohorts([stores["a"]], "id", splits, ["age", "AF"])
    alone += site_cohorts([stores["b"], stores["c"]], "ood", splits, ["age", "AF"])
    for one, other in zip(together, alone, strict=True):
        assert (one.name, one.role, one.left_out) == (other.name, other.role, other.left_out)
        assert one.fingerprint() == other.fingerprint()
        np.testing.assert_array_equal(one.train, other.train)
        np.testing.assert_array_equal(one.valid, other.valid)
    with pytest.raises(InputError, match="cohort named 'a'"):
        site_cohorts([stores["a"], stores["a"]], "ood", splits, ["age"])


def test_usage_errors(stores) -> None:
    with pytest.raises(InputError, match="no training cohort"):
        cohorts_of([], [stores["a"]])
    with pytest.raises(InputError, match="cohort named 'a'"):
        cohorts_of([stores["a"], open_store(stores["a"].path)], [])


def test_fingerprint_follows_what_is_evaluated(stores) -> None:
    first = cohorts_of([stores["a"]], [stores["c"]])
    assert first["a"].fingerprint() == cohorts_of([stores["a"]], [stores["c"]])["a"].fingerprint()
    assert first["a"].fingerprint() != cohorts_of([stores["a"]], [stores["c"]], seed=1)["a"].fingerprint()
    assert first["c"].fingerprint() != cohorts_of([stores["c"]], [stores["a"]])["c"].fingerprint()
