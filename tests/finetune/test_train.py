from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from cape_fed.errors import RunError
from cape_fed.evaluate.cohorts import EvaluatedCohort, make_cohorts
from cape_fed.finetune.classifier import Classifier
from cape_fed.finetune.labelled import labelled
from cape_fed.finetune.objective import BinaryObjective
from cape_fed.finetune.train import Choice, fit, predict
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.store.split import split_patients
from tests.finetune.conftest import SMALL, Configure, MakeLabelled, settings_of

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def cohort(make_labelled: MakeLabelled) -> EvaluatedCohort:
    store = make_labelled("a", 1)
    (cohort,) = make_cohorts([store], [], {"a": split_patients(store, 0)}, ["AF"])
    return cohort


def tuned(cohort: EvaluatedCohort, configure: Configure, mode: str, *overrides: str) -> tuple[Classifier, Choice]:
    classifier = Classifier(build_encoder(SMALL, 3), 1)
    parts = [labelled([cohort], part, ["AF"]) for part in ("train", "valid")]  # type: ignore[arg-type]
    settings = settings_of(configure(*overrides))
    return classifier, fit(classifier, mode, *parts, BinaryObjective(), cohort.store.profile, settings, seed=7)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["linear", "full", "decayed", "scratch"])
def test_learns_what_can_be_seen(cohort: EvaluatedCohort, configure: Configure, mode: str) -> None:
    settings = ("finetune.steps=60", "finetune.batch=32", "finetune.check_every=10")
    classifier, _ = tuned(cohort, configure, mode, *settings)
    test = cohort.tested["transfer"]
    logits = predict(classifier, cohort.store.profile, cohort.store, test)
    assert roc_auc_score(cohort.targets["AF"][test], logits[:, 0]) > 0.9
    unchanged = [
        torch.equal(value, classifier.encoder.state_dict()[name])
        for name, value in build_encoder(SMALL, 3).state_dict().items()
    ]
    assert all(unchanged) if mode == "linear" else not any(unchanged)


def test_the_linear_mode_leaves_an_encoder_with_running_statistics_as_it_is(
    cohort: EvaluatedCohort, configure: Configure
) -> None:
    classifier = Classifier(build_encoder(SMALL.model_copy(update={"norm": "batch"}), 3), 1)
    before = {name: value.clone() for name, value in classifier.encoder.state_dict().items()}
    parts = [labelled([cohort], part, ["AF"]) for part in ("train", "valid")]  # type: ignore[arg-type]
    choice = fit(
        classifier, "linear", *parts, BinaryObjective(), cohort.store.profile, settings_of(configure()), seed=7
    )  # fmt: skip
    assert all(torch.equal(value, before[name]) for name, value in classifier.encoder.state_dict().items())
    assert (choice.learning_rate, choice.step) == (None, None)
    assert classifier.head.weight.abs().max() > 0


def test_is_left_at_the_moment_chosen(cohort: EvaluatedCohort, configure: Configure) -> None:
    classifier, choice = tuned(cohort, configure, "full", "finetune.steps=12", "finetune.check_every=2")
    logits = predict(classifier, cohort.store.profile, cohort.store, cohort.valid)
    assert BinaryObjective().score(cohort.targets["AF"][cohort.valid][:, None], logits) == choice.score


def test_the_best_learning_rate_is_kept_wherever_it_stands(cohort: EvaluatedCohort, configure: Configure) -> None:
    """1e-9 learns nothing in six steps."""
    found = [
        tuned(cohort, configure, "full", f"finetune.learning_rates=[{rates}]") for rates in ("1e-9,0.05", "0.05,1e-9")
    ]
    assert [choice.learning_rate for _, choice in found] == [0.05, 0.05]
    (one, _), (other, _) = found
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_without_both_classes_the_loss_chooses(cohort: EvaluatedCohort, configure: Configure) -> None:
    cohort.targets["AF"][cohort.valid] = 1.0
    _, choice = tuned(cohort, configure, "full")
    assert np.isnan(choice.score)
    assert choice.better_than(replace(choice, loss=choice.loss + 1e-3))


def test_a_rate_that_diverges_is_left(cohort: EvaluatedCohort, configure: Configure) -> None:
    _, choice = tuned(cohort, configure, "full", "finetune.learning_rates=[1e30,0.01]")
    assert choice.learning_rate == 0.01
    with pytest.raises(RunError, match=r"lower finetune\.learning_rates"):
        tuned(cohort, configure, "full", "finetune.learning_rates=[1e30]")
