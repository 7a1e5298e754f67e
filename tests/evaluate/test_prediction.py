from __future__ import annotations

from pathlib import Path

import numpy as np

from cape_fed.evaluate.cohorts import make_cohorts
from cape_fed.evaluate.prediction import predictions_of
from cape_fed.store.split import split_patients
from tests.evaluate.fake import make_store


def test_scores_are_paired_with_annotated_records(tmp_path: Path) -> None:
    lbbb = [None if row % 3 == 0 else row % 2 == 0 for row in range(90)]
    store = make_store(tmp_path / "a", "a", seed=0, patients=60, LBBB=lbbb, AF=[None] * 90)
    (cohort,) = make_cohorts([store], [], {"a": split_patients(store, 0)}, ["LBBB", "AF"])
    tested = cohort.tested["within"]
    scores = np.arange(len(tested), dtype=float)
    (block,) = predictions_of("m", cohort, "within", {"LBBB": scores, "AF": scores})
    expected = [(row, score) for row, score in zip(tested, scores, strict=True) if row % 3]
    assert list(zip(block.rows, block.score, strict=True)) == expected
    assert block.target.tolist() == [float(row % 2 == 0) for row, _ in expected]
    assert block.patients.tolist() == store.patients[block.rows].tolist()
    assert (block.method, block.cohort, block.task, block.probe) == ("m", "a", "LBBB", "within")
