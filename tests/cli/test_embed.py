"""The command ``embed``: what is in the file, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.cli.main import run
from cape_fed.release import embed
from cape_fed.release.bundle import load_encoder
from tests.conftest import TinyStore

Output = pytest.CaptureFixture[str]


@pytest.fixture
def bundle(tiny_store: TinyStore, tmp_path: Path, capsys: Output) -> Path:
    store = tiny_store("a", patients=20)
    short = ["train.steps=1", "train.pairs=8", "device=cpu"]
    assert run(["pretrain", f"data.train=[{store.path}]", f"out={tmp_path / 'run'}", *short]) == 0
    capsys.readouterr()
    return tmp_path / "run" / "bundle"


def test_the_file_has_one_embedding_for_each_record(
    bundle: Path, tiny_store: TinyStore, tmp_path: Path, capsys: Output
) -> None:
    signals = np.random.default_rng(0).normal(0, 300, (8, 12, 1000)).astype(np.int16)
    signals[5] = signals[2]
    store = tiny_store("b", signals=signals)
    npz = tmp_path / "b.npz"
    assert run(["embed", str(bundle), str(store.path), str(npz), "--device", "cpu"]) == 0
    encoder = load_encoder(bundle, "cpu")
    assert f"8 embeddings of {encoder.dim} dimensions" in capsys.readouterr().out
    with np.load(npz, allow_pickle=False) as written:
        embedding = written["embedding"]
        assert written["record"].tolist() == list(store.records)
        assert written["patient"].tolist() == list(store.patients)
    assert (embedding.dtype, embedding.shape) == (np.float32, (8, encoder.dim))
    distance = np.abs(embedding[:, None] - embedding).max(axis=-1)
    equal = np.argwhere(np.triu(distance < 1e-5, 1)).tolist()
    assert equal == [[2, 5]]


def test_a_store_of_another_profile_is_refused(
    bundle: Path, tiny_store: TinyStore, tmp_path: Path, capsys: Output
) -> None:
    store = tiny_store("b", patients=5, profile="cape400")
    assert run(["embed", str(bundle), str(store.path), str(tmp_path / "b.npz")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--profile compact100" in said
    assert not (tmp_path / "b.npz").exists()


@pytest.mark.parametrize("place", [".", "..", "", "a-file/b.npz"])
def test_a_place_that_cannot_be_written_to_shows_before_anything_is_computed(
    bundle: Path, tiny_store: TinyStore, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def compute(*_: object) -> None:
        raise AssertionError("the records were embedded")

    monkeypatch.setattr(embed, "embed_store", compute)
    monkeypatch.chdir(tmp_path)
    Path("a-file").touch()
    store = tiny_store("b", patients=5)
    assert run(["embed", str(bundle), str(store.path), place or str(tmp_path)]) == (1 if "file" in place else 2)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "file" in place or "is a directory: name the file to write" in said
