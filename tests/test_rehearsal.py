"""A rehearsal is a whole federation on the site's own patients, of which nothing is left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.cli.site.words import rehearsal_words
from cape_fed.compose import compose_config
from cape_fed.errors import InputError, RunError
from cape_fed.rehearsal import PREFIX, half_of_patients, rehearse
from cape_fed.site.config import Limits, PrivacyLimits, SiteConfig
from cape_fed.store.store import open_store
from tests.conftest import TinyStore

OVERRIDES = ["train.pairs=4", "evaluation.min_patients=2", "evaluation.resamples=5", "out=-"]


def make_site(tiny_store: TinyStore, tmp_path: Path, **limits: int) -> SiteConfig:
    return SiteConfig(
        name="a",
        role="train",
        stores=(tiny_store("a", patients=40).path,),
        state=tmp_path / "state",
        device="cpu",
        threads=1,
        limits=Limits(**{"min_patients": 2, **limits}),
    )


def test_halves_share_no_patient_and_miss_none(tiny_store: TinyStore) -> None:
    store = open_store(tiny_store("a", patients=9).path)
    rows = [half_of_patients(store, 99, 5, number) for number in (0, 1)]
    assert sorted(np.concatenate(rows)) == list(range(len(store)))
    assert not set(store.patients[rows[0]]) & set(store.patients[rows[1]])
    assert len(set(store.patients[half_of_patients(store, 2, 5, 0)])) == 2


def test_two_rounds_and_an_evaluation_happen_and_nothing_stays(tiny_store: TinyStore, tmp_path: Path) -> None:
    head = tmp_path / "other-disk" / "head"
    site = make_site(tiny_store, tmp_path).model_copy(update={"privacy": PrivacyLimits(ledger_head=head)})
    (site.state / f"{PREFIX}left-by-a-crash").mkdir(parents=True)
    done = rehearse(site, compose_config(OVERRIDES))
    assert [sorted(line["sites"]) for line in done.rounds] == [["a-1", "a-2"]] * 2
    assert done.evaluation["tasks"]
    assert [path.name for path in site.state.iterdir()] == [".rehearsal.lock"]
    assert not site.audit_head_file.exists()
    assert not head.exists()  # the ledgers of the rehearsal are not this site's
    assert not list(site.state.glob(f"{PREFIX}*"))
    said = list(rehearsal_words(done))
    assert said[0].startswith("two sites with ")
    assert any("MB would have left each" in line for line in said)
    assert any(line.startswith("would have left: ") for line in said)


def test_a_limit_that_would_refuse_the_plan_shows(tiny_store: TinyStore, tmp_path: Path) -> None:
    site = make_site(tiny_store, tmp_path, local_steps=1)
    with pytest.raises((InputError, RunError), match="a-1"):
        rehearse(site, compose_config(OVERRIDES))
    assert not list(site.state.glob(f"{PREFIX}*"))


def test_too_few_patients_for_a_batch_are_told_before_anything_runs(tiny_store: TinyStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pairs"):
        rehearse(make_site(tiny_store, tmp_path), compose_config(["train.pairs=64", "out=-"]))
