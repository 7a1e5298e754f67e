"""``cape-fed release card`` as a coordinator runs it before giving a bundle away."""

from __future__ import annotations

from pathlib import Path

import pytest

from cape_fed.cli.main import run
from cape_fed.evaluate.results import RESULTS_FILE
from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.release.bundle import load_encoder, write_bundle
from cape_fed.release.provenance import Participation, Provenance
from cape_fed.signal.profile import get_profile
from cape_fed.store.counts import CohortCounts


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    provenance = Provenance(
        cohorts={"mercy/a": CohortCounts(records=9, patients=9), "clinic/b": CohortCounts(records=9, patients=9)},
        participation={"mercy": Participation(cohorts=["a"]), "clinic": Participation(cohorts=["b"])},
        rounds=1,
    )
    write_bundle(tmp_path / "bundle", build_encoder(MODELS["tiny"], 0), get_profile("compact100"), provenance)
    return tmp_path / "bundle"


def test_names_go_and_the_licence_comes(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["release", "card", str(bundle), "--named", "clinic", "--licence", "CC BY 4.0"]) == 0
    assert capsys.readouterr().out == f"{bundle / 'README.md'}\n"
    everything = "".join((bundle / name).read_text() for name in ("README.md", "config.json"))
    assert "mercy" not in everything
    assert "clinic" in everything
    assert load_encoder(bundle).provenance.licence == "CC BY 4.0"


def test_what_does_not_fit_leaves_the_bundle_as_it_is(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (bundle / "SHA256SUMS").read_text()
    assert run(["release", "card", str(bundle), "--named", "mersey"]) == 2
    assert "mersey took no part in this encoder: its sites are" in capsys.readouterr().err
    assert run(["release", "card", str(bundle), "--evaluation", str(tmp_path)]) == 2
    assert f"no {RESULTS_FILE} in {tmp_path}" in capsys.readouterr().err
    assert (bundle / "SHA256SUMS").read_text() == before
