"""Which patients are tested: never those on whom the encoder was pretrained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.errors import InputError
from cape_fed.evaluate.files.predictions import read_predictions
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.release.bundle import write_bundle
from cape_fed.release.provenance import Provenance
from cape_fed.store.counts import count_store
from cape_fed.store.split import save_split, split_patients
from tests.finetune.conftest import SMALL, Configure, MakeLabelled
from tests.finetune.runs import fold_of, tune

pytestmark = pytest.mark.usefixtures("one_thread")


def test_folds_where_the_archive_recommends_them(
    bundle: Path, make_labelled: MakeLabelled, configure: Configure
) -> None:
    fold = fold_of(make_labelled("b", 1))
    store = make_labelled("a", 1, fold=fold)
    results = tune(bundle, configure("finetune.fractions=[1.0]"))
    cohort = results.cohorts["a"]
    assert (cohort.train, cohort.valid, cohort.test) == (48, 6, 6)
    assert "folds: 9 validation, 10 test" in cohort.split
    for block in read_predictions(configure().out / "predictions.parquet"):
        assert set(np.array(fold)[block.rows]) == {10}
    by_patient = tune(bundle, configure("finetune.split=patients", "finetune.fractions=[1.0]", out="seeded"))
    assert by_patient.cohorts["a"].test == len(np.unique(store.patients[split_patients(store, 0).test]))


def test_nobody_is_tested_whom_the_encoder_has_seen(
    tmp_path: Path, make_labelled: MakeLabelled, configure: Configure
) -> None:
    """The encoder was pretrained on the cohort: its own split counts, whatever the folds and the seed say."""
    fold = fold_of(make_labelled("b", 1))
    store = make_labelled("a", 1, fold=fold)
    path = tmp_path / "run" / "bundle"
    write_bundle(path, build_encoder(SMALL, 0), store.profile, Provenance(cohorts={"a": count_store(store)}))
    kept = split_patients(store, 5, (0.5, 0.25, 0.25))
    save_split(tmp_path / "run" / "splits" / "a.parquet", store, kept)
    results = tune(path, configure("finetune.fractions=[1.0]"))
    assert results.cohorts["a"].split == "as in pretraining, which had this cohort"
    for block in read_predictions(configure().out / "predictions.parquet"):
        assert np.isin(block.rows, kept.test).all()
    with pytest.raises(InputError, match="was pretrained on a"):
        tune(path, configure("finetune.split=folds", out="by-fold"))
    other = make_labelled("o", 2)
    seen = [f"data.train=[{other.path}]", f"data.evaluate=[{store.path}]"]
    with pytest.raises(InputError, match="was trained on a: not OOD"):
        tune(path, configure(*seen, out="as-ood"))
