"""Whether a probe does as well for women as for men, for the old as for the young, and for both crossed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.cohorts import EvaluatedCohort
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.prediction import Prediction
from cape_fed.evaluate.results import Gap, Grouping, Subgroup
from cape_fed.evaluate.scoring.cells import Resamples, metrics_under
from cape_fed.evaluate.statistics.bootstrap import Sampled, bootstrap
from cape_fed.evaluate.targets.registry import find_target, is_regression, metrics_of
from cape_fed.evaluate.targets.support import support_of
from cape_fed.store import Store

BANDS = ((0, 40, "under 40"), (40, 60, "40–59"), (60, 80, "60–79"), (80, 999, "80 and over"))
"""Years from, years below, and name."""
_SEXES = ("men", "women")

Groups = Mapping[Grouping, NDArray[np.str_]]


class _Place(NamedTuple):
    """Which subgroup of which task."""

    task: str
    by: Grouping
    group: str


def score_subgroups(
    predictions: Sequence[Prediction],
    cohorts: Sequence[EvaluatedCohort],
    resamples: Resamples,
    options: EvaluateOptions,
) -> tuple[list[Subgroup], list[Gap]]:
    """The first metric of every transfer prediction in each subgroup with enough patients, and the gaps between them.

    A gap is the best subgroup minus the worst, found anew in every resample; there is one where two subgroups have a
    number. Sex is not broken down by sex, nor age by age. The resamples are those of the cells that subgroups are
    parts of.
    """
    named = {cohort.name: groups_of(cohort.store) for cohort in cohorts}
    parts: dict[str, dict[_Place, Prediction]] = {}
    for block in predictions:
        if block.probe == "transfer":
            found = _parts(block, named[block.cohort], options.min_patients)
            parts.setdefault(block.cohort, {}).update(found)
    subgroups: list[Subgroup] = []
    gaps: list[Gap] = []
    for cohort, own in parts.items():
        sampled = _sample(cohort, own, resamples)
        subgroups += [_subgroup(place, part, sampled[place], options.level) for place, part in own.items()]
        gaps += _gaps(cohort, sampled, options.level)
    return subgroups, gaps


def groups_of(store: Store) -> Groups:
    """Name of each record's subgroup ``[N]`` by grouping, empty where age or sex is not known."""
    age, woman = store.label("age"), store.label("sex")
    band = np.full(len(store), "", dtype="U32")
    for low, high, name in BANDS:
        band[(age >= low) & (age < high)] = name
    sex = np.where(np.isfinite(woman), np.array(_SEXES)[np.nan_to_num(woman).astype(int)], "")
    both = np.where((band != "") & (sex != ""), np.char.add(np.char.add(sex, " "), band), "")
    return {"sex": sex, "age": band, "sex and age": both}


def _parts(block: Prediction, groups: Groups, minimum: int) -> dict[_Place, Prediction]:
    """The block cut by subgroup, those with enough patients."""
    found = {}
    for by, everybody in groups.items():
        if by in find_target(block.task).own_groupings:
            continue
        names = everybody[block.rows]
        for name in np.unique(names[names != ""]):
            part = _cut(block, names == name)
            if support_of(part.target, part.patients).enough(part.task, minimum):
                found[_Place(block.task, by, str(name))] = part
    return found


def _cut(block: Prediction, own: NDArray[np.bool_]) -> Prediction:
    arrays = {name: getattr(block, name)[own] for name in ("rows", "patients", "target", "score")}
    return replace(block, **arrays)


def _sample(cohort: str, parts: Mapping[_Place, Prediction], resamples: Resamples) -> dict[_Place, Sampled]:
    """Every subgroup's first metric, the cohort's resamples being drawn once for all."""
    if not parts:
        return {}
    codes, draws = resamples[cohort, "transfer"]
    sampled = bootstrap({place: metrics_under(part, codes) for place, part in parts.items()}, draws)
    return {place: values[metrics_of(place.task)[0]] for place, values in sampled.items()}


def _subgroup(place: _Place, part: Prediction, sampled: Sampled, level: float) -> Subgroup:
    support = support_of(part.target, part.patients)
    return Subgroup.of(
        metrics_of(place.task)[0],
        sampled,
        level,
        cohort=part.cohort,
        **place._asdict(),
        n=support.n,
        n_pos=None if is_regression(place.task) else support.n_pos,
        patients=support.patients,
    )


def _gaps(cohort: str, sampled: Mapping[_Place, Sampled], level: float) -> Iterator[Gap]:
    groupings: dict[tuple[str, Grouping], list[Sampled]] = {}
    for place, value in sampled.items():
        groupings.setdefault((place.task, place.by), []).append(value)
    for (task, by), several in groupings.items():
        if len(several) > 1:
            draws = np.array([value.draws for value in several])
            points = [value.point for value in several]
            gap = Sampled(max(points) - min(points), draws.max(axis=0) - draws.min(axis=0))
            yield Gap.of(metrics_of(task)[0], gap, level, cohort=cohort, task=task, by=by, groups=len(several))
