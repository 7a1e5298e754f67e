"""Splits by patient, and the exact repeats that must not straddle them."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cape_fed.errors import InputError
from cape_fed.store.format import COLUMNS
from cape_fed.store.split import (
    check_disjoint,
    duplicate_rows,
    load_split,
    save_split,
    split_by_fold,
    split_patients,
)
from cape_fed.store.store import Store, write_store
from tests.conftest import TinyStore

SHAPE = (12, 1000)


def signals(seeds: list[int]) -> np.ndarray:
    """One row a seed; equal seeds give equal rows."""
    return np.stack([np.random.default_rng(seed).integers(-500, 500, SHAPE, np.int16) for seed in seeds])


def groups_by_search(store: Store) -> list[set[int]]:
    """Patients linked by equal signals, the slow way: merge sets until nothing changes."""
    groups = [set(store.patients[store.digests == digest].tolist()) for digest in np.unique(store.digests)]
    merged = True
    while merged:
        merged = False
        for group in groups:
            touching = [other for other in groups if other is not group and other & group]
            if touching:
                group.update(*touching)
                groups = [other for other in groups if not any(other is gone for gone in touching)]
                merged = True
                break
    return groups


def test_partition_by_patient(tiny_store: TinyStore) -> None:
    store = tiny_store(patients=100)
    split = split_patients(store, 0)
    assert sorted(np.concatenate(split)) == list(range(len(store)))
    owners = [set(store.patients[rows].tolist()) for rows in split]
    assert [len(owner) for owner in owners] == [70, 10, 20]
    assert not owners[0] & owners[1] | owners[0] & owners[2] | owners[1] & owners[2]
    assert all((np.diff(rows) > 0).all() for rows in split)


def test_depends_on_seed_and_order_not_on_keys(tiny_store: TinyStore) -> None:
    store = tiny_store("a", patients=50)
    salted = tiny_store(
        "b", signals=np.asarray(store.signals), patient=[f"{key}-other" for key in store.column("patient").to_pylist()]
    )
    for first, second in zip(split_patients(store, 3), split_patients(salted, 3), strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(split_patients(store, 3).test, split_patients(store, 4).test)


def test_chain_of_shared_signals_is_one_group(tiny_store: TinyStore) -> None:
    chain = tiny_store(patients=3, signals=signals([1, 2, 9, 2, 3, 8]), patient=list("aabbcc"))
    assert len(set(chain.digests.tolist())) == 5
    linked = tiny_store("linked", patients=3, signals=signals([1, 2, 2, 3, 3, 8]), patient=list("aabbcc"))
    for seed in range(8):
        assert sorted(len(part) for part in split_patients(linked, seed)) == [0, 0, 6]


@settings(max_examples=30, deadline=None)
@given(seeds=st.lists(st.integers(0, 12), min_size=1, max_size=25), seed=st.integers(0, 5))
def test_groups_equal_the_slow_search(tmp_path_factory: pytest.TempPathFactory, seeds: list[int], seed: int) -> None:
    owners = [f"p{value}" for value in np.random.default_rng(seed).integers(0, 12, len(seeds))]
    records = {"record": [str(row) for row in range(len(seeds))], "patient": owners}
    folder = tmp_path_factory.mktemp("groups") / "s"
    store = write_store(folder, cohort="x", profile="compact100", signals=signals(seeds), records=records)
    parts = [set(store.patients[rows].tolist()) for rows in split_patients(store, seed, (0.4, 0.3, 0.3))]
    for group in groups_by_search(store):
        assert sum(bool(group & part) for part in parts) == 1


@pytest.mark.parametrize("fractions", [(0.7, 0.1, 0.1), (1.2, -0.2, 0.0)])
def test_fractions_must_add_up(tiny_store: TinyStore, fractions: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        split_patients(tiny_store(), 0, fractions)


def test_saved_split_comes_back(tiny_store: TinyStore, tmp_path: Path) -> None:
    store = tiny_store(patients=40)
    split = split_patients(store, 1)
    save_split(tmp_path / "run" / "split.parquet", store, split)
    for before, after in zip(split, load_split(tmp_path / "run" / "split.parquet", store), strict=True):
        np.testing.assert_array_equal(before, after)


def test_known_patients_stay_and_new_ones_are_in_no_part(
    tiny_store: TinyStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = tiny_store("old", patients=3, signals=signals([0, 1, 2, 3]), patient=list("abcd"))
    save_split(tmp_path / "split", old, split_patients(old, 0, (0.5, 0.0, 0.5)))
    before = load_split(tmp_path / "split", old)
    part_of = {key: number for number, rows in enumerate(before) for key in rows_keys(old, rows)}
    grown = tiny_store("new", patients=3, signals=signals([9, 3, 7, 2, 1, 0]), patient=list("xdacba"))
    with caplog.at_level(logging.WARNING):
        parts = load_split(tmp_path / "split", grown)
    assert "1 records are of patients that the split does not know" in caplog.text
    for number, rows in enumerate(parts):
        assert all(part_of[key] == number for key in rows_keys(grown, rows))
    assert sorted(np.concatenate(parts)) == [1, 2, 3, 4, 5]


def test_new_record_that_repeats_a_train_signal_is_left_out(tiny_store: TinyStore, tmp_path: Path) -> None:
    old = tiny_store("old", patients=2, signals=signals([0, 1]), patient=["a", "b"])
    split = split_patients(old, 0, (0.5, 0.0, 0.5))
    save_split(tmp_path / "split", old, split)
    trained, tested = old.records[split.train[0]], old.patients[split.test[0]]
    repeat = int(split.train[0])
    grown = tiny_store("new", patients=2, signals=signals([0, 1, repeat]), patient=["a", "b", "ab"[tested]])
    parts = load_split(tmp_path / "split", grown)
    assert trained == old.records[parts.train[0]]
    assert 2 not in np.concatenate(parts)


def test_unusable_split_files(tiny_store: TinyStore, tmp_path: Path) -> None:
    store, other = tiny_store("a"), tiny_store("b")
    save_split(tmp_path / "split", store, split_patients(store, 0))
    with pytest.raises(InputError, match="knows no patient"):
        load_split(tmp_path / "split", other)
    (tmp_path / "broken").write_bytes(b"PAR1 not really")
    for name in ("broken", "none"):
        with pytest.raises(InputError, match="not a saved split"):
            load_split(tmp_path / name, store)


def test_shared_patients_are_refused_by_name(tiny_store: TinyStore) -> None:
    train, unseen = tiny_store("train"), tiny_store("unseen")
    same = tiny_store("same", repeats=[1], patient=["train00000001"] + ["q"] * 11)
    assert [rows.tolist() for rows in check_disjoint([train], [unseen])] == [[]]
    with pytest.raises(InputError, match=r"1 patients are in both train .* and same"):
        check_disjoint([train], [unseen, same])


def test_repeated_signals_are_returned_for_exclusion(tiny_store: TinyStore) -> None:
    train = tiny_store("train", signals=signals([1, 2, 3]))
    unseen = tiny_store("unseen", signals=signals([4, 3, 5, 1]))
    assert [rows.tolist() for rows in check_disjoint([train], [unseen])] == [[1, 3]]
    assert duplicate_rows([], unseen).tolist() == []


def rows_keys(store: Store, rows: np.ndarray) -> list[str]:
    return [store.patient_keys[code] for code in store.patients[rows]]


def folded(tiny_store: TinyStore, folds: list[int | None], **columns: list[str]) -> Store:
    return tiny_store("folded", signals=signals(list(range(len(folds)))), fold=folds, **columns)


def test_folds_become_parts(tiny_store: TinyStore) -> None:
    store = folded(tiny_store, [1, 9, 10, 8, 9, 2])
    assert store.folds is not None
    assert store.folds.tolist() == [1, 9, 10, 8, 9, 2]
    train, valid, test = split_by_fold(store, valid=9, test=10)
    assert (train.tolist(), valid.tolist(), test.tolist()) == ([0, 3, 5], [1, 4], [2])
    assert "fold" not in store.label_names


def test_a_repeated_signal_stays_out_of_the_later_part(tiny_store: TinyStore) -> None:
    store = tiny_store("repeated", signals=signals([1, 2, 3, 1, 2]), fold=[1, 9, 10, 10, 10])
    parts = split_by_fold(store, valid=9, test=10)
    assert [part.tolist() for part in parts] == [[0], [1], [2]]


def test_folds_that_cannot_be_used_are_refused(tiny_store: TinyStore) -> None:
    with pytest.raises(InputError, match="has no folds"):
        split_by_fold(folded(tiny_store, [1, 9, None]), valid=9, test=10)
    with pytest.raises(InputError, match="nobody in fold 9, which is for validation"):
        split_by_fold(tiny_store("gap", signals=signals([1, 2]), fold=[1, 10]), valid=9, test=10)
    straddling = tiny_store("straddling", signals=signals([1, 2, 3]), patient=["p", "q", "p"], fold=[1, 9, 10])
    with pytest.raises(InputError, match="1 patients are in folds of different parts"):
        split_by_fold(straddling, valid=9, test=10)


def test_a_store_without_the_column_has_no_folds(tiny_store: TinyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """As all had been before there were folds."""
    assert tiny_store("blank").folds is None
    monkeypatch.setattr("cape_fed.store.table.COLUMNS", {k: v for k, v in COLUMNS.items() if k != "fold"})
    old = tiny_store("old")
    assert old.folds is None
    assert old.label_names == ("AF", "LVH")
