"""Ingest: what ends up in the store, whatever happens on the way."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cape_fed.archive import assemble, ingest
from cape_fed.archive import shards as shards_module
from cape_fed.archive.ingest import ingest_archive
from cape_fed.archive.plan import Recipe, make_plan
from cape_fed.archive.registry import get_reader
from cape_fed.archive.shards import FAULTS
from cape_fed.archive.workers import read_chunks
from cape_fed.errors import InputError, RunError
from cape_fed.signal.profile import apply_profile, get_profile
from cape_fed.signal.quality import Quality
from cape_fed.store.format import StoreFiles, partial_path
from cape_fed.store.keys import patient_key
from cape_fed.store.split import split_patients
from cape_fed.store.store import Store, open_store
from tests.archive.fake import FS, SALT, FakeReader, ecg, recipe
from tests.archive.files import counts, write_wfdb
from tests.archive.files import ecg as wave

Caplog = pytest.LogCaptureFixture

DIRTY = FakeReader(
    60,
    (
        ("r0003", "unreadable"),
        ("r0007", "crash"),
        ("r0011", "copy-of-10"),  # the same patient
        ("r0021", "copy-of-10"),  # another patient
        ("r0030", "flat"),
        ("r0031", "no-id"),
        ("r0033", "flat-lead"),
        ("r0050", "copy-of-21"),
    ),
)


def bytes_of(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in StoreFiles.of(store)}


@pytest.fixture
def dirty(tmp_path: Path) -> Store:
    ingest_archive(recipe(tmp_path / "archive", DIRTY), tmp_path / "store", chunk_records=5)
    return open_store(tmp_path / "store", profile="compact100")


def test_rows_are_what_the_profile_makes_of_the_records(dirty: Store) -> None:
    row = dirty.row_of("r0020")
    expected, valid = apply_profile(ecg(20, FS[20 % 3])[:, : int(10.5 * FS[20 % 3])], FS[20 % 3], dirty.profile)
    np.testing.assert_array_equal(dirty.gather([row])[0], expected)
    assert dirty.valid[row] == valid
    assert dirty.label("age")[row] != dirty.label("age")[row]
    assert dirty.label("AF")[row] == 1
    assert dirty.patient_keys[dirty.patients[row]] == patient_key(SALT, "fake", "p10")


def test_every_record_is_accounted_for(dirty: Store) -> None:
    meta = dirty.meta
    assert meta.dropped == {"TRUNCATED": 1, "ZeroDivisionError": 1, "NO_SIGNAL": 1}
    assert meta.duplicates == 1
    assert meta.records_seen == 60 == meta.records + sum(meta.dropped.values()) + meta.duplicates
    assert meta.findings["ZeroDivisionError"].examples == ["r0007: in the middle of a header"]
    assert meta.findings["ODD"].count == 5
    assert meta.rates == {"257": 20, "100": 18, "500": 18}
    assert list(dirty.records) == sorted(dirty.records)
    assert not partial_path(dirty.path).exists()


def test_repeats_are_kept_once_a_patient_and_stay_on_one_side(dirty: Store) -> None:
    assert "r0010" in dirty.records
    assert "r0011" not in dirty.records
    assert dirty.meta.shared_signals == 2
    copies = [dirty.row_of("r0010"), dirty.row_of("r0021")]
    for seed in range(10):
        assert any(set(copies) <= set(part) for part in split_patients(dirty, seed))


def test_record_without_id_is_its_own_patient(dirty: Store) -> None:
    assert dirty.meta.patients_without_id == 1
    row = dirty.row_of("r0031")
    assert (dirty.patients == dirty.patients[row]).sum() == 1


def test_labels_without_a_positive_are_not_annotated(dirty: Store) -> None:
    assert dirty.label_names == ("AF", "CHAGAS")
    assert np.isnan(dirty.label("LVH")).all()
    assert (dirty.label("CHAGAS") == 0).all()


def test_flat_leads_are_zero_and_flagged(dirty: Store) -> None:
    row = dirty.row_of("r0033")
    assert not dirty.signals[row, 4].any()
    assert dirty.signals[row, 3].any()
    assert dirty.quality[row] & Quality.FLAT_LEAD


def test_no_source_id_and_no_path_leaves_in_the_table(dirty: Store) -> None:
    table = pq.read_table(StoreFiles.of(dirty.path).records)
    assert all(len(key) == 16 and set(key) <= set("0123456789abcdef") for key in table["patient"].to_pylist())
    assert str(dirty.path.parent).encode() not in b"".join(bytes_of(dirty.path).values())


@pytest.mark.parametrize(("workers", "chunk_records"), [(1, 256), (2, 5), (3, 4)])
def test_same_bytes_with_any_workers_and_chunks(dirty: Store, tmp_path: Path, workers: int, chunk_records: int) -> None:
    plan = recipe(tmp_path / "archive", DIRTY)
    ingest_archive(plan, tmp_path / "again", workers=workers, chunk_records=chunk_records)
    assert bytes_of(tmp_path / "again") == bytes_of(dirty.path)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("appended", [0, 1, 6, 11])
def test_same_bytes_after_an_interruption(
    dirty: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, appended: int
) -> None:
    store, plan = tmp_path / "again", recipe(tmp_path / "archive", DIRTY)
    append, calls = assemble.Assembly.append, []

    def interrupted(self: assemble.Assembly, chunk: object) -> None:
        if len(calls) == appended:
            raise KeyboardInterrupt
        calls.append(chunk)
        append(self, chunk)  # type: ignore[arg-type]

    monkeypatch.setattr(assemble.Assembly, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ingest_archive(plan, store, workers=workers, chunk_records=5)
    assert not store.exists()
    with pytest.raises(InputError, match="resume"):
        open_store(store)
    monkeypatch.undo()
    done = ingest_archive(plan, store, workers=workers, chunk_records=5)
    assert done.records_read < 60
    assert bytes_of(store) == bytes_of(dirty.path)


def test_interruption_within_an_append_and_a_shard_torn_by_a_power_cut(dirty: Store, tmp_path: Path) -> None:
    store, plan = tmp_path / "again", recipe(tmp_path / "archive", DIRTY)
    partial = partial_path(store)
    interrupt_after(plan, store, 3)
    with (partial / "store" / "signals.npy").open("ab") as file:
        file.write(b"torn" * 1000)
    next((partial / "shards").glob("*2.json")).write_bytes(b"")
    ingest_archive(plan, store, chunk_records=5)
    assert bytes_of(store) == bytes_of(dirty.path)


def test_lost_signals_are_read_again(dirty: Store, tmp_path: Path) -> None:
    store, plan = tmp_path / "again", recipe(tmp_path / "archive", DIRTY)
    interrupt_after(plan, store, 3)
    os.truncate(partial_path(store) / "store" / "signals.npy", 5000)
    assert ingest_archive(plan, store, chunk_records=5).records_read == 60
    assert bytes_of(store) == bytes_of(dirty.path)


def test_other_recipe_starts_over_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = tmp_path / "store"
    interrupt_after(recipe(tmp_path / "archive", DIRTY), store, 3)
    other = recipe(tmp_path / "archive", DIRTY, profile=get_profile("canonical500"))
    assert ingest_archive(other, store, chunk_records=5).records_read == 60
    assert "starting over" in caplog.text
    assert open_store(store).profile.fs == 500


def test_changed_listing_reads_only_what_changed(tmp_path: Path) -> None:
    store = tmp_path / "store"
    interrupt_after(recipe(tmp_path / "archive", FakeReader(60)), store, 5)
    grown = recipe(tmp_path / "archive", FakeReader(64))
    assert ingest_archive(grown, store, chunk_records=5).records_read == 64 - 25
    assert len(open_store(store)) == 64


def wfdb_archive(root: Path, records: int) -> Recipe:
    for seed in range(records):
        write_wfdb(root / f"r{seed}", counts(wave(seed, 100)), fs=100, comments=("Age: 61", "Dx: 426783006"))
    return recipe(root, get_reader("wfdb"))  # type: ignore[arg-type]


@pytest.mark.parametrize("file", ["r3.hea", "r3.dat"])
def test_changed_files_are_noticed(tmp_path: Path, file: str) -> None:
    store, plan = tmp_path / "store", wfdb_archive(tmp_path / "archive", 6)
    ingest_archive(plan, store)
    assert ingest_archive(plan, store).was_there
    changed = tmp_path / "archive" / file
    changed.write_bytes(changed.read_bytes().replace(b"Age: 61", b"Age: 16"))
    os.utime(changed, ns=(0, 0))
    with pytest.raises(InputError, match="older state"):
        ingest_archive(plan, store)
    ingest_archive(plan, store, overwrite=True)
    age = open_store(store).label("age").tolist()
    assert age == [61, 61, 61, 16 if file == "r3.hea" else 61, 61, 61]


@pytest.mark.parametrize("file", ["night.hea", "one.hea", "one.dat", "two.hea", "ward.bin"])
def test_changed_segments_and_signal_files_of_other_names_are_noticed(tmp_path: Path, file: str) -> None:
    root = tmp_path / "archive" / "below"
    for name in ("one", "two"):
        write_wfdb(root / name, counts(wave(0, 100)), fs=100)
    (root / "two.hea").write_text((root / "two.hea").read_text().replace("two.dat", "ward.bin"))
    (root / "two.dat").rename(root / "ward.bin")
    (root / "night.hea").write_text("night/2 12 100 2000\none 1000\ntwo 1000\n")
    plan = recipe(tmp_path / "archive", get_reader("wfdb"))  # type: ignore[arg-type]
    before = make_plan(plan)
    os.utime(root / file, ns=(0, 0))
    assert make_plan(plan).fingerprint != before.fingerprint
    assert [entry.record for entry in before.chunks[0].entries()] == ["below/night"]


def test_a_resumed_ingest_reads_a_changed_chunk_again(tmp_path: Path) -> None:
    store, plan = tmp_path / "store", wfdb_archive(tmp_path / "archive", 9)
    before, after = make_plan(plan, 2), wfdb_archive(tmp_path / "archive", 0)
    os.utime(tmp_path / "archive" / "r5.hea", ns=(0, 0))
    prints = [[chunk.fingerprint for chunk in made.chunks] for made in (before, make_plan(after, 2))]
    assert [old == new for old, new in zip(*prints, strict=True)] == [True, True, False, True, True]
    interrupt_after(plan, store, 4, chunk_records=2)
    header = tmp_path / "archive" / "r5.hea"
    header.write_text(header.read_text().replace("Age: 61", "Age: 16"))
    assert ingest_archive(plan, store, chunk_records=2).records_read == 9 - 4
    assert open_store(store).label("age").tolist() == [61] * 5 + [16] + [61] * 3


def test_same_archive_again_is_left_alone(dirty: Store, tmp_path: Path) -> None:
    before = bytes_of(dirty.path)
    done = ingest_archive(recipe(tmp_path / "archive", DIRTY), dirty.path, chunk_records=5)
    assert done.was_there
    assert bytes_of(dirty.path) == before


def test_other_archive_is_refused_unless_overwritten(dirty: Store, tmp_path: Path) -> None:
    other = recipe(tmp_path / "archive", FakeReader(8))
    with pytest.raises(InputError, match="--overwrite"):
        ingest_archive(other, dirty.path)
    assert len(open_store(dirty.path)) == 56
    ingest_archive(other, dirty.path, overwrite=True)
    assert len(open_store(dirty.path)) == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "store"]


@pytest.mark.parametrize("is_there", [True, False])
def test_what_a_link_points_to_is_written_and_the_link_stays(tmp_path: Path, is_there: bool) -> None:
    link, disk = tmp_path / "store", tmp_path / "disk"
    link.symlink_to(disk / "store")
    if is_there:
        ingest_archive(recipe(tmp_path / "archive", DIRTY), disk / "store")
    ingest_archive(recipe(tmp_path / "archive", FakeReader(8)), link, overwrite=True)
    assert link.is_symlink()
    assert len(open_store(link)) == len(open_store(disk / "store")) == 8
    assert [sorted(path.name for path in folder.iterdir()) for folder in (tmp_path, disk)] == [
        ["archive", "disk", "store"], ["store"],
    ]  # fmt: skip


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_a_folder_without_a_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is no name for a store"):
        ingest_archive(recipe(tmp_path / "archive", FakeReader(8)), Path(name))


def test_foreign_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "thesis.tex").touch()
    for overwrite in (False, True):
        with pytest.raises(InputError, match="not a store"):
            ingest_archive(recipe(tmp_path / "archive", DIRTY), tmp_path / "store", overwrite=overwrite)
    assert (tmp_path / "store" / "thesis.tex").exists()


def test_repeated_names_count_once(tmp_path: Path) -> None:
    class Repeating(FakeReader):
        def entries(self, root: Path):  # type: ignore[no-untyped-def]
            yield from super().entries(root)
            yield from super().entries(root)

    ingest_archive(recipe(tmp_path / "archive", Repeating(8)), tmp_path / "store")
    meta = open_store(tmp_path / "store").meta
    assert (meta.records, meta.records_seen, meta.dropped) == (8, 16, {"REPEATED_RECORD": 8})


def test_missing_empty_and_useless_archives(tmp_path: Path) -> None:
    store = tmp_path / "store"
    gone = recipe(tmp_path / "archive", DIRTY)
    (tmp_path / "archive").rmdir()
    with pytest.raises(InputError, match="no archive"):
        ingest_archive(gone, store)
    with pytest.raises(InputError, match="no record of the format fake"):
        ingest_archive(recipe(tmp_path / "archive", FakeReader(0)), store)
    useless = FakeReader(5, tuple((f"r{number:04d}", "unreadable") for number in range(5)))
    with pytest.raises(InputError, match=r"TRUNCATED: 5, e\.g\. r0000: signal file ends early"):
        ingest_archive(recipe(tmp_path / "archive", useless), store)
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


HOSTILE = (("r0003", "unreadable"), ("r0017", "killed"), ("r0018", "segfault"), ("r0030", "killed"))


@pytest.mark.parametrize(("workers", "chunk_records"), [(1, 40), (3, 4)])
def test_records_that_end_their_worker_are_left_out(tmp_path: Path, workers: int, chunk_records: int) -> None:
    reader = FakeReader(40, HOSTILE)
    plan = recipe(tmp_path / "archive", reader)
    ingest_archive(plan, tmp_path / "store", workers=workers, chunk_records=chunk_records)
    store = open_store(tmp_path / "store")
    assert store.meta.dropped == {"TRUNCATED": 1, "CRASHED": 3}
    assert sorted(example[:5] for example in store.meta.findings["CRASHED"].examples) == ["r0017", "r0018", "r0030"]
    left = {f"r{number:04d}" for number in range(40)} - {name for name, _ in HOSTILE}
    assert set(store.records) == left
    clean = tuple((name, "unreadable") for name, _ in HOSTILE)
    ingest_archive(recipe(tmp_path / "archive", FakeReader(40, clean)), tmp_path / "clean")
    np.testing.assert_array_equal(store.signals, open_store(tmp_path / "clean").signals)


def test_a_record_that_comes_to_no_end_is_left_out(tmp_path: Path) -> None:
    plan = recipe(tmp_path / "archive", FakeReader(6, (("r0004", "hangs"),)))
    ingest_archive(plan, tmp_path / "store", workers=1, record_seconds=5.0)
    meta = open_store(tmp_path / "store").meta
    assert meta.dropped == {"TIMED_OUT": 1}
    assert meta.findings["TIMED_OUT"].examples == ["r0004: reading the record comes to no end"]


def test_a_worker_that_ends_by_chance_costs_no_record(tmp_path: Path) -> None:
    reader = FakeReader(40, (("r0017", "killed-once"), ("r0025", "killed-once")))
    ingest_archive(recipe(tmp_path / "archive", reader), tmp_path / "store", workers=2, chunk_records=5)
    assert len(open_store(tmp_path / "store")) == 40


def test_workers_that_end_before_they_read_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cape_fed.archive.workers._serve", ends_at_once)
    with pytest.raises(RunError, match="before they read anything"):
        ingest_archive(recipe(tmp_path / "archive", FakeReader(8)), tmp_path / "store", workers=1)


def ends_at_once(*arguments: object) -> None:
    os._exit(3)


def test_faults_of_our_own_are_counted_under_their_type_with_their_traceback(tmp_path: Path, caplog: Caplog) -> None:
    ingest_archive(recipe(tmp_path / "archive", DIRTY), tmp_path / "store", chunk_records=5)
    text = (tmp_path / "store" / FAULTS).read_text()
    assert text.startswith("record r0007\nTraceback (most recent call last):")
    assert "ZeroDivisionError: in the middle of a header" in text
    assert any("ZeroDivisionError: 1" in message for message in caplog.messages)


def test_faults_are_kept_by_workers_and_over_an_interruption(tmp_path: Path) -> None:
    store, plan = tmp_path / "store", recipe(tmp_path / "archive", DIRTY)
    interrupt_after(plan, store, 3)
    ingest_archive(plan, store, workers=2, chunk_records=5)
    assert "ZeroDivisionError" in (store / FAULTS).read_text()


def test_a_clean_ingest_keeps_no_faults(tmp_path: Path) -> None:
    ingest_archive(recipe(tmp_path / "archive", FakeReader(8)), tmp_path / "store")
    assert {path.name for path in (tmp_path / "store").iterdir()} == {path.name for path in StoreFiles.of(tmp_path)}


def test_a_fault_that_no_record_is_to_blame_for_is_one_line(tmp_path: Path) -> None:
    plan = recipe(tmp_path / "archive", FakeReader(8))
    broken = make_plan(plan)
    chunk = broken.chunks[0]._replace(packed=b"no chunk")
    (tmp_path / "shards").mkdir()
    with pytest.raises(RunError, match="a fault of cape-fed; its traceback"):
        list(read_chunks(plan, [chunk], tmp_path / "shards", 1, ()))
    assert "zlib.error" in (tmp_path / "shards" / FAULTS).read_text()


def test_store_names_that_are_no_utf8_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    class Untouched(FakeReader):
        def entries(self, root: Path):  # type: ignore[no-untyped-def]
            raise AssertionError("read")

    store = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9/store"))
    with pytest.raises(InputError, match=r"caf\\xe9.*is no UTF-8"):
        ingest_archive(recipe(tmp_path / "archive", Untouched()), store)
    with pytest.raises(InputError, match="is no UTF-8"):
        open_store(store)
    assert not store.parent.exists()


def test_where_windows_begin(tmp_path: Path) -> None:
    root = tmp_path / "archive"
    signal = counts(wave(0, 100, 30))
    write_wfdb(root / "a", signal, fs=100)
    write_wfdb(root / "b", np.concatenate((np.full((12, 1300), -32768, np.int16), signal), axis=1), fs=100)
    ingest_archive(recipe(root, get_reader("wfdb")), tmp_path / "store")  # type: ignore[arg-type]
    store = open_store(tmp_path / "store")
    assert store.begins.tolist() == [0, 13]
    np.testing.assert_array_equal(store.signals[0], store.signals[1])
    assert store.meta.findings["LATE_START"].examples == ["b"]


def test_ctrl_c_while_reading_resumes(tmp_path: Path) -> None:
    plan = recipe(tmp_path / "archive", FakeReader(40, (("r0030", "interrupted-once"),)))
    with pytest.raises(KeyboardInterrupt):
        ingest_archive(plan, tmp_path / "store", chunk_records=5)
    assert ingest_archive(plan, tmp_path / "store", chunk_records=5).records_read == 10


def test_full_disk_is_one_line_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, write = recipe(tmp_path / "archive", FakeReader(40)), shards_module._write

    def full(*arguments: object) -> None:
        if len(list(partial_path(tmp_path / "store").glob("shards/*.json"))) == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(shards_module, "_write", full)
    with pytest.raises(InputError, match=r"no space left on .*the same command goes on"):
        ingest_archive(plan, tmp_path / "store", chunk_records=5)
    assert not (tmp_path / "store").exists()
    monkeypatch.undo()
    assert ingest_archive(plan, tmp_path / "store", chunk_records=5).records_read == 20


PLACES = [
    "cape_fed.archive.shards._write",
    "cape_fed.archive.shards._convert",
    "cape_fed.archive.shards.write_fault",
    "cape_fed.archive.assemble.SignalWriter.append",
    "cape_fed.archive.assemble.SignalWriter.flush",
    "cape_fed.archive.assemble.SignalWriter.seal",
    "cape_fed.archive.ingest.write_description",
    "cape_fed.store.writer.pq.write_table",
    "cape_fed.store.writer.sync",
    "cape_fed.archive.ingest.publish",
    "cape_fed.archive.ingest.locked",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_anywhere_loses_nothing(
    dirty: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, code: int
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(code, os.strerror(code))

    store, plan = tmp_path / "again", recipe(tmp_path / "archive", DIRTY)
    monkeypatch.setattr(place, full)
    with pytest.raises(InputError, match="no space left on"):
        ingest_archive(plan, store, chunk_records=5)
    monkeypatch.undo()
    ingest_archive(plan, store, chunk_records=5)
    assert bytes_of(store) == bytes_of(dirty.path)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
@pytest.mark.parametrize(("workers", "kilobytes"), [(0, 200), (0, 600), (0, 1050), (2, 600)])
def test_a_disk_that_really_is_full(tmp_path: Path, workers: int, kilobytes: int) -> None:
    small = tmp_path / "small"
    small.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(small)]
    if subprocess.run(options, capture_output=True, check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        plan = recipe(tmp_path / "archive", FakeReader(40))
        usage = shutil.disk_usage(tmp_path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ingest.shutil, "disk_usage", lambda path: usage)
            with pytest.raises(InputError, match=r"no space left on .*the same command goes on"):
                ingest_archive(plan, small / "store", workers=workers, chunk_records=5)
        subprocess.run(["mount", "-o", "remount,size=20m", str(small)], check=True)
        assert ingest_archive(plan, small / "store", workers=workers, chunk_records=5).meta.records == 40
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_too_small_a_disk_is_refused_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=40 * 24000 - 1)
    monkeypatch.setattr(ingest.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError, match=r"no space left .*40 records need 1\.0 MB"):
        ingest_archive(recipe(tmp_path / "archive", FakeReader(40)), tmp_path / "store")
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_second_ingest_of_the_same_store_is_refused(tmp_path: Path) -> None:
    partial = partial_path(tmp_path / "store")
    partial.mkdir()
    with (partial / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process"):
            ingest_archive(recipe(tmp_path / "archive", FakeReader(40)), tmp_path / "store")
    ingest_archive(recipe(tmp_path / "archive", FakeReader(40)), tmp_path / "store")


def test_plan_follows_salt_and_namespace(tmp_path: Path) -> None:
    plans = set()
    for options in ({}, {"salt": b"s" * 32}, {"namespace": "region"}, {"cohort": "other"}):
        ingest_archive(recipe(tmp_path / "archive", FakeReader(6), **options), tmp_path / "store", overwrite=True)
        plans.add(json.loads(StoreFiles.of(tmp_path / "store").meta.read_text())["plan"])
    assert len(plans) == 4


def interrupt_after(plan: object, store: Path, appended: int, chunk_records: int = 5) -> None:
    calls: list[int] = []

    def report(done: int, total: int) -> None:
        calls.append(done)
        if len(calls) == appended:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest_archive(plan, store, chunk_records=chunk_records, report=report)  # type: ignore[arg-type]
