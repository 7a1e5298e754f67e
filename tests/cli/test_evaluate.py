"""Which cohorts ``cape-fed evaluate`` accepts as ID and OOD, and which split it uses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cape_fed.cli.main import run
from tests.conftest import TinyStore

TRAIN = ["train.steps=1", "train.pairs=8"]


@pytest.fixture
def bundle(tiny_store: TinyStore, tmp_path: Path) -> Path:
    for name in "abc":
        tiny_store(name, patients=30)
    assert run(["pretrain", f"data.train=[{tmp_path}/a,{tmp_path}/b]", f"out={tmp_path}/run", *TRAIN]) == 0
    return tmp_path / "run" / "bundle"


def refused(bundle: Path, train: str, evaluate: str, capsys: pytest.CaptureFixture[str]) -> str:
    root = bundle.parents[1]
    named = [f"data.{role}=[{','.join(f'{root}/{name}' for name in names)}]"
             for role, names in (("train", train), ("evaluate", evaluate))]  # fmt: skip
    capsys.readouterr()
    assert run(["evaluate", str(bundle), *named, f"out={root}/out"]) == 2
    assert not (root / "out").exists()
    return capsys.readouterr().err


def test_a_cohort_trained_on_is_not_ood(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "was trained on b: not OOD" in refused(bundle, "a", "bc", capsys)


def test_a_cohort_not_trained_on_is_not_id(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "was not trained on c: not ID" in refused(bundle, "ac", "", capsys)


def test_a_bundle_alone_knows_its_split_only_while_the_stores_are_the_same(
    bundle: Path, capsys: pytest.CaptureFixture[str], tiny_store: TinyStore
) -> None:
    root = bundle.parents[1]
    shutil.rmtree(root / "run" / "splits")
    shutil.rmtree(root / "a")
    tiny_store("a", patients=30, seed=1)
    assert "changed since" in refused(bundle, "ab", "c", capsys)
