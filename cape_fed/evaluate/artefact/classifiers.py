"""Classifiers that name the cohort of a record from its features."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.artefact.discriminant import fit_discriminants
from cape_fed.evaluate.artefact.sides import Side
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.moments import Moments
from cape_fed.evaluate.probes.representation import Features
from cape_fed.evaluate.probes.ridge import LinearProbe
from cape_fed.seeds import derive_rng

NEIGHBOURS = 15
MOST_NEIGHBOURS = 2000
"""Training records of a cohort among which neighbours are searched."""

NameCohort = Callable[[NDArray[np.float32]], NDArray[np.intp]]
"""From features ``[n, D]`` to the number of the cohort ``[n]`` that each record is taken for."""
Fit = Callable[[Sequence[Side], Features, EvaluateOptions], NameCohort]
"""Fits a classifier on the training and validation records of the cohorts."""


def fit_linear(sides: Sequence[Side], features: Features, options: EvaluateOptions) -> NameCohort:
    """Linear discriminant analysis, its penalty chosen on validation patients.

    The fit needs only each cohort's sums, the choice only its recalls. Least squares onto indicators would not do: from
    three cohorts on, a cohort that lies between the others is never named.
    """
    sums = [_sums(features[side.name][side.train]) for side in sides]
    probes = fit_discriminants(sums, options.penalties)
    probe = _choose(probes, [features[side.name][side.valid] for side in sides])
    return lambda tested: probe.scores(tested).argmax(axis=1)


def fit_neighbours(sides: Sequence[Side], features: Features, options: EvaluateOptions) -> NameCohort:
    """Majority of the nearest training records by Euclidean distance of standardised features, as many of each cohort.

    No test patient has a record among them, because the split is by patient.
    """
    from sklearn.neighbors import KNeighborsClassifier  # takes a second to import, which other commands are spared

    count = min(MOST_NEIGHBOURS, min(len(side.train) for side in sides))
    drawn = [
        features[side.name][derive_rng(options.seed, "neighbours", side.name).permutation(side.train)[:count]]
        for side in sides
    ]
    known = np.concatenate(drawn).astype(np.float64)
    centre, spread = known.mean(axis=0), known.std(axis=0)
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
    model = KNeighborsClassifier(min(NEIGHBOURS, len(known)))
    model.fit((known - centre) * scale, np.repeat(np.arange(len(sides)), count))
    return lambda tested: np.asarray(model.predict((tested - centre) * scale) if len(tested) else [], np.intp)


def _sums(features: NDArray[np.float32]) -> Moments:
    return Moments.of(features, np.empty((len(features), 0)))


def _choose(probes: Sequence[LinearProbe], valid: Sequence[NDArray[np.float32]]) -> LinearProbe:
    """The probe of best balanced accuracy on ``valid`` by cohort; the middle one where no cohort has records.

    Of equally good probes the one with the largest penalty.
    """
    known = [(index, features) for index, features in enumerate(valid) if len(features)]
    if not known:
        return probes[len(probes) // 2]

    def quality(probe: LinearProbe) -> tuple[float, float]:
        recalls = [(probe.scores(features).argmax(axis=1) == index).mean() for index, features in known]
        return float(np.mean(recalls)), probe.penalty

    return max(probes, key=quality)
