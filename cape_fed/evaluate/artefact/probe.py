"""How well it can be told from a representation which cohort a record comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.artefact.discriminant import fit_discriminants
from cape_fed.evaluate.artefact.matching import match
from cape_fed.evaluate.cohorts import EvaluatedCohort, Rows
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.moments import Moments
from cape_fed.evaluate.probes.representation import Features
from cape_fed.evaluate.probes.ridge import LinearProbe
from cape_fed.evaluate.results import ArtefactProbe, Estimate
from cape_fed.evaluate.statistics.bootstrap import Draws, Sampled, bootstrap, mean
from cape_fed.seeds import derive_rng

NEIGHBOURS = 15
LINEAR, NEAREST, MATCHED, MATCHED_NEAREST = "linear", "neighbours", "matched", "matched_neighbours"
METRIC = "balanced_accuracy"
MOST_NEIGHBOURS = 2000
"""Training records of a cohort among which neighbours are looked for."""

Classes = NDArray[np.intp]


@dataclass(frozen=True)
class _Side:
    """One of the cohorts to be told apart, with the rows that serve each purpose."""

    cohort: EvaluatedCohort
    train: Rows
    valid: Rows
    test: Rows

    @property
    def name(self) -> str:
        """Name of the cohort."""
        return self.cohort.name

    @property
    def patients(self) -> int:
        """Number of test patients."""
        return _patients(self.cohort, self.test)


@dataclass(frozen=True)
class _Sides:
    """The cohorts to be told apart, by all their records and by matched ones."""

    all: Sequence[_Side]
    matched: Sequence[_Side]
    """Empty where too few patients match."""


Fit = Callable[[Sequence[_Side], Features, EvaluateOptions], Callable[[NDArray[np.float32]], Classes]]
"""From training and validation records to what names the cohort ``[n]`` of features ``[n, D]``."""


def probe_artefacts(cohorts: Sequence[EvaluatedCohort], features: Features, options: EvaluateOptions) -> ArtefactProbe:
    """Name the cohort of test patients by a linear discriminant and by nearest neighbours, of all and of matched ones.

    Between the ID cohorts with enough test patients, or between all such cohorts where fewer than two are ID.
    """
    sides = _sides(cohorts, options)
    if not sides.all:
        return ArtefactProbe(reason="fewer than two cohorts with enough test patients: there is nothing to tell apart")
    recalls = _recalls(sides.all, features, _linear, options)
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


def tell_apart(cohorts: Sequence[EvaluatedCohort], features: Features, options: EvaluateOptions) -> dict[str, Sampled]:
    """Balanced accuracies of naming the cohort, by probe: `LINEAR`, `NEAREST`, and both on matched records.

    Every cohort has the same weight in a fit whatever its size, and the same in the balanced accuracy (mean recall),
    so that chance is 1 / cohorts. Matched records are alike in age, sex and illness (see `match`), in training and
    test: what is told apart on them is not that cohorts have other patients. Empty for fewer than two cohorts with
    enough test patients; the matched ones are missing where too few patients match.
    """
    return _tell_apart(_sides(cohorts, options), features, options)


def probe_projections(
    cohorts: Sequence[EvaluatedCohort], projections: Mapping[str, Features], options: EvaluateOptions
) -> dict[str, Sampled]:
    """The same on what heads make of the embeddings, as the mean over the heads; empty without a head.

    Each head, a site's own, is applied to the records of all cohorts: had every cohort its own head, the head would
    give the cohort away.
    """
    if not projections:
        return {}
    sides = _sides(cohorts, options)
    found = [_tell_apart(sides, features, options) for features in projections.values()]
    return {name: mean([one[name] for one in found]) for name in found[0]}


def _tell_apart(sides: _Sides, features: Features, options: EvaluateOptions) -> dict[str, Sampled]:
    return {name: _accuracy(chosen, features, fit, options) for name, (chosen, fit) in _probes(sides).items()}


def _probes(sides: _Sides) -> dict[str, tuple[Sequence[_Side], Fit]]:
    """Every probe that there are enough patients for: on which records, by which classifier."""
    probes: dict[str, tuple[Sequence[_Side], Fit]] = {}
    if sides.all:
        probes |= {LINEAR: (sides.all, _linear), NEAREST: (sides.all, _nearest)}
    if sides.matched:
        probes |= {MATCHED: (sides.matched, _linear), MATCHED_NEAREST: (sides.matched, _nearest)}
    return probes


def _sides(cohorts: Sequence[EvaluatedCohort], options: EvaluateOptions) -> _Sides:
    """Both empty where fewer than two cohorts have enough test patients."""
    enough = [
        side
        for cohort in cohorts
        if (side := _Side(cohort, cohort.train, cohort.valid, cohort.tested["within"])).patients >= options.min_patients
        and len(side.train)
    ]
    chosen = [side for side in enough if side.cohort.role == "id"]
    sides = chosen if len(chosen) > 1 else enough
    if len(sides) < 2:
        return _Sides([], [])
    alike = _match(sides, options.seed)
    shown = min(side.patients for side in alike) >= options.min_patients and len(alike[0].train)
    return _Sides(sides, alike if shown else [])


def _match(sides: Sequence[_Side], seed: int) -> list[_Side]:
    stores = [side.cohort.store for side in sides]
    train, valid, test = (
        match(stores, [getattr(side, part) for side in sides], seed, part) for part in ("train", "valid", "test")
    )
    return [_Side(side.cohort, *rows) for side, *rows in zip(sides, train, valid, test, strict=True)]


def _accuracy(sides: Sequence[_Side], features: Features, fit: Fit, options: EvaluateOptions) -> Sampled:
    return mean(list(_recalls(sides, features, fit, options).values()))


def _recalls(sides: Sequence[_Side], features: Features, fit: Fit, options: EvaluateOptions) -> dict[str, Sampled]:
    """By cohort, the share of its test records that get its own name, with patients resampled."""
    name = fit(sides, features, options)
    return {
        side.name: _resampled(name(features[side.name][side.test]) == index, side, options)
        for index, side in enumerate(sides)
    }


def _resampled(hit: NDArray[np.bool_], side: _Side, options: EvaluateOptions) -> Sampled:
    _, patients = np.unique(side.cohort.store.patients[side.test], return_inverse=True)
    records, hits = np.bincount(patients), np.bincount(patients, hit)
    draws = Draws(len(records), options.resamples, options.seed, side.name)
    return bootstrap({"": lambda weights: {"recall": (hits @ weights) / (records @ weights)}}, draws)[""]["recall"]


def _linear(
    sides: Sequence[_Side], features: Features, options: EvaluateOptions
) -> Callable[[NDArray[np.float32]], Classes]:
    """Linear discriminant analysis, its penalty chosen on validation patients.

    The fit needs no more than each cohort's sums, the choice no more than its recalls. Least squares onto indicators
    would not do: from three cohorts on, one between the others is never named.
    """
    probes = fit_discriminants([_sums(features[side.name][side.train]) for side in sides], options.penalties)
    probe = _choose(probes, [features[side.name][side.valid] for side in sides])
    return lambda tested: probe.scores(tested).argmax(axis=1)


def _nearest(
    sides: Sequence[_Side], features: Features, options: EvaluateOptions
) -> Callable[[NDArray[np.float32]], Classes]:
    """Majority of the nearest training records by Euclidean distance of standardised features, as many of each cohort.

    No test patient has a record among them: the split is by patient.
    """
    from sklearn.neighbors import KNeighborsClassifier  # a second that other commands do without

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
    """The probe of best balanced accuracy on ``valid`` by cohort; the middle one where none has records.

    Of equally good ones the one with the largest penalty.
    """
    known = [(index, features) for index, features in enumerate(valid) if len(features)]
    if not known:
        return probes[len(probes) // 2]

    def quality(probe: LinearProbe) -> tuple[float, float]:
        recalls = [(probe.scores(features).argmax(axis=1) == index).mean() for index, features in known]
        return float(np.mean(recalls)), probe.penalty

    return max(probes, key=quality)


def _patients(cohort: EvaluatedCohort, rows: Rows) -> int:
    return len(np.unique(cohort.store.patients[rows]))
