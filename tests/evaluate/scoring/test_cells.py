from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, roc_auc_score

from cape_fed.evaluate.cohorts import EvaluatedCohort, make_cohorts
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.prediction import Prediction, predictions_of
from cape_fed.evaluate.scoring.cells import Key, fill, make_resamples, score
from cape_fed.store.split import split_patients
from tests.evaluate.fake import make_store

OPTIONS = EvaluateOptions(resamples=30, min_patients=8)


@pytest.fixture
def cohort(tmp_path: Path) -> EvaluatedCohort:
    store = make_store(tmp_path / "a", "a", seed=0, patients=160, LBBB=[None] * 240)
    (cohort,) = make_cohorts([store], [], {"a": split_patients(store, 0)}, ["age", "AF", "sex", "LBBB"])
    return cohort


@pytest.fixture
def blocks(cohort: EvaluatedCohort) -> list[Prediction]:
    rng = np.random.default_rng(0)
    scores = {task: rng.normal(50, 10, len(cohort.tested["transfer"])) for task in ("age", "AF")}
    return list(predictions_of("m", cohort, "transfer", scores))


def test_cells_hold_the_metric_of_the_records(cohort: EvaluatedCohort, blocks: list[Prediction]) -> None:
    scored = score(blocks, make_resamples(blocks, OPTIONS), OPTIONS)
    age, af = blocks
    found = {key.task: entry.cell for key, entry in scored.items()}
    assert found["age"].point == pytest.approx(mean_absolute_error(age.target, age.score))
    assert found["AF"].point == pytest.approx(roc_auc_score(af.target, af.score))
    assert (found["age"].n_pos, found["AF"].n_pos) == (None, int(af.target.sum()))
    for cell in found.values():
        assert cell.low <= cell.point <= cell.high  # type: ignore[operator]


def test_why_there_is_no_number(cohort: EvaluatedCohort, blocks: list[Prediction]) -> None:
    strict = OPTIONS.model_copy(update={"min_patients": 1000})
    scored = score(blocks, make_resamples(blocks, strict), strict)
    few = scored[Key("a", "AF", "transfer")]
    assert (few.cell.reason, few.cell.point, few.sampled) == ("few", None, {})
    assert fill(scored, cohort, "AF", "transfer") is few
    assert fill(scored, cohort, "sex", "transfer").cell.reason == "untrained"
    assert fill(scored, cohort, "LBBB", "transfer").cell.reason == "unannotated"
