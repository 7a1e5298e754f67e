"""A kept classifier on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from cape_fed.release.bundle import load_encoder
from cape_fed.release.embed import embed_store
from cape_fed.release.seen import split_of_run
from cape_fed.store.counts import count_store
from tests.finetune.conftest import Configure, MakeLabelled
from tests.finetune.runs import fold_of, outputs_of, tune

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_kept_classifier_says_what_was_tested(
    bundle: Path, make_labelled: MakeLabelled, configure: Configure, tmp_path: Path
) -> None:
    store = make_labelled("a", 1, fold=fold_of(make_labelled("b", 1)))
    results = tune(bundle, configure("finetune.save=true", "finetune.fractions=[1.0]"))
    kept = configure().out / "cells" / "full-1-0"
    encoder = load_encoder(kept / "bundle")
    with safe_open(kept / "head.safetensors", "np") as file:
        assert json.loads(file.metadata()["tasks"]) == results.tasks
        weight, bias = file.get_tensor("weight"), file.get_tensor("bias")
    tested = np.flatnonzero(store.folds == 10)
    logits = embed_store(encoder, store, tested) @ weight.T + bias
    assert np.allclose(logits, outputs_of(configure().out)["full-1-0/a"], atol=1e-4)
    # An evaluation takes it for trained on the cohort, and tests the same patients.
    assert encoder.provenance.cohorts == {"a": count_store(store)}
    assert split_of_run(kept / "bundle", encoder, store).test.tolist() == tested.tolist()
