from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cape_fed.errors import InputError
from cape_fed.evaluate.cohorts import EvaluatedCohort, make_cohorts
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes import trees
from cape_fed.evaluate.probes.fit import fit
from cape_fed.evaluate.probes.predict import predict
from cape_fed.evaluate.probes.representation import Representation, filled
from cape_fed.evaluate.probes.trees import TreeProbe, fit_trees
from cape_fed.evaluate.statistics.metrics import ranking_metrics
from cape_fed.store import Store
from cape_fed.store.split import Split, split_patients
from tests.evaluate.fake import make_store

OPTIONS = EvaluateOptions(min_patients=8)


def describe(store: Store) -> NDArray[np.float32]:
    """A column that is high and low for AF, one that is missing for many women, and noise."""
    rng = np.random.default_rng(len(store))
    af, sex = (np.nan_to_num(store.label(name)) for name in ("AF", "sex"))
    outside = np.where(af > 0, rng.choice([-2.0, 2.0], len(store)), 0.0) + rng.normal(0, 0.3, len(store))
    missing = np.where((sex > 0) & (rng.random(len(store)) < 0.8), np.nan, rng.normal(0, 1, len(store)))
    return np.column_stack([outside, missing, rng.normal(0, 1, (len(store), 3))]).astype(np.float32)


METHOD = Representation("measured", describe, learner="trees")


@pytest.fixture
def cohorts(tmp_path: Path) -> list[EvaluatedCohort]:
    stores = [make_store(tmp_path / name, name, seed=seed, patients=240) for seed, name in enumerate("abc")]
    splits = {store.cohort: split_patients(store, 0) for store in stores}
    return make_cohorts(stores[:2], stores[2:], splits, ["age", "sex", "AF"])


def auroc(cohorts: list[EvaluatedCohort], task: str, probe: str) -> float:
    features = METHOD.embed_cohorts(cohorts)
    (block,) = [
        block
        for block in predict(METHOD, cohorts, features, OPTIONS)
        if (block.cohort, block.task, block.probe) == ("c", task, probe)
    ]
    records = np.arange(len(block.target))
    return float(ranking_metrics(block.target, block.score, records, np.ones((len(records), 1)))["auroc"][0])


def test_what_no_line_separates_and_what_is_missing_is_learnt(cohorts: list[EvaluatedCohort]) -> None:
    assert auroc(cohorts, "AF", "transfer") > 0.95
    assert auroc(cohorts, "AF", "within") > 0.9
    assert auroc(cohorts, "sex", "transfer") > 0.75  # by nothing but that a value is missing


def test_the_same_records_are_predicted_as_by_a_linear_probe(cohorts: list[EvaluatedCohort]) -> None:
    linear = Representation("linear", lambda store: np.nan_to_num(describe(store)))
    rows = {
        method.name: {
            (block.cohort, block.task, block.probe): block.rows.tolist()
            for block in predict(method, cohorts, method.embed_cohorts(cohorts), OPTIONS)
        }
        for method in (METHOD, linear)
    }
    assert rows["measured"] == rows["linear"]


def test_nobody_who_is_tested_is_learnt_from(cohorts: list[EvaluatedCohort]) -> None:
    features = METHOD.embed_cohorts(cohorts)
    probes = fit(METHOD, cohorts, features, OPTIONS)
    assert all(isinstance(probe, TreeProbe) for probe in probes.transfer.values())
    changed = {name: array.copy() for name, array in features.items()}
    for cohort in cohorts:
        changed[cohort.name][cohort.tested["within"]] = 99.0
    again = fit(METHOD, cohorts, changed, OPTIONS)
    for task, probe in probes.transfer.items():
        assert np.array_equal(probe.predict(features["c"]), again.transfer[task].predict(features["c"])), task


def test_the_validation_patients_say_how_many_trees_there_are(cohorts: list[EvaluatedCohort]) -> None:
    features = METHOD.embed_cohorts(cohorts)
    noise = {name: np.random.default_rng(0).normal(size=array.shape) for name, array in features.items()}
    told = fit_trees(cohorts[:2], features, OPTIONS)["AF"].model.n_iter_
    assert fit_trees(cohorts[:2], noise, OPTIONS)["AF"].model.n_iter_ < told


def test_without_validation_patients_and_with_few_patients(tmp_path: Path) -> None:
    store = make_store(tmp_path / "a", "a", seed=0, patients=60)
    everyone = np.arange(len(store))
    split = Split(everyone[:50], everyone[:0], everyone[50:])
    cohorts = make_cohorts([store], [], {"a": split}, ["age", "sex", "AF"])
    features = METHOD.embed_cohorts(cohorts)
    assert fit_trees(cohorts, features, OPTIONS).keys() == {"age", "sex", "AF"}
    assert fit_trees(cohorts, features, OPTIONS.model_copy(update={"min_patients": 40})).keys() == {"age"}
    assert len(fit_trees(cohorts, features, OPTIONS)["age"].predict(features["a"][:0])) == 0


def test_infinity_is_refused_and_nan_is_not(tmp_path: Path) -> None:
    store = make_store(tmp_path / "a", "a", seed=0, patients=10)
    assert np.isnan(METHOD.features(store)).any()
    with pytest.raises(InputError, match="as NaN or infinity"):
        Representation("measured", lambda s: np.full((len(s), 2), np.inf, np.float32), learner="trees").features(store)
    with pytest.raises(InputError, match="as NaN or infinity"):
        Representation("encoder", describe).features(store)


def test_medians_of_the_train_records_take_the_place_of_what_is_missing(cohorts: list[EvaluatedCohort]) -> None:
    features = dict(METHOD.embed_cohorts(cohorts))
    features["c"][:, 4] = features["a"][:, 4] = features["b"][:, 4] = np.nan
    dense = filled(cohorts, features)
    train = np.concatenate([features[cohort.name][cohort.train, 1] for cohort in cohorts])
    gaps = np.isnan(features["c"][:, 1])
    assert np.allclose(dense["c"][gaps, 1], np.nanmedian(train))
    assert np.array_equal(dense["c"][~gaps, :4], features["c"][~gaps, :4])
    assert (dense["c"][:, 4] == 0).all()
    assert filled(cohorts, dense) is dense


def test_a_column_that_no_train_record_has_is_no_hindrance() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 3))
    targets = (features[:, 0] > 0).astype(float)
    features[:, 1] = np.nan
    seen = trees._fit("AF", (features[:150], targets[:150]), (features[150:], targets[150:]), 0)
    unseen = features[150:].copy()
    unseen[:, 1] = 7.0  # a value in a column that was never learnt from
    assert ((seen.predict(features[150:]) > 0) == targets[150:]).mean() > 0.9
    assert np.array_equal(seen.predict(unseen), seen.predict(features[150:]))
