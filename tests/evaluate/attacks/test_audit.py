"""The audit of a whole bundle: an overtrained encoder gives its patients away, an untrained one does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.config import RunConfig
from cape_fed.errors import InputError
from cape_fed.evaluate.attacks.audit import audit_encoder
from cape_fed.jobs import pretrain_centrally
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.release.bundle import load_encoder, write_bundle
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.release.views import embed_views
from cape_fed.store import Store
from cape_fed.store.counts import count_store
from tests.conftest import TinyStore
from tests.pretrain.patients import patient_signals


def overtrained_store(tiny_store: TinyStore, patients: int = 220) -> Store:
    """Patients of which only a tenth will be trained on."""
    signals, owner = patient_signals(patients=patients, seed=0)
    return tiny_store("a", signals=signals, patient=[f"a{patient}" for patient in owner])


def config_of(root: Path, steps: int) -> RunConfig:
    return RunConfig.model_validate(
        {
            "model": "tiny",
            "split": {"valid": 0.1, "test": 0.8},
            "train": {"pairs": 16, "steps": steps, "learning_rate": 2e-3, "monitor_every": 1000},
            "augment": {"crop": 0.9, "noise_mv": 0.0, "lead_mask": 0.0, "time_mask": 0.0},
            "data": {"train": [root / "a"]},
            "out": root / "run",
        }
    )


@pytest.mark.slow
def test_an_overtrained_encoder_gives_its_patients_away_and_an_untrained_one_does_not(
    tiny_store: TinyStore, tmp_path: Path, one_thread: None
) -> None:
    store = overtrained_store(tiny_store)
    pretrain_centrally(config_of(tmp_path, steps=300), lambda done, total, line: None)
    bundle = tmp_path / "run" / "bundle"
    encoder = load_encoder(bundle)
    fresh = PretrainedEncoder(build_encoder(encoder.encoder.config, 5), store.profile, encoder.provenance)
    # One audit of 22 members is a coin thrown 22 times, and rounding differs between processors: so five are pooled.
    overtrained, untrained = (
        [audit_encoder(bundle, tried, [store], 500, 6, seed) for seed in range(5)] for tried in (encoder, fresh)
    )
    assert {(found.members, found.others) for found in overtrained} == {(22, 176)}
    for attack in ("similarity", "embedding"):
        assert np.mean([getattr(found, attack).rate for found in overtrained]) > 0.12
        assert np.mean([getattr(found, attack).rate for found in untrained]) < 0.08
        assert max(getattr(found, attack).low for found in overtrained) > 0.02
        assert max(getattr(found, attack).low for found in untrained) <= 0.01


@pytest.fixture
def bundle(tiny_store: TinyStore, tmp_path: Path, one_thread: None) -> Path:
    """A bundle of new weights that says it was trained on a cohort of 24 patients."""
    store = tiny_store("a", patients=24)
    provenance = config_of(tmp_path, 1).provenance("central idb", {"a": count_store(store)})
    write_bundle(
        tmp_path / "bundle", build_encoder(config_of(tmp_path, 1).encoder_config, 0), store.profile, provenance
    )
    return tmp_path / "bundle"


def test_a_cohort_that_was_not_trained_on_has_no_members(bundle: Path, tiny_store: TinyStore) -> None:
    with pytest.raises(InputError, match="was not trained on b: it has no members there"):
        audit_encoder(bundle, load_encoder(bundle), [tiny_store("b")], 100, 2, 0)


def test_too_few_held_out_patients_are_refused(bundle: Path, tmp_path: Path) -> None:
    from cape_fed.store.store import open_store

    with pytest.raises(InputError, match=r"members and \d+ patients who are none"):
        audit_encoder(bundle, load_encoder(bundle), [open_store(tmp_path / "a")], 100, 2, 0)


def test_views_are_of_each_patients_own_records_in_turn(bundle: Path, tmp_path: Path) -> None:
    """Without any augmentation the views are the records' embeddings."""
    from cape_fed.store.store import open_store

    store, encoder = open_store(tmp_path / "a"), load_encoder(bundle)
    still = dict.fromkeys(("gain", "noise_mv", "wander_mv", "mains_mv", "lead_mask", "time_mask"), 0.0)
    described = encoder.provenance.model_copy(update={"config": {"augment": {**still, "crop": 1.0}}})
    patients, rows = np.array([3, 7]), np.arange(len(store))
    views = embed_views(PretrainedEncoder(encoder.encoder, encoder.profile, described), store, patients, rows, 4, 0)
    assert views.shape == (2, 4, 160)
    for patient, made in zip(patients, views, strict=True):
        own = np.resize(np.flatnonzero(store.patients == patient), 4)
        expected = encoder.embed_rows(store.gather(own), store.valid[own])
        np.testing.assert_allclose(made, expected, atol=1e-4)
