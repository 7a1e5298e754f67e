"""Subgroups are the metric on the records in them; gaps are the best minus the worst in every resample."""

from __future__ import annotations

import pytest
from sklearn.metrics import mean_absolute_error, roc_auc_score

from cape_fed.evaluate.cohorts import EvaluatedCohort, make_cohorts
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.prediction import Prediction
from cape_fed.evaluate.probes.predict import predict
from cape_fed.evaluate.probes.representation import Representation
from cape_fed.evaluate.scoring.cells import make_resamples
from cape_fed.evaluate.scoring.subgroups import BANDS, groups_of, score_subgroups
from cape_fed.store.split import split_patients
from tests.evaluate.fake import embedding, make_store

OPTIONS = EvaluateOptions(resamples=60, min_patients=10)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[EvaluatedCohort], list[Prediction]]:
    folder = tmp_path_factory.mktemp("stores")
    stores = [make_store(folder / name, name, seed=seed, patients=300) for seed, name in enumerate("ab")]
    splits = {store.cohort: split_patients(store, 0) for store in stores}
    cohorts = make_cohorts(stores[:1], stores[1:], splits, ["age", "sex", "AF"])
    method = Representation("m", embedding(knows=1.0))
    return cohorts, predict(method, cohorts, {c.name: method.features(c.store) for c in cohorts}, OPTIONS)


def test_points_are_those_of_the_records_in_the_subgroup(
    evaluated: tuple[list[EvaluatedCohort], list[Prediction]],
) -> None:
    cohorts, predictions = evaluated
    subgroups, _ = score_subgroups(predictions, cohorts, make_resamples(predictions, OPTIONS), OPTIONS)
    assert {entry.by for entry in subgroups} == {"sex", "age", "sex and age"}
    blocks = {(b.cohort, b.task): b for b in predictions if b.probe == "transfer"}
    stores = {cohort.name: cohort.store for cohort in cohorts}
    for entry in subgroups:
        block = blocks[entry.cohort, entry.task]
        own = groups_of(stores[entry.cohort])[entry.by][block.rows] == entry.group
        metric = mean_absolute_error if entry.task == "age" else roc_auc_score
        assert entry.point == pytest.approx(metric(block.target[own], block.score[own]))
        assert entry.n == own.sum()
        assert entry.low <= entry.point <= entry.high  # type: ignore[operator]


def test_a_task_is_not_looked_at_by_itself(evaluated: tuple[list[EvaluatedCohort], list[Prediction]]) -> None:
    cohorts, predictions = evaluated
    subgroups, gaps = score_subgroups(predictions, cohorts, make_resamples(predictions, OPTIONS), OPTIONS)
    assert {entry.by for entry in subgroups if entry.task == "sex"} == {"age"}
    assert {entry.by for entry in gaps if entry.task == "age"} == {"sex"}


def test_gaps(evaluated: tuple[list[EvaluatedCohort], list[Prediction]]) -> None:
    cohorts, predictions = evaluated
    subgroups, gaps = score_subgroups(predictions, cohorts, make_resamples(predictions, OPTIONS), OPTIONS)
    for gap in gaps:
        points = [s.point for s in subgroups if (s.cohort, s.task, s.by) == (gap.cohort, gap.task, gap.by)]
        assert len(points) == gap.groups > 1
        assert gap.point == pytest.approx(max(points) - min(points))  # type: ignore[type-var, operator]
        assert gap.low >= 0  # type: ignore[operator]


def test_nobody_is_in_two_bands_or_lost(evaluated: tuple[list[EvaluatedCohort], list[Prediction]]) -> None:
    store = evaluated[0][0].store
    names = groups_of(store)
    age = store.label("age")
    for low, high, name in BANDS:
        assert ((names["age"] == name) == ((age >= low) & (age < high))).all()
    assert (names["sex and age"] != "").all()
