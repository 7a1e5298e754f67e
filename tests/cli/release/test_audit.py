"""``cape-fed release audit`` as users run it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cape_fed.cli.main import run
from cape_fed.config import RunConfig
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.release.bundle import load_encoder, write_bundle
from cape_fed.store.counts import count_store
from tests.conftest import TinyStore

Output = pytest.CaptureFixture[str]


@pytest.fixture
def bundle(tiny_store: TinyStore, tmp_path: Path, one_thread: None) -> Path:
    store = tiny_store("a", patients=150, repeats=(1,))
    config = RunConfig.model_validate({"split": {"valid": 0.1, "test": 0.7}, "out": tmp_path})
    provenance = config.provenance("central idb", {"a": count_store(store)})
    write_bundle(tmp_path / "bundle", build_encoder(config.encoder_config, 0), store.profile, provenance)
    return tmp_path / "bundle"


def test_the_figure_stands_in_the_card_and_before_it_that_there_is_none(
    bundle: Path, tmp_path: Path, capsys: Output
) -> None:
    assert "not measured: `cape-fed release audit`" in (bundle / "README.md").read_text()
    weights = (bundle / "model.safetensors").read_bytes()
    assert run(["release", "audit", str(bundle), str(tmp_path / "a"), "--views", "2", "--json", "--device", "cpu"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["members"], found["others"]) == (30, 105)
    assert found["similarity"]["rate"] < 0.2
    card = (bundle / "README.md").read_text()
    assert f"two-view similarity finds {100 * found['similarity']['rate']:.1f} %" in card
    assert "not measured" not in card
    loaded = load_encoder(bundle)  # its checksums are right
    assert loaded.provenance.membership is not None
    assert loaded.provenance.membership.model_dump() == found
    assert (bundle / "model.safetensors").read_bytes() == weights
    assert np.isfinite(loaded.embed(np.zeros((12, 1000)) + np.sin(np.arange(1000)), 100)).all()


def test_without_card_the_bundle_stays_as_it_is(bundle: Path, tmp_path: Path, capsys: Output) -> None:
    before = (bundle / "SHA256SUMS").read_text()
    arguments = ["release", "audit", str(bundle), str(tmp_path / "a"), "--no-card", "--views", "2", "--patients", "110"]
    assert run([*arguments, "--device", "cpu"]) == 0
    assert "at 1 % false positives, two-view similarity finds" in capsys.readouterr().out
    assert (bundle / "SHA256SUMS").read_text() == before


def test_a_bundle_that_was_altered_is_refused(bundle: Path, tmp_path: Path, capsys: Output) -> None:
    (bundle / "README.md").write_text("all is well")
    assert run(["release", "audit", str(bundle), str(tmp_path / "a")]) == 2
    assert "was altered" in capsys.readouterr().err
