"""Bad usage and bad input end in one line on stderr and exit code 2."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cape_fed.cli import main
from cape_fed.cli.main import run
from tests.conftest import TinyStore


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("cape-fed: ")
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["pretrain", "out=x", "train.pair=3"],
            "unknown config key 'train.pair': the nearest known key is 'train.pairs'",
        ),
        (["pretrain", "train.pairs=3"], "out is missing"),
        (["pretrain", "out=x", "experiment=dmo"], "choose one of base, demo, small"),
        (["pretrain", "out=x", "batching=mixed"], "use random, idb or idb+cross:p"),
        (["pretrain", "out=x", "train.pairs=many"], "train.pairs"),
        (["pretrain", "out=x", "train.pairs=[1"], "cannot read the configuration"),
        (["pretrain", "out=x", "nonsense"], "write key=value"),
        (["pretrain", "out=x"], "no store given"),
        (["pretrain", "out=x", "data.train=[nowhere]"], "nowhere"),
        (["simulate", "out=x"], "at least one"),
        (["run", "nowhere", "out=x", "norm=batch"], "norm=batch has running statistics of each site's patients"),
        (["evaluate", "nowhere", "out=x", "data.train=[nowhere]"], "is not a bundle"),
        (["evaluate", "nowhere", "out=x", "evaluation.penalties=[0.1,0]"], "evaluation.penalties.1"),
        (["finetune", "nowhere", "out=x", "data.train=[nowhere]"], "is not a bundle"),
        (["finetune", "nowhere", "out=x", "finetune.modes=[some]"], "finetune.modes.0"),
        (["finetune", "nowhere", "out=x", "finetune.fractions=[0.1,0.1]"], "each value can be given once"),
        (["finetune", "nowhere", "out=x", "finetune.fractions=[10]"], "finetune.fractions.0"),
        (["compare", "nowhere", "--out", "x"], "at least two directories"),
        (["doctor", "nowhere", "--format", "wfdb"], "nowhere"),
        (["doctor", ".", "--format", "dicom"], "dicom"),
        (["inspect", "nowhere"], "nowhere"),
        (["inspect", "caf\udce9/store"], "caf\\xe9/store' is no UTF-8"),
        (["ingest", ".", "caf\udce9/store", "--format", "wfdb", "--cohort", "a"], "caf\\xe9/store' is no UTF-8"),
        (["ingest", ".", "s", "--format", "wfdb", "--cohort", "a", "--common-gain", "0"], "common gain of 0"),
        (["ingest", ".", "s", "--format", "wfdb", "--cohort", "a", "--common-gain", "tall"], "common-gain"),
        (["embed", "nowhere", "nowhere", "x.npz"], "is not a bundle"),
        (["synth", "x", "--cohorts", "0"], "cohorts"),
        (["frobnicate"], "frobnicate"),
        (["ingest", "a"], "Missing"),
    ],
)
def test_one_line_and_exit_two(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    assert says in said(capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("batching", ["idb", "random"])
def test_too_few_patients_leave_nothing_behind(
    batching: str, tiny_store: TinyStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tiny_store("a", patients=20)
    out = tmp_path / "run"
    assert run(["pretrain", f"data.train=[{store.path}]", f"out={out}", f"batching={batching}", "train.pairs=15"]) == 2
    assert "14 training patients" in said(capsys)
    assert not out.exists()


def test_a_full_disk_is_one_line_and_exit_one(
    tiny_store: TinyStore, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tiny_store("a", patients=20)

    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("cape_fed.pretrain.central.save_checkpoint", full)
    arguments = [f"data.train=[{store.path}]", f"out={tmp_path / 'run'}", "train.pairs=8", "train.steps=2"]
    assert run(["pretrain", *arguments]) == 1
    assert said(capsys) == "cape-fed: No space left on device"
    assert not (tmp_path / "run" / "bundle").exists()


def test_control_c_is_one_line_and_exit_one(
    tiny_store: TinyStore, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tiny_store("a", patients=20)

    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cape_fed.pretrain.central.save_checkpoint", interrupted)
    arguments = [f"data.train=[{store.path}]", f"out={tmp_path / 'run'}", "train.pairs=8", "train.steps=2"]
    assert run(["pretrain", *arguments]) == main.INTERRUPTED
    assert said(capsys) == "cape-fed: stopped"
