"""Whether a probe does as well for women as for men, for the old as for the young, and for both crossed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.bootstrap import Sampled, bootstrap
from cape_fed.evaluate.cohorts import Cohort, Rows
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.predict import Prediction
from cape_fed.evaluate.results import Estimate, Gap, Grouping, Subgroup
from cape_fed.evaluate.scores import Resamples, metrics_under
from cape_fed.evaluate.tasks import AGE, SEX, is_regression, metrics_of, support_of
from cape_fed.store import Store

BANDS = ((0, 40, "under 40"), (40, 60, "40–59"), (60, 80, "60–79"), (80, 999, "80 and over"))
"""Years from, years below, and name."""
_SEXES = ("men", "women")


def score_subgroups(
    predictions: Sequence[Prediction], cohorts: Sequence[Cohort], resamples: Resamples, options: EvaluateOptions
) -> tuple[list[Subgroup], list[Gap]]:
    """The first metric of every transfer prediction in each subgroup with enough patients, and the gaps between them.

    A gap is the best subgroup minus the worst, found anew in every resample; there is one where two subgroups have a
    number. Sex is not looked at by sex, nor age by age. On the resamples of the cells that they are parts of.
    """
    stores = {cohort.name: cohort.store for cohort in cohorts}
    subgroups: list[Subgroup] = []
    gaps: list[Gap] = []
    for block in predictions:
        if block.probe == "transfer":
            for by, names in _groupings(block, stores[block.cohort]).items():
                found = dict(_sample(block, names, resamples, options))
                subgroups += [_subgroup(block, by, name, names, sampled, options) for name, sampled in found.items()]
                if len(found) > 1:
                    gaps.append(_gap(block, by, list(found.values()), options))
    return subgroups, gaps


def groups_of(store: Store, rows: Rows) -> dict[Grouping, NDArray[np.str_]]:
    """Name of each row's subgroup by grouping, empty where age or sex is not known."""
    age, woman = store.label("age")[rows], store.label("sex")[rows]
    band = np.full(len(rows), "", dtype="U32")
    for low, high, name in BANDS:
        band[(age >= low) & (age < high)] = name
    sex = np.where(np.isfinite(woman), np.array(_SEXES)[np.nan_to_num(woman).astype(int)], "")
    both = np.where((band != "") & (sex != ""), np.char.add(np.char.add(sex, " "), band), "")
    return {"sex": sex, "age": band, "sex and age": both}


def _groupings(block: Prediction, store: Store) -> dict[Grouping, NDArray[np.str_]]:
    named = groups_of(store, block.rows)
    without: Mapping[str, tuple[Grouping, ...]] = {SEX: ("sex", "sex and age"), AGE: ("age", "sex and age")}
    return {by: names for by, names in named.items() if by not in without.get(block.task, ())}


def _sample(
    block: Prediction, names: NDArray[np.str_], resamples: Resamples, options: EvaluateOptions
) -> Iterator[tuple[str, Sampled]]:
    codes, draws = resamples[block.cohort, block.probe]
    metric = metrics_of(block.task)[0]
    parts = {str(name): _part(block, names == name) for name in np.unique(names[names != ""])}
    enough = {
        name: part
        for name, part in parts.items()
        if support_of(part.target, part.patients).enough(part.task, options.min_patients)
    }
    sampled = bootstrap({name: partial(_metric, part, codes, metric) for name, part in enough.items()}, draws)
    yield from ((name, values[metric]) for name, values in sampled.items())


def _metric(
    part: Prediction, codes: NDArray[np.int64], metric: str, weights: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    return {metric: metrics_under(part, codes)(weights)[metric]}


def _part(block: Prediction, own: NDArray[np.bool_]) -> Prediction:
    arrays = {name: getattr(block, name)[own] for name in ("rows", "patients", "target", "score")}
    return replace(block, **arrays)


def _subgroup(
    block: Prediction, by: Grouping, name: str, names: NDArray[np.str_], sampled: Sampled, options: EvaluateOptions
) -> Subgroup:
    part = _part(block, names == name)
    support = support_of(part.target, part.patients)
    return Subgroup.of(
        metrics_of(block.task)[0],
        sampled,
        options.level,
        cohort=block.cohort,
        task=block.task,
        by=by,
        group=name,
        n=support.n,
        n_pos=None if is_regression(block.task) else support.n_pos,
        patients=support.patients,
    )


def _gap(block: Prediction, by: Grouping, several: Sequence[Sampled], options: EvaluateOptions) -> Gap:
    draws = np.array([sampled.draws for sampled in several])
    points = [sampled.point for sampled in several]
    gap = Sampled(max(points) - min(points), draws.max(axis=0) - draws.min(axis=0))
    estimate = Estimate.of(metrics_of(block.task)[0], gap, options.level)
    return Gap(**estimate.model_dump(), cohort=block.cohort, task=block.task, by=by, groups=len(several))
