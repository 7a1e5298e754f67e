"""How well the cohort of a record can be named from a representation of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.artefact.classifiers import Fit, fit_linear, fit_neighbours
from cape_fed.evaluate.artefact.sides import Side, Sides, choose_sides
from cape_fed.evaluate.cohorts import EvaluatedCohort
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.representation import Features
from cape_fed.evaluate.results import ArtefactProbe, Estimate
from cape_fed.evaluate.statistics.bootstrap import Draws, Sampled, bootstrap, mean

LINEAR, NEAREST, MATCHED, MATCHED_NEAREST = "linear", "neighbours", "matched", "matched_neighbours"
METRIC = "balanced_accuracy"


def probe_artefacts(cohorts: Sequence[EvaluatedCohort], features: Features, options: EvaluateOptions) -> ArtefactProbe:
    """Name the cohort of test patients by a linear discriminant and by nearest neighbours, of all and of matched ones.

    Between the ID cohorts with enough test patients, or between all such cohorts where fewer than two are ID.
    """
    sides = choose_sides(cohorts, options)
    if not sides.all:
        return ArtefactProbe(reason="fewer than two cohorts with enough test patients: there is nothing to tell apart")
    recalls = _recalls(sides.all, features, fit_linear, options)
    accuracy = mean(list(recalls.values()))
    low, high = accuracy.interval(options.level)
    others = {
        name: Estimate.of(METRIC, _accuracy(chosen, features, fit, options), options.level)
        for name, (chosen, fit) in _probes(sides).items()
        if name != LINEAR
    }
    return ArtefactProbe(
        point=accuracy.point,
        low=low,
        high=high,
        chance=1 / len(sides.all),
        cohorts=list(recalls),
        recall={name: recall.point for name, recall in recalls.items()},
        n=sum(len(side.test) for side in sides.all),
        patients=sum(side.patients for side in sides.all),
        **others,
    )


def cohort_accuracies(
    cohorts: Sequence[EvaluatedCohort], features: Features, options: EvaluateOptions
) -> dict[str, Sampled]:
    """Balanced accuracies of naming the cohort, by probe: `LINEAR`, `NEAREST`, and both on matched records.

    Every cohort has the same weight in a fit whatever its size, and in the balanced accuracy (mean recall), so that
    chance is 1 / cohorts. Matched records are alike in age, sex and illness (see `match`), in training and in test:
    what distinguishes them is not that cohorts have other patients. Empty for fewer than two cohorts with enough test
    patients; the matched probes are missing where too few patients match.
    """
    return _accuracies(choose_sides(cohorts, options), features, options)


def projection_accuracies(
    cohorts: Sequence[EvaluatedCohort], projections: Mapping[str, Features], options: EvaluateOptions
) -> dict[str, Sampled]:
    """`cohort_accuracies` of the projections that heads make of the embeddings, mean over heads; empty without a head.

    The head of each site is applied to the records of all cohorts: if every cohort had a head of its own, the head
    would give the cohort away.
    """
    if not projections:
        return {}
    sides = choose_sides(cohorts, options)
    found = [_accuracies(sides, features, options) for features in projections.values()]
    return {name: mean([one[name] for one in found]) for name in found[0]}


def _accuracies(sides: Sides, features: Features, options: EvaluateOptions) -> dict[str, Sampled]:
    return {name: _accuracy(chosen, features, fit, options) for name, (chosen, fit) in _probes(sides).items()}


def _probes(sides: Sides) -> dict[str, tuple[Sequence[Side], Fit]]:
    """Every probe for which there are enough patients: on which records, by which classifier."""
    probes: dict[str, tuple[Sequence[Side], Fit]] = {}
    if sides.all:
        probes |= {LINEAR: (sides.all, fit_linear), NEAREST: (sides.all, fit_neighbours)}
    if sides.matched:
        probes |= {MATCHED: (sides.matched, fit_linear), MATCHED_NEAREST: (sides.matched, fit_neighbours)}
    return probes


def _accuracy(sides: Sequence[Side], features: Features, fit: Fit, options: EvaluateOptions) -> Sampled:
    return mean(list(_recalls(sides, features, fit, options).values()))


def _recalls(sides: Sequence[Side], features: Features, fit: Fit, options: EvaluateOptions) -> dict[str, Sampled]:
    """By cohort, the share of its test records that are given its name, with patients resampled."""
    name_cohort = fit(sides, features, options)
    return {
        side.name: _resampled(name_cohort(features[side.name][side.test]) == index, side, options)
        for index, side in enumerate(sides)
    }


def _resampled(hit: NDArray[np.bool_], side: Side, options: EvaluateOptions) -> Sampled:
    _, patients = np.unique(side.cohort.store.patients[side.test], return_inverse=True)
    records, hits = np.bincount(patients), np.bincount(patients, hit)
    draws = Draws(len(records), options.resamples, options.seed, side.name)
    return bootstrap({"": lambda weights: {"recall": (hits @ weights) / (records @ weights)}}, draws)[""]["recall"]
