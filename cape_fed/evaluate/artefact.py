"""How well a linear model tells which cohort a record comes from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.bootstrap import Draws, Sampled, bootstrap, mean
from cape_fed.evaluate.cohorts import Cohort, Rows
from cape_fed.evaluate.discriminant import fit_discriminants
from cape_fed.evaluate.moments import Moments
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.predict import Features
from cape_fed.evaluate.probe import LinearProbe
from cape_fed.evaluate.results import ArtefactProbe


def probe_artefacts(cohorts: Sequence[Cohort], features: Features, options: EvaluateOptions) -> ArtefactProbe:
    """Classify the cohort of test patients by linear discriminant analysis, its penalty chosen on validation patients.

    Between the ID cohorts with enough test patients, or between all such cohorts where fewer than two are ID. Every
    cohort has the same weight in the fit whatever its size, and the same in the balanced accuracy (mean recall), so
    that chance is 1 / cohorts. The fit needs no more than each cohort's sums, the choice no more than its recalls.
    Least squares onto indicators would not do: from three cohorts on, one between the others is never named.
    """
    enough = [
        cohort
        for cohort in cohorts
        if len(cohort.train) and _patients(cohort, cohort.tested["within"]) >= options.min_patients
    ]
    chosen = [cohort for cohort in enough if cohort.role == "id"]
    chosen = chosen if len(chosen) > 1 else enough
    if len(chosen) < 2:
        return ArtefactProbe(reason="fewer than two cohorts with enough test patients: there is nothing to tell apart")
    probe = _choose(
        fit_discriminants([_sums(features[cohort.name][cohort.train]) for cohort in chosen], options.penalties),
        [features[cohort.name][cohort.valid] for cohort in chosen],
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


def _sums(features: NDArray[np.float32]) -> Moments:
    return Moments.of(features, np.empty((len(features), 0)))


def _choose(probes: Sequence[LinearProbe], valid: Sequence[NDArray[np.float32]]) -> LinearProbe:
    """The probe of best balanced accuracy on ``valid`` by cohort; the middle one where none has records.

    Of equally good ones the one with the largest penalty.
    """
    known = [(index, features) for index, features in enumerate(valid) if len(features)]
    if not known:
        return probes[len(probes) // 2]

    def quality(probe: LinearProbe) -> tuple[float, float]:
        recalls = [_hits(probe, index, features).mean() for index, features in known]
        return float(np.mean(recalls)), probe.penalty

    return max(probes, key=quality)


def _hits(probe: LinearProbe, index: int, features: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(probe.scores(features).argmax(axis=1) == index)


def _recall(
    probe: LinearProbe, index: int, cohort: Cohort, features: NDArray[np.float32], options: EvaluateOptions
) -> Sampled:
    """Share of a cohort's test records that get its own label, with patients resampled."""
    rows = cohort.tested["within"]
    hit = _hits(probe, index, features[rows])
    _, patients = np.unique(cohort.store.patients[rows], return_inverse=True)
    records, hits = np.bincount(patients), np.bincount(patients, hit)
    draws = Draws(len(records), options.resamples, options.seed, cohort.name)
    return bootstrap({"": lambda weights: {"recall": (hits @ weights) / (records @ weights)}}, draws)[""]["recall"]


def _patients(cohort: Cohort, rows: Rows) -> int:
    return len(np.unique(cohort.store.patients[rows]))
