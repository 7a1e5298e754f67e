"""A kept classifier on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from cape_fed.errors import InputError
from cape_fed.release.bundle import amend_bundle, load_encoder
from cape_fed.release.embed import embed_store
from cape_fed.release.protection import NOTHING, Protection, SiteProtection
from cape_fed.release.seen import check_unseen, split_of_run
from cape_fed.release.start import load_start
from cape_fed.store.counts import CohortCounts, count_store
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


def test_a_classifier_of_a_private_encoder_is_not_private(
    bundle: Path, make_labelled: MakeLabelled, configure: Configure
) -> None:
    """Labels are learnt without noise, so that whoever they are of has no ε left, whatever the encoder had cost."""
    store = make_labelled("a", 1, fold=fold_of(make_labelled("b", 1)))
    cost = SiteProtection(
        patients=10, noise_multiplier=1, sample_rate=0.1, steps=3, delta=1e-5, epsilon=2, epsilon_prv=1
    )
    private = Protection(block=4, clip=1, views=1, sites={"central": cost})
    counts = {"a": count_store(store), "elsewhere": CohortCounts(records=9, patients=9)}
    amend_bundle(bundle, lambda known: known.model_copy(update={"privacy": private, "cohorts": counts}))
    tune(bundle, configure("finetune.save=true", "finetune.fractions=[1.0]"))
    kept = configure().out / "cells" / "full-1-0" / "bundle"
    described = load_encoder(kept).provenance
    assert described.privacy is None
    assert described.unprotected == described.cohorts == {"a": count_store(store)}
    assert f"| privacy | {NOTHING} |" in (kept / "README.md").read_text()
    start = load_start(kept, load_encoder(kept).encoder.config)
    assert start is not None
    with pytest.raises(InputError, match="was trained on hospital/a without differential privacy"):
        start.check_unseen({"hospital/a": CohortCounts(records=1, patients=1)})
    start.check_unseen({"elsewhere": CohortCounts(records=9, patients=9)})
    with pytest.raises(InputError, match="began with an encoder that was trained on elsewhere"):
        check_unseen(kept, load_encoder(kept), [make_labelled("elsewhere", 2)])
