"""The commands ``ingest`` and ``inspect`` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import wfdb

from cape_fed.cli.main import run
from cape_fed.signal.leads import LEADS
from cape_fed.store.fingerprint import SAMPLED_ROWS
from cape_fed.store.store import open_store
from tests.archive.fake import ecg
from tests.conftest import TinyStore

Output = pytest.CaptureFixture[str]


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAPE_FED_SALT_FILE", str(tmp_path / "salt"))
    folder = tmp_path / "archive"
    folder.mkdir()
    for number in range(6):
        comments = [f"Age: {40 + number}", "Sex: Female", f"Dx: {'164889003' if number % 2 else '426783006'}"]
        wfdb.wrsamp(
            f"r{number}", 500, ["mV"] * 12, list(LEADS), ecg(number, 500).T, fmt=["16"] * 12, comments=comments,
            write_dir=str(folder),
        )  # fmt: skip
    (folder / "r5.dat").write_bytes(b"")
    return folder


def ingest(archive: Path, store: Path, *options: str) -> int:
    return run(["ingest", str(archive), str(store), "--format", "wfdb", "--cohort", "test", *options])


def test_summary_and_inspection(archive: Path, tmp_path: Path, capsys: Output) -> None:
    assert ingest(archive, tmp_path / "store") == 0
    text = capsys.readouterr().out
    assert "5 records of 5 patients" in text
    assert "without a patient id: 5" in text
    assert "left out of 6: 1 unusable, 0 exact repeats" in text
    assert run(["inspect", str(tmp_path / "store"), "--verify"]) == 0
    text = capsys.readouterr().out
    assert "500 Hz: 5" in text
    assert "40 to 44, median 42, known for 5" in text
    assert ["AF", "2", "3", "0"] in [line.split() for line in text.splitlines()]


def test_json(archive: Path, tmp_path: Path, capsys: Output) -> None:
    assert ingest(archive, tmp_path / "store", "--json") == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["records"], done["records_read"], done["records_seen"]) == (5, 6, 6)
    assert sum(done["dropped"].values()) == 1
    assert run(["inspect", str(tmp_path / "store"), "--json"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert seen["labels"]["AF"] == {"positive": 2, "negative": 3, "not_annotated": 0}
    assert seen["sex"] == {"F": 5, "M": 0, "unknown": 0}
    assert seen["bytes"] == done["bytes"]


def test_twice_is_done_once(archive: Path, tmp_path: Path, capsys: Output) -> None:
    assert ingest(archive, tmp_path / "store") == 0
    assert ingest(archive, tmp_path / "store") == 0
    assert "holds this archive already" in capsys.readouterr().out
    assert ingest(archive, tmp_path / "store", "--profile", "cape400") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert ingest(archive, tmp_path / "store", "--profile", "cape400", "--overwrite") == 0
    assert open_store(tmp_path / "store").profile.samples == 4096


def test_what_is_wrong_with_a_table_is_said(archive: Path, tmp_path: Path, capsys: Output) -> None:
    (archive / "manifest.csv").write_text("path,patient_id,age,sex\nr0,1,61,5,F\nr1,2,70,weiblich\nr2,3,50,M\n")
    store = tmp_path / "store"
    assert run(["ingest", str(archive), str(store), "--format", "manifest", "--cohort", "test"]) == 0
    out = capsys.readouterr().out
    assert "ROW_WIDTH: 1, e.g. manifest.csv, line 2: 5 cells where the heading has 4\n" in out
    assert "not understood, cape-fed doctor shows the values:\n    BAD_SEX: 1, e.g. r1" in out
    assert run(["doctor", str(archive), "--format", "manifest"]) == 0
    assert "sex 'weiblich' (1 records, e.g. r1)" in capsys.readouterr().out
    (archive / "manifest.csv").write_text("path,age,Age\nr0,1,2\n")
    for command in (["doctor", str(archive)], ["ingest", str(archive), str(tmp_path / "s"), "--cohort", "test"]):
        assert run([*command, "--format", "manifest"]) == 2
        assert "the heading age twice" in capsys.readouterr().err


def test_a_common_gain_is_said(archive: Path, tmp_path: Path, capsys: Output) -> None:
    assert ingest(archive, tmp_path / "store", "--common-gain", "1000") == 0
    assert "all leads scaled by 1000 ADC units per mV" in capsys.readouterr().out
    assert run(["inspect", str(tmp_path / "store")]) == 0
    assert "gains     1000 ADC units per mV for all leads" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--profile", "compact"], "unknown profile 'compact'"),
        (["--format", "edf"], "unknown format 'edf'"),
        (["--format", "ptbxl"], "ptbxl"),
        (["--workers", "0"], "workers"),
        (["--cohort", "a/b"], "cohort name 'a/b'"),
    ],
)
def test_bad_options_are_one_line(
    archive: Path, tmp_path: Path, capsys: Output, options: list[str], message: str
) -> None:
    assert ingest(archive, tmp_path / "store", *options) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "store").exists()


def test_ctrl_c_says_how_to_resume(
    archive: Path, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cape_fed.archive.assemble.Assembly.append", interrupted)
    assert ingest(archive, tmp_path / "store") == 1
    err = capsys.readouterr().err
    assert "run the same command again to resume" in err
    assert err.count("\n") == 1
    monkeypatch.undo()
    assert run(["inspect", str(tmp_path / "store")]) == 2
    assert "did not finish" in capsys.readouterr().err


def test_plot(tiny_store: TinyStore, tmp_path: Path, capsys: Output) -> None:
    store = tiny_store()
    assert run(["inspect", str(store.path), "--plot", "cohort-00002", str(tmp_path / "ecg.png")]) == 0
    assert (tmp_path / "ecg.png").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    assert run(["inspect", str(store.path), "--plot", "nobody", str(tmp_path / "no.png")]) == 2
    assert "no record 'nobody'" in capsys.readouterr().err
    assert not (tmp_path / "no.png").exists()


def test_damage_is_named(tiny_store: TinyStore, capsys: Output) -> None:
    store = tiny_store(patients=200)
    sampled = np.linspace(0, len(store) - 1, SAMPLED_ROWS).astype(int)
    row = next(row for row in range(len(store)) if row not in sampled)
    signals = np.load(store.path / "signals.npy", mmap_mode="r+")
    signals[row, 0, 0] += 1
    signals.flush()
    assert run(["inspect", str(store.path), "--verify"]) == 2
    assert f"1 records are damaged, e.g. {store.records[row]}: ingest" in capsys.readouterr().err


def test_inspection_of_a_store_without_ages(tiny_store: TinyStore, capsys: Output) -> None:
    store = tiny_store(patients=2, repeats=[1], age=[None, None], sex=[None, None])
    assert run(["inspect", str(store.path)]) == 0
    assert "age       unknown, known for 0" in capsys.readouterr().out
