"""Archives on disk: what wfdb and our reader find in them, and what is never overwritten."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb

from cape_fed.archive.wfdb_tree import WfdbTree
from cape_fed.errors import InputError
from cape_fed.signal.leads import LEADS, canonical_lead
from cape_fed.synthetic.catalogue import SPECS
from cape_fed.synthetic.cohort import make_cohort
from cape_fed.synthetic.flaws import FlawRates
from cape_fed.synthetic.write import write_cohorts

DIRTY = tuple(replace(spec, flaws=FlawRates(0.3, 0.3, 0.1, 0.1)) for spec in SPECS)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synth") / "out"
    write_cohorts(out, DIRTY, 12, seed=5)
    return out


def paths(folder: Path) -> list[str]:
    return (folder / "RECORDS").read_text().split()


@pytest.mark.parametrize("number", range(len(SPECS)))
def test_wfdb_reads_back_what_was_made(archive: Path, number: int) -> None:
    spec = DIRTY[number]
    folder = archive / spec.name
    batch = next(make_cohort(spec, 12, 5))
    assert len(paths(folder)) == len(batch.signals)
    for path, counts, device in zip(paths(folder), batch.signals, batch.devices, strict=True):
        record = wfdb.rdrecord(str(folder / path), physical=False)
        np.testing.assert_array_equal(record.d_signal, counts)
        assert record.fs == device.fs
        assert [value % 65536 for value in record.checksum] == record.calc_checksum()
        assert record.init_value == counts[0].tolist()
        assert record.units == ["mV"] * 12
        assert tuple(map(canonical_lead, record.sig_name)) == LEADS
        assert record.adc_gain[0] == pytest.approx(1000 / device.adc_step, rel=1e-5)


def test_the_projects_reader_finds_the_truth(archive: Path) -> None:
    for spec in DIRTY:
        truth = pd.read_csv(archive / "truth" / f"{spec.name}.csv")
        root, reader = archive / spec.name, WfdbTree()
        for entry, (_, row) in zip(reader.entries(root), truth.iterrows(), strict=True):
            raw = reader.read(root, entry)
            assert raw.record.endswith(row.record)
            assert raw.patient == (row.patient if row.patient_known else None)
            assert raw.age == (pytest.approx(row.age - 0.5, abs=0.6) if row.age_known else None)
            assert raw.sex == row.sex
            for label in ("AF", "SBRAD", "STACH", "AVB1", "LBBB", "MI", "LVH", "NORM"):
                assert raw.labels[label] == row[label]
            assert raw.labels.get("SINUS", True) == row.SINUS
            assert raw.signal_mv.shape[0] == 12


def test_spelling_of_leads_differs_between_cohorts(archive: Path) -> None:
    spellings = {
        (archive / spec.name / f"{paths(archive / spec.name)[0]}.hea").read_text().split()[4 + 9 * 4 - 1]
        for spec in DIRTY
    }
    assert spellings == {"aVR", "AVR", "avr"}


def test_cohorts_json_lists_what_is_there(archive: Path) -> None:
    listing = json.loads((archive / "cohorts.json").read_text())
    assert [entry["name"] for entry in listing] == [spec.name for spec in SPECS]
    assert [entry["role"] for entry in listing] == ["train"] * 4 + ["evaluate"] * 2
    assert all(entry["patients"] == 12 for entry in listing)
    assert all(entry["records"] == len(paths(archive / entry["name"])) for entry in listing)
    assert listing[0]["devices"][0]["fs"] == 500


def test_truth_is_outside_the_archives(archive: Path) -> None:
    for spec in SPECS:
        assert {path.suffix for path in (archive / spec.name).rglob("*") if path.is_file()} == {".hea", ".dat", ""}


def test_same_seed_same_bytes_whatever_else_is_written(archive: Path, tmp_path: Path) -> None:
    write_cohorts(tmp_path / "again", DIRTY[3:4], 12, seed=5)
    for path in (tmp_path / "again" / "synth-d").rglob("*.*"):
        assert path.read_bytes() == (archive / path.relative_to(tmp_path / "again")).read_bytes()


def test_folders_hold_a_thousand_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cape_fed.synthetic.write.FOLDER_SIZE", 7)
    write_cohorts(tmp_path / "out", SPECS[2:3], 70, seed=0)
    sizes = [
        len(list(folder.glob("*.hea")))
        for folder in sorted((tmp_path / "out" / "synth-c").iterdir())
        if folder.is_dir()
    ]
    assert len(sizes) > 10
    assert set(sizes[:-1]) == {7}


def test_existing_files_are_never_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for out in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(InputError, match=r"mine\.txt|not empty"):
            write_cohorts(out, SPECS[:1], 2, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_cohorts(tmp_path / "out", SPECS[:1], 2, 0, stop)
    assert not list(tmp_path.iterdir())
