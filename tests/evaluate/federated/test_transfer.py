"""Probes and validation scores from the sums of several sites."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import r2_score

from cape_fed.evaluate.federated.transfer import fit_transfer, validation_score
from cape_fed.evaluate.probes.sums import add_sums
from tests.evaluate.federated.sites import OPTIONS, Both


def test_probes_need_patients_from_all_sites_together(both: Both) -> None:
    sums = [site.sums() for site in both.train]
    strength = {task: material.support.strength(task) for task, material in add_sums(sums).items()}
    options = OPTIONS.model_copy(update={"min_patients": strength["LBBB"]})
    assert set(fit_transfer(sums, options)) == {task for task, value in strength.items() if value >= strength["LBBB"]}


def test_validation_score_is_r2_on_the_validation_records(both: Both) -> None:
    sums = [site.sums() for site in both.train]
    probes = fit_transfer(sums, OPTIONS)
    scores = validation_score(sums, probes)
    assert set(scores) == {"age", "sex", "AF", "LBBB", "RBBB"}
    for task, value in scores.items():
        known = []
        for site in both.train:
            for cohort in site.cohorts:
                if task in cohort.targets:
                    rows = cohort.valid[np.isfinite(cohort.targets[task][cohort.valid])]
                    score = probes[task].scores(site.features[cohort.name][rows])[:, 0]
                    known.append((cohort.targets[task][rows], score))
        assert value == pytest.approx(r2_score(*(np.concatenate(part) for part in zip(*known, strict=True))))
    assert validation_score(sums, {"sex": probes["sex"]}).keys() == {"sex"}


def test_there_is_no_validation_score_without_validation_patients(both: Both) -> None:
    sums = both.train[1].sums(minimum=60)
    assert {task for task, material in sums.items() if not material.valid.n} == set(sums)
    probes = fit_transfer([sums], OPTIONS)
    assert set(probes) == set(sums) != set()
    assert validation_score([sums], probes) == {}
