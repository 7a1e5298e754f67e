"""Means over cohorts and tasks, resample by resample: ID, OOD and the worst cohort."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from cape_fed.evaluate.cohorts import ProbeKind, Role
from cape_fed.evaluate.scoring.cells import Key, Scored
from cape_fed.evaluate.scoring.pooled import POOLS
from cape_fed.evaluate.statistics.bootstrap import Sampled, mean
from cape_fed.evaluate.statistics.metrics import HIGHER_IS_BETTER
from cape_fed.evaluate.targets.registry import unit_of

Scope = Literal["id", "ood", "worst"]
Values = Mapping[str, Mapping[str, Sampled]]
"""One metric of the transfer probe: task → cohort → value; only where there is a number."""


@dataclass(frozen=True)
class Aggregate:
    """A mean with the cohort it stands for and the number of tasks in it."""

    sampled: Sampled
    cohort: str
    tasks: int


def probe_values(scored: Mapping[Key, Scored], metric: str, probe: ProbeKind = "transfer") -> Values:
    """Pick one metric of the transfer cells, or of the within ones."""
    values: dict[str, dict[str, Sampled]] = {}
    for key, entry in scored.items():
        if key.probe == probe and metric in entry.sampled and math.isfinite(entry.sampled[metric].point):
            values.setdefault(key.task, {})[key.cohort] = entry.sampled[metric]
    return values


def label_of(cohorts: Iterable[str]) -> str:
    """Name what a mean is over: the cohort (or the pool) where it is one, else how many."""
    names = sorted(cohorts)
    return names[0] if len(names) == 1 else f"mean of {len(names)}"


def mean_over_cohorts(values: Mapping[str, Sampled], roles: Mapping[str, Role], role: Role) -> Aggregate | None:
    """One task's mean over the cohorts of a role; None where no cohort has a number."""
    of_role = {cohort: value for cohort, value in values.items() if roles[cohort] == role}
    return Aggregate(mean(list(of_role.values())), label_of(of_role), 1) if of_role else None


def shared_tasks(values: Mapping[str, Mapping[str, object]], roles: Mapping[str, Role]) -> list[str]:
    """Tasks that means are over: with a number in every role that has any, so that ID and OOD have the same tasks.

    All of them are in the unit of the first task, since errors in different units have no mean.
    """
    unit = unit_of(next(iter(values))) if values else ""
    comparable = {task: by_cohort for task, by_cohort in values.items() if unit_of(task) == unit}
    sides = {roles[cohort] for by_cohort in comparable.values() for cohort in by_cohort}
    return [task for task, by_cohort in comparable.items() if {roles[cohort] for cohort in by_cohort} == sides]


def aggregate(values: Values, roles: Mapping[str, Role], metric: str) -> dict[Scope, Aggregate]:
    """Mean over the shared tasks: of the means over ID cohorts, of those over OOD cohorts, and in the worst cohort.

    The worst cohort is the one with the worst mean on the data as they are. Its interval is that cohort's and does not
    know that it was picked.
    """
    tasks = shared_tasks(values, roles)
    means: dict[Scope, Aggregate] = {}
    sides: tuple[Role, ...] = ("id", "ood")
    for role in sides:
        found = [found for task in tasks if (found := mean_over_cohorts(values[task], roles, role))]
        if found:
            cohorts = {name for task in tasks for name in values[task] if roles[name] == role}
            cohorts = cohorts - POOLS.keys() or cohorts
            means[role] = Aggregate(mean([entry.sampled for entry in found]), label_of(cohorts), len(found))
    if by_cohort := cohort_means(values, roles):
        pick = min if HIGHER_IS_BETTER[metric] else max
        means["worst"] = pick(by_cohort, key=lambda entry: entry.sampled.point)
    return means


def cohort_means(values: Values, roles: Mapping[str, Role]) -> list[Aggregate]:
    """Mean of each cohort with a number for at least half of the shared tasks.

    One with a number for a single hard task is not worse for that.
    """
    tasks = shared_tasks(values, roles)
    by_cohort: dict[str, list[Sampled]] = {}
    for task in tasks:
        for cohort in values[task].keys() - POOLS.keys():
            by_cohort.setdefault(cohort, []).append(values[task][cohort])
    return [
        Aggregate(mean(found), cohort, len(found))
        for cohort, found in sorted(by_cohort.items())
        if 2 * len(found) >= len(tasks)
    ]
