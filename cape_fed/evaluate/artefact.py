"""How well a linear model tells which cohort a record comes from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.bootstrap import Sampled, mean, resample_patients
from cape_fed.evaluate.cohorts import Cohort, Rows
from cape_fed.evaluate.moments import Moments
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.predict import Features
from cape_fed.evaluate.probe import LinearProbe, choose_ridge
from cape_fed.evaluate.results import ArtefactProbe


def probe_artefacts(cohorts: Sequence[Cohort], features: Features, options: EvaluateOptions) -> ArtefactProbe:
    """Classify the cohort of test patients by ridge regression onto one indicator a cohort, the largest score winning.

    Between the ID cohorts with enough test patients, or between all such cohorts where fewer than two are ID. Every
    cohort has the same weight in the fit whatever its size, and the same in the balanced accuracy (mean recall), so
    that chance is 1 / cohorts. The fit needs no more than each cohort's sums.
    """
    enough = [cohort for cohort in cohorts if _patients(cohort, cohort.tested["within"]) >= options.min_patients]
    chosen = [cohort for cohort in enough if cohort.role == "id"]
    chosen = chosen if len(chosen) > 1 else enough
    if len(chosen) < 2:
        return ArtefactProbe(reason="fewer than two cohorts with enough test patients: there is nothing to tell apart")
    probe = choose_ridge(
        _balanced([(features[cohort.name], cohort.train) for cohort in chosen]),
        _balanced([(features[cohort.name], cohort.valid) for cohort in chosen]),
        options.penalties,
    )
    recalls = [_recall(probe, index, cohort, features[cohort.name], options) for index, cohort in enumerate(chosen)]
    accuracy = mean(recalls)
    low, high = accuracy.interval(options.level)
    names = [cohort.name for cohort in chosen]
    return ArtefactProbe(
        point=accuracy.point,
        low=low,
        high=high,
        chance=1 / len(chosen),
        cohorts=names,
        recall={name: recall.point for name, recall in zip(names, recalls, strict=True)},
        n=sum(len(cohort.tested["within"]) for cohort in chosen),
        patients=sum(_patients(cohort, cohort.tested["within"]) for cohort in chosen),
    )


def _balanced(parts: Sequence[tuple[NDArray[np.float32], Rows]]) -> Moments:
    """Moments of all cohorts with indicators as targets, all cohorts weighing the same."""
    moments = []
    for index, (features, rows) in enumerate(parts):
        indicator = np.zeros((len(rows), len(parts)))
        indicator[:, index] = 1
        moments.append(Moments.of(features[rows], indicator) * (1 / max(len(rows), 1)))
    return reduce(add, moments)


def _recall(
    probe: LinearProbe, index: int, cohort: Cohort, features: NDArray[np.float32], options: EvaluateOptions
) -> Sampled:
    """Share of a cohort's test records that get its own label, with patients resampled."""
    rows = cohort.tested["within"]
    hit = probe.scores(features[rows]).argmax(axis=1) == index
    _, patients = np.unique(cohort.store.patients[rows], return_inverse=True)
    records, hits = np.bincount(patients), np.bincount(patients, hit)
    counts = resample_patients(len(records), options.resamples, options.seed, cohort.name)
    return Sampled(float(hit.mean()), (hits @ counts) / (records @ counts))


def _patients(cohort: Cohort, rows: Rows) -> int:
    return len(np.unique(cohort.store.patients[rows]))
