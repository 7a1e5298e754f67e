"""Paired differences between methods scored on the same resamples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cape_fed.evaluate.cohorts import Role
from cape_fed.evaluate.results import Difference
from cape_fed.evaluate.scoring.aggregate import Scope, aggregate, cohort_means, mean_over_cohorts, probe_values
from cape_fed.evaluate.scoring.cells import Key, Scored
from cape_fed.evaluate.scoring.pooled import POOLS
from cape_fed.evaluate.statistics.bootstrap import Sampled, worst
from cape_fed.evaluate.statistics.metrics import HIGHER_IS_BETTER
from cape_fed.evaluate.targets.registry import metrics_of

MEAN = "mean"
"""Stands for a task where a difference is one of summaries."""

Scores = Mapping[Key, Scored]


def compare(
    scored: Mapping[str, Scores], pairs: Sequence[tuple[str, str]], roles: Mapping[str, Role], level: float
) -> list[Difference]:
    """Method minus reference for each pair of names: summaries first, then each task over ID and OOD cohorts.

    Summaries are means over the cells that both have: one of them may have a probe for more tasks than the other.
    The worst cohort is found anew for each method and in each resample, and may be another one for the method than for
    the reference: the difference is one of worst cases, and its interval knows that they were picked.
    """
    return [
        _difference(method, reference, place, sampled, level)
        for method, reference in pairs
        for place, sampled in _between(scored[method], scored[reference], {**roles, **POOLS})
    ]


def _between(
    scores: Scores, others: Scores, roles: Mapping[str, Role]
) -> Iterator[tuple[tuple[str, str, Scope], Sampled]]:
    """Differences of everything that is compared, from the cells that both methods have."""
    shared = [key for key, entry in scores.items() if entry.sampled and key in others and others[key].sampled]
    own, other = (sampled_values({key: of[key] for key in shared}, roles) for of in (scores, others))
    return ((place, own[place] - other[place]) for place in own if place in other)


def _difference(
    method: str, reference: str, place: tuple[str, str, Scope], sampled: Sampled, level: float
) -> Difference:
    task, metric, scope = place
    p = sampled.p_value()
    return Difference.of(metric, sampled, level, method=method, reference=reference, task=task, scope=scope, p=p)


def sampled_values(scores: Scores, roles: Mapping[str, Role]) -> dict[tuple[str, str, Scope], Sampled]:
    """Every number that methods are compared by, by task (`MEAN` for the summary), metric and scope."""
    return {**dict(_summaries(scores, roles)), **dict(_tasks(scores, roles))}


def _summaries(scores: Scores, roles: Mapping[str, Role]) -> Iterator[tuple[tuple[str, str, Scope], Sampled]]:
    for metric, higher_is_better in HIGHER_IS_BETTER.items():
        values = probe_values(scores, metric)
        for scope, entry in aggregate(values, roles, metric).items():
            if scope != "worst":
                yield (MEAN, metric, scope), entry.sampled
        if by_cohort := [entry.sampled for entry in cohort_means(values, roles)]:
            yield (MEAN, metric, "worst"), worst(by_cohort, higher_is_better=higher_is_better)


def _tasks(scores: Scores, roles: Mapping[str, Role]) -> Iterator[tuple[tuple[str, str, Scope], Sampled]]:
    sides: tuple[Role, ...] = ("id", "ood")
    for metric in HIGHER_IS_BETTER:
        for task, values in probe_values(scores, metric).items():
            for role in sides:
                entry = mean_over_cohorts(values, roles, role)
                if entry and metric == metrics_of(task)[0]:
                    yield (task, metric, role), entry.sampled
