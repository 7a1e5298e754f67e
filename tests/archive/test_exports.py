"""Hospital formats as a whole: names that get nowhere, hostile files, workers, resumption, doctor and inspect."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import tracemalloc
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from cape_fed.archive.base import Entry, Notice, Reader, RecordError
from cape_fed.archive.doctor import diagnose
from cape_fed.archive.doctor_text import render
from cape_fed.archive.exports import ExportTree, record_name
from cape_fed.archive.findings import CATALOGUE
from cape_fed.archive.ingest import ingest_archive
from cape_fed.archive.plan import Recipe
from cape_fed.archive.registry import get_reader
from cape_fed.cli.main import run
from cape_fed.errors import InputError
from cape_fed.signal.profile import get_profile
from cape_fed.store.keys import site_salt, unknown_patient_key
from cape_fed.store.store import open_store
from tests.archive.exported import (
    NAME,
    aecg,
    dicom_beat,
    dicom_group,
    mortara,
    muse,
    scp,
    sierra,
    steps,
    write_dicom,
    xli_bomb,
)
from tests.archive.files import ecg
from tests.archive.test_hostile import assert_a_recording, edits, folder, hostile

SALT = bytes(range(32))


def dicom(leads: dict[str, np.ndarray]) -> bytes:
    with folder() as place:
        return write_dicom(place / "a", [dicom_group(leads), dicom_beat(leads)]).read_bytes()


WRITERS: dict[str, Callable[[dict[str, np.ndarray]], bytes]] = {
    "dicom": dicom,
    "muse": lambda leads: muse(leads, microvolts="5"),
    "aecg": lambda leads: aecg([leads]),
    "sierra": sierra,
    "scp": scp,
    "mortara": mortara,
}
SHORT = steps(ecg(seconds=2.5), 5)
WRITTEN = {name: write(SHORT) for name, write in WRITERS.items()}
XML = [name for name in WRITERS if name not in ("dicom", "scp")]


def slow(*names: str) -> list[object]:
    return [pytest.param(name, marks=pytest.mark.slow) for name in names]


def recipe(root: Path, name: str) -> Recipe:
    return Recipe(root, get_reader(name, salt=lambda: SALT), "clinic", "clinic", get_profile("compact100"), SALT)


def archive(root: Path, name: str, count: int = 3) -> Path:
    """Files and folders that are named after patients, one of them damaged, beside files of other kinds."""
    place = root / f"{NAME} 1962"
    place.mkdir(parents=True)
    for number in range(count):
        (place / f"{NAME}_{number}").write_bytes(WRITERS[name](steps(ecg(number), 5)))
    damaged = bytearray(WRITTEN[name])
    half = len(damaged) // 2
    damaged[half : half + 60] = NAME.encode() * 7
    (place / f"{NAME} damaged").write_bytes(damaged)
    (place / f"{NAME} cut").write_bytes(WRITTEN[name][:half])
    (place / f"{NAME}.pdf").write_bytes(NAME.encode())
    (place / f"{NAME} link").symlink_to(root / NAME)
    return root


@pytest.mark.parametrize("name", WRITERS)
def test_a_name_gets_nowhere(
    tmp_path: Path,
    name: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
) -> None:
    caplog.set_level(logging.DEBUG)
    root = archive(tmp_path / "archive", name)
    assert NAME.encode() in b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
    done = ingest_archive(recipe(root, name), tmp_path / "store")
    assert done.meta.records >= 3
    report = diagnose(root, get_reader(name, verify=True))
    held = {path: path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file()}
    held[Path("printed")] = "".join((*capfd.readouterr(), caplog.text, render(report))).encode()
    held[Path("report")] = json.dumps(report.as_dict()).encode()
    held[Path("warned")] = "".join(str(warning.message) for warning in recwarn).encode()
    for path, content in held.items():
        for spelling in (NAME, NAME.upper(), NAME.lower()):
            assert spelling.encode() not in content, path
            assert spelling.encode("utf-16-le") not in content, path
    found = {finding.code for finding in report.findings}
    assert {"OTHER_FILE", "BROKEN_LINK"} <= found
    assert "FAULT" not in found


@pytest.mark.parametrize("name", ["muse", *slow("dicom", "aecg", "sierra", "scp", "mortara")])
def test_workers_and_interruptions_change_nothing(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    root = archive(tmp_path / "archive", name, 6)
    plain = ingest_archive(recipe(root, name), tmp_path / "plain", chunk_records=2)
    spread = ingest_archive(recipe(root, name), tmp_path / "spread", chunk_records=2, workers=2)
    with monkeypatch.context() as patch:
        patch.setattr("cape_fed.archive.exports.join", interrupting(3))
        with pytest.raises(KeyboardInterrupt):
            ingest_archive(recipe(root, name), tmp_path / "resumed", chunk_records=2)
    resumed = ingest_archive(recipe(root, name), tmp_path / "resumed", chunk_records=2)
    assert 0 < resumed.records_read < plain.records_read
    expected = open_store(plain.store)
    for done in (spread, resumed):
        store = open_store(done.store)
        assert list(store.records) == list(expected.records)
        assert np.array_equal(store.millivolts(range(len(store))), expected.millivolts(range(len(expected))))


def interrupting(after: int) -> Callable[..., object]:
    from cape_fed.archive.recording import join

    calls = 0

    def joined(*halves: object) -> object:
        nonlocal calls
        calls += 1
        if calls > after:
            raise KeyboardInterrupt
        return join(*halves)  # type: ignore[arg-type]

    return joined


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPE_FED_SALT_FILE", str(tmp_path / "salt"))
    root = archive(tmp_path / "archive", "muse")
    names, store = tmp_path / "names.csv", tmp_path / "store"
    assert run(["doctor", str(root), "--format", "muse", "--names", str(names)]) == 0
    assert "OTHER_FILE: 1" in capsys.readouterr().out
    assert names.stat().st_mode & 0o077 == 0
    record = record_name(site_salt(), f"{NAME} 1962/{NAME}_0")
    assert f"{record},{NAME} 1962/{NAME}_0" in names.read_text().splitlines()
    assert run(["ingest", str(root), str(store), "--format", "muse", "--cohort", "clinic", "--workers", "2"]) == 0
    assert run(["inspect", str(store), "--plot", record, str(tmp_path / "a.png")]) == 0
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert run(["ingest", str(root), str(store), "--format", "muse", "--cohort", "c", "--common-gain", "200"]) == 2


def test_the_strips_of_a_file_without_an_id_are_of_one_person(tmp_path: Path) -> None:
    for file, numbers in (("a", (0, 1)), ("b", (2,))):
        data = aecg([steps(ecg(number), 5) for number in numbers]).replace(b'<id extension="4711"/>', b"")
        (tmp_path / "archive").mkdir(exist_ok=True)
        (tmp_path / "archive" / file).write_bytes(data)
    store = open_store(ingest_archive(recipe(tmp_path / "archive", "aecg"), tmp_path / "store").store)
    assert (store.meta.records, store.meta.patients, store.meta.patients_without_id) == (3, 2, 3)
    keys = {record: store.patient_keys[code] for record, code in zip(store.records, store.patients, strict=True)}
    a, b = record_name(SALT, "a"), record_name(SALT, "b")
    assert keys[f"{a}-1"] == keys[f"{a}-2"] != keys[b]
    before = "ecg-" + hashlib.blake2b(b"b", digest_size=8).hexdigest()
    assert keys[b] == unknown_patient_key(SALT, "clinic", before), "a store keeps its keys"


def test_the_name_of_a_record_cannot_be_guessed_without_the_salt(tmp_path: Path) -> None:
    (tmp_path / "MRN 4711").write_bytes(WRITTEN["muse"])
    for other in (bytes(32), b""):
        (entry,) = get_reader("muse", salt=lambda other=other: other).entries(tmp_path)
        assert isinstance(entry, Entry)
        assert entry.record == record_name(other, "MRN 4711") != record_name(SALT, "MRN 4711")


BOMB = "".join(f'<!ENTITY e{k + 1} "{f"&e{k};" * 10}">' for k in range(9))


def attacks(name: str) -> Iterator[tuple[str, bytes]]:
    text = WRITTEN[name].decode()
    start = text.index("?>") + 2
    root = text[start:].partition("-->")[2][1:].partition(">")[0].split()[0]
    inside = text.index(">", text.index(f"<{root}", start)) + 1
    doctype = f"<!DOCTYPE {root} ["
    for code, declared, used in (
        ("UNSAFE_XML", f'<!ENTITY e0 "{NAME}">{BOMB}', "&e9;"),
        ("UNSAFE_XML", '<!ENTITY x SYSTEM "file:///etc/passwd">', "&x;"),
        ("UNSAFE_XML", '<!ENTITY % x SYSTEM "http://127.0.0.1:1/x"> %x;', ""),
        ("UNSAFE_XML", f'<!ENTITY x "{"a" * 10_000}">', "&x;" * 100_000),
        ("UNREADABLE", "", "<a>" * 20_000),
    ):
        yield code, f"{text[:start]}{doctype}{declared}]>{text[start:inside]}{used}{text[inside:]}".encode()


@pytest.mark.parametrize("name", XML)
def test_hostile_xml(tmp_path: Path, name: str) -> None:
    reader = get_reader(name)
    for code, data in attacks(name):
        (tmp_path / "a").write_bytes(data)
        for entry in reader.entries(tmp_path):
            assert isinstance(entry, Entry)
            with pytest.raises(RecordError) as caught:
                reader.read(tmp_path, entry)
            assert caught.value.code == code
            assert NAME not in caught.value.reason


def in_sierra(data: bytes, milliseconds: str = "2500") -> bytes:
    """A compressed file with other data in it."""
    plain = sierra(SHORT, compressed=True).decode()
    held = f'durationperchannel="{milliseconds}">{b64encode(data).decode()}<'
    return re.sub(r'durationperchannel="\d+">[^<]*<', held, plain).encode()


@pytest.mark.parametrize(
    ("data", "milliseconds"),
    [(12 * xli_bomb(20_000), "2500"), (12 * xli_bomb(2_000), "1e12"), (2_000 * xli_bomb(1_000), "2500")],
)
def test_compressed_leads_that_would_fill_the_memory_are_refused(
    tmp_path: Path, data: bytes, milliseconds: str
) -> None:
    (tmp_path / "a").write_bytes(in_sierra(data, milliseconds))
    (entry,) = get_reader("sierra").entries(tmp_path)
    assert isinstance(entry, Entry)
    tracemalloc.start()
    with pytest.raises(RecordError) as caught:
        get_reader("sierra").read(tmp_path, entry)
    assert caught.value.code == "TOO_LONG"
    assert tracemalloc.get_traced_memory()[1] < 40 << 20
    tracemalloc.stop()


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExportTree, "largest", 1000)
    for name in ("muse", "aecg", "scp"):
        (tmp_path / "a").write_bytes(WRITTEN[name])
        (entry,) = get_reader(name).entries(tmp_path)
        assert isinstance(entry, Entry)
        with pytest.raises(RecordError, match="larger than"):
            get_reader(name).read(tmp_path, entry)


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_is_cut_off_is_never_half_a_recording(tmp_path: Path, name: str) -> None:
    whole, reader = WRITTEN[name], get_reader(name)
    for length in range(20, len(whole) - 4, len(whole) // 12):
        (tmp_path / "a").write_bytes(whole[:length])
        try:
            (entry,) = reader.entries(tmp_path)
        except InputError:
            continue
        assert isinstance(entry, Entry)
        with pytest.raises(RecordError) as caught:
            reader.read(tmp_path, entry)
        assert caught.value.code in CATALOGUE


def assert_read_or_refused(reader: Reader, root: Path, entry: Entry) -> None:
    try:
        raw = reader.read(root, entry, 10.5)
    except RecordError as refusal:
        raw, code = None, refusal.code
    if raw is None:
        assert code in CATALOGUE
    else:
        assert_a_recording(raw)


@pytest.mark.parametrize("name", ["muse", "scp", *slow("dicom", "aecg", "sierra", "mortara")])
def test_damage_is_a_finding(name: str) -> None:
    @hostile
    @given(edit=edits())
    def damaged(edit: Callable[[bytes], bytes]) -> None:
        with folder() as root:
            (root / "a").write_bytes(edit(WRITTEN[name]))
            reader = get_reader(name)
            try:
                listed = [entry for entry in reader.entries(root) if not isinstance(entry, Notice)]
            except InputError:
                return
            for entry in listed:
                assert_read_or_refused(reader, root, entry)

    damaged()


def test_every_format_passes_over_the_others(tmp_path: Path) -> None:
    for name, data in WRITTEN.items():
        (tmp_path / name).write_bytes(data)
    for name in WRITERS:
        listed = list(get_reader(name).entries(tmp_path))
        assert [one.files for one in listed if isinstance(one, Entry)] == [(name,)]
        assert [one.count for one in listed if isinstance(one, Notice)] == [len(WRITERS) - 1]
