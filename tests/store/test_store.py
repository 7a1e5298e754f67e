"""Stores: what is written is what is opened, and nothing else opens."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cape_fed.errors import InputError
from cape_fed.store.fingerprint import SAMPLED_ROWS, store_fingerprint
from cape_fed.store.format import COLUMNS, StoreFiles, partial_path
from cape_fed.store.split import save_split, split_patients
from cape_fed.store.store import open_store, write_store
from cape_fed.store.summary import summarise
from cape_fed.store.verify import damaged_records
from tests.conftest import TinyStore


def edit_meta(store: Path, **changes: Any) -> None:
    path = StoreFiles.of(store).meta
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_round_trip(tmp_path: Path) -> None:
    signals = np.random.default_rng(0).integers(-32767, 32767, (3, 12, 1000), np.int16)
    records = {
        "record": ["b", "a", "c"],
        "patient": ["q", "p", "q"],
        "age": [61.0, None, 40.0],
        "sex": ["F", "M", None],
        "valid": [1000, 700, 1000],
        "AF": [True, False, None],
        "LVH": [None, None, None],
    }
    store = write_store(tmp_path / "s", cohort="x", profile="compact100", signals=signals, records=records)
    np.testing.assert_array_equal(store.signals, signals)
    np.testing.assert_array_equal(store.millivolts([2, 0]), signals[[2, 0]].astype(np.float32) / 1000)
    assert list(store.records) == ["b", "a", "c"]
    assert store.patients.tolist() == [0, 1, 0]
    assert store.patient_keys == ["q", "p"]
    assert store.valid.tolist() == [1000, 700, 1000]
    np.testing.assert_array_equal(store.label("sex"), np.float32([1, 0, np.nan]))
    np.testing.assert_array_equal(store.label("age"), np.float32([61, np.nan, 40]))
    np.testing.assert_array_equal(store.label("AF"), np.float32([1, 0, np.nan]))
    assert store.label_names == ("AF",)
    assert np.isnan(store.label("LVH")).all()
    assert (store.meta.records, store.meta.patients, store.cohort) == (3, 2, "x")
    with pytest.raises(KeyError, match="MI"):
        store.label("MI")
    with pytest.raises(KeyError):
        store.label("patient")
    assert store.row_of("c") == 2
    with pytest.raises(InputError, match="no record 'd'"):
        store.row_of("d")


def test_stores_of_before_stay_readable(tiny_store: TinyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    without = {name: kind for name, kind in COLUMNS.items() if name != "begins"}
    monkeypatch.setattr("cape_fed.store.table.COLUMNS", without)
    path = tiny_store().path
    monkeypatch.undo()
    files = StoreFiles.of(path)
    described = {key: value for key, value in json.loads(files.meta.read_text()).items() if key != "common_gain"}
    described["fingerprint"] = store_fingerprint(described, files.records, np.load(files.signals))
    files.meta.write_text(json.dumps(described))
    store = open_store(path)
    assert np.isnan(store.begins).all()
    assert store.meta.common_gain is None
    assert "begins" not in store.label_names
    assert summarise(store)["late"] == 0


def test_where_windows_begin(tiny_store: TinyStore) -> None:
    store = tiny_store(patients=2, repeats=[1], begins=[0.0, 12.5])
    assert store.begins.tolist() == [0, 12.5]
    assert summarise(store)["late"] == 1
    assert np.isnan(tiny_store("b").begins).all()


def test_gather_is_indexing(tiny_store: TinyStore) -> None:
    store = tiny_store()
    rows = np.random.default_rng(1).integers(0, len(store), 50)
    np.testing.assert_array_equal(store.gather(rows), store.signals[rows])
    out = np.empty((50, 12, 1000), np.int16)
    assert store.gather(rows, out) is out
    np.testing.assert_array_equal(out, store.signals[rows])
    assert store.gather([]).shape == (0, 12, 1000)
    for outside in (-1, len(store)):
        with pytest.raises(IndexError):
            store.gather([0, outside])


def test_signals_are_read_only(tiny_store: TinyStore) -> None:
    with pytest.raises(ValueError, match="read-only"):
        tiny_store().signals[0] = 0


def test_pickles_as_its_path(tiny_store: TinyStore) -> None:
    store = tiny_store()
    packed = pickle.dumps(store)
    assert len(packed) < 500
    again = pickle.loads(packed)
    np.testing.assert_array_equal(again.signals, store.signals)
    shutil.rmtree(store.path)
    tiny_store(seed=5)
    with pytest.raises(InputError, match="replaced"):
        pickle.loads(packed)


def test_writing_is_refused_where_something_is(tiny_store: TinyStore, tmp_path: Path) -> None:
    store = tiny_store()
    with pytest.raises(InputError, match="exists already"):
        tiny_store(seed=1)
    records = {"record": ["a"], "patient": ["p"]}
    signals = np.ones((1, 12, 1000), np.int16)
    again = write_store(
        store.path, cohort="new", profile="compact100", signals=signals, records=records, overwrite=True
    )
    assert (again.cohort, len(again)) == ("new", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["cohort"]
    (tmp_path / "link").symlink_to(store.path)
    write_store(
        tmp_path / "link", cohort="newest", profile="compact100", signals=signals, records=records, overwrite=True
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cohort", "link"]
    assert open_store(store.path).cohort == "newest"


@pytest.mark.parametrize(
    ("signals", "records"),
    [
        (np.zeros((2, 12, 999), np.int16), {"record": ["a", "b"], "patient": ["p", "p"]}),
        (np.zeros((2, 12, 1000), np.float32), {"record": ["a", "b"], "patient": ["p", "p"]}),
        (np.zeros((3, 12, 1000), np.int16), {"record": ["a", "b"], "patient": ["p", "p"]}),
        (np.zeros((2, 12, 1000), np.int16), {"record": ["a", "a"], "patient": ["p", "p"]}),
        (np.zeros((2, 12, 1000), np.int16), {"record": ["a", "b"]}),
        (np.zeros((0, 12, 1000), np.int16), {"record": [], "patient": []}),
    ],
)
def test_what_does_not_fit_leaves_nothing(tmp_path: Path, signals: np.ndarray, records: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        write_store(tmp_path / "s", cohort="x", profile="compact100", signals=signals, records=records)
    assert not list(tmp_path.iterdir())


def test_missing_and_unfinished(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no store at"):
        open_store(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"not a store \(it has no store\.json\)"):
        open_store(tmp_path / "empty")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="not a store"):
        open_store(tmp_path / "file")
    partial_path(tmp_path / "half").mkdir()
    for path in (tmp_path / "half", partial_path(tmp_path / "half")):
        with pytest.raises(InputError, match="did not finish"):
            open_store(path)


def test_other_profile_is_refused(tiny_store: TinyStore) -> None:
    store = tiny_store()
    assert open_store(store.path, profile="compact100").profile.fs == 100
    with pytest.raises(InputError, match=r"has the profile compact100 .* --profile cape400"):
        open_store(store.path, profile="cape400")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "store format 2, this version reads 1"),
        ({"format_version": None}, "store format None"),
        ({"profile_hash": "0" * 12}, "does not match its hash"),
        ({"records": 7}, "not int16"),
        ({"records": "many"}, "records: "),
        ({"surprise": 1}, "surprise"),
        ({"cohort": "someone-else"}, "changed or damaged"),
        ({"fingerprint": "0" * 32}, "changed or damaged"),
    ],
)
def test_edited_description_is_refused(tiny_store: TinyStore, changes: dict[str, Any], message: str) -> None:
    store = tiny_store()
    edit_meta(store.path, **changes)
    with pytest.raises(InputError, match=message) as caught:
        open_store(store.path)
    assert "\n" not in str(caught.value)
    assert str(store.path) in str(caught.value)


@pytest.mark.parametrize("name", ["store.json", "signals.npy", "records.parquet"])
def test_truncated_and_overwritten_files_are_refused(tiny_store: TinyStore, name: str) -> None:
    store = tiny_store(patients=3).path
    file = store / name
    whole = file.read_bytes()

    @settings(max_examples=40, deadline=None)
    @given(share=st.floats(0, 0.99), junk=st.binary(max_size=20))
    def damage(share: float, junk: bytes) -> None:
        file.write_bytes(whole[: int(share * len(whole))] + junk)
        with pytest.raises(InputError) as caught:
            open_store(store)
        assert "\n" not in str(caught.value)

    damage()
    file.write_bytes(whole)
    open_store(store)


def test_missing_files_are_named(tiny_store: TinyStore) -> None:
    for name in ("signals.npy", "records.parquet"):
        store = tiny_store(name.split(".")[0])
        (store.path / name).unlink()
        with pytest.raises(InputError, match=f"{name} is missing"):
            open_store(store.path)


def test_one_flipped_bit_anywhere_is_found_by_verify(tiny_store: TinyStore) -> None:
    store = tiny_store(patients=200)
    assert damaged_records(store) == []
    sampled = np.linspace(0, len(store) - 1, SAMPLED_ROWS).astype(int)
    row = next(row for row in range(len(store)) if row not in sampled)
    with (store.path / "signals.npy").open("r+b") as file:
        file.seek(128 + row * 24000 + 1234)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    assert damaged_records(open_store(store.path)) == [store.records[row]]


def test_one_flipped_bit_in_the_table_is_found_at_opening(tiny_store: TinyStore) -> None:
    store = tiny_store()
    table = store.path / "records.parquet"
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 1
    table.write_bytes(content)
    with pytest.raises(InputError, match="changed or damaged"):
        open_store(store.path)


def test_all_columns_have_the_documented_types(tiny_store: TinyStore) -> None:
    schema = pq.read_schema(tiny_store().path / "records.parquet")
    assert {name: str(schema.field(name).type) for name in schema.names} == {
        "record": "string",
        "patient": "string",
        "patient_known": "bool",
        "age": "float",
        "sex": "string",
        "quality": "uint32",
        "valid": "int32",
        "source_fs": "float",
        "source_samples": "int32",
        "digest": "uint64",
        "fold": "int8",
        "begins": "float",
        "AF": "bool",
        "LVH": "bool",
    }


def test_only_the_user_who_wrote_it_can_read_a_store_and_its_split(tiny_store: TinyStore, tmp_path: Path) -> None:
    store = tiny_store("private", patients=10)
    save_split(tmp_path / "split.parquet", store, split_patients(store, 0))
    assert store.path.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in [*store.path.iterdir(), tmp_path / "split.parquet"]} == {0o600}
