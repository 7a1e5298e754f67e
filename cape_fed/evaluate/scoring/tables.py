"""The tables of one method as results."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from cape_fed.evaluate.cohorts import EvaluatedCohort, Role
from cape_fed.evaluate.results import (
    ArtefactProbe,
    Cell,
    CohortCells,
    Estimate,
    MethodResults,
    Summary,
    SummaryValue,
    TaskResult,
    TaskResults,
)
from cape_fed.evaluate.scoring.aggregate import (
    Aggregate,
    Values,
    aggregate,
    label_of,
    mean_over_cohorts,
    probe_values,
    shared_tasks,
)
from cape_fed.evaluate.scoring.cells import Key, Scored, fill
from cape_fed.evaluate.scoring.pooled import POOLS
from cape_fed.evaluate.statistics.metrics import HIGHER_IS_BETTER
from cape_fed.evaluate.targets.registry import metrics_of


def method_results(
    scored: Mapping[Key, Scored], cohorts: Sequence[EvaluatedCohort], artefact_probe: ArtefactProbe, level: float
) -> MethodResults:
    """Lay one method's scores out by task and in summary; tasks without any number are left out."""
    roles = {cohort.name: cohort.role for cohort in cohorts} | POOLS
    pools = {(key.task, POOLS[key.cohort]): entry.cell for key, entry in scored.items() if key.cohort in POOLS}
    values = {metric: probe_values(scored, metric) for metric in HIGHER_IS_BETTER}
    shown = {key.task for key, entry in scored.items() if entry.sampled}
    tasks = {}
    for task in cohorts[0].targets:
        if task in shown:
            by_metric = {metric: values[metric].get(task, {}) for metric in metrics_of(task)}
            cells = {cohort.name: _both(scored, cohort, task) for cohort in cohorts}
            tasks[task] = TaskResults(
                id=_task_result(by_metric, cells, roles, "id", pools.get((task, "id")), level),
                ood=_task_result(by_metric, cells, roles, "ood", pools.get((task, "ood")), level),
            )
    summary = {metric: _summary(values[metric], roles, metric, level) for metric in values}
    return MethodResults(tasks=tasks, summary=summary, artefact_probe=artefact_probe)


def _both(scored: Mapping[Key, Scored], cohort: EvaluatedCohort, task: str) -> CohortCells:
    return CohortCells(
        transfer=fill(scored, cohort, task, "transfer").cell, within=fill(scored, cohort, task, "within").cell
    )


def _task_result(
    values: Values,
    cells: Mapping[str, CohortCells],
    roles: Mapping[str, Role],
    role: Role,
    pool: Cell | None,
    level: float,
) -> TaskResult | None:
    """``values`` by metric, the task's first one first; ``pool`` where no cohort of the role has a number."""
    of_role = {cohort: both for cohort, both in cells.items() if roles[cohort] == role}
    if not of_role:
        return None
    first, second = values
    own = [both.transfer for both in of_role.values() if both.transfer.point is not None]
    shown = own or ([pool] if pool else [])
    if not shown:
        return TaskResult(metric=first, cohort=label_of(of_role), cohorts=of_role)
    means = {metric: mean_over_cohorts(values[metric], roles, role) for metric in values}
    return TaskResult(
        **dict(_estimate(first, means[first], level)),
        second=_estimate(second, means[second], level) if means[second] else None,
        n=_total(cell.n for cell in shown),
        n_pos=_total(cell.n_pos for cell in shown),
        patients=_total(cell.patients for cell in shown),
        cohort=label_of(cell.cohort for cell in shown),
        worst=_worst(own) if own else None,
        cohorts=of_role,
    )


def _estimate(metric: str, entry: Aggregate | None, level: float) -> Estimate:
    return Estimate.of(metric, entry.sampled, level) if entry else Estimate(metric=metric)


def _total(counts: Iterable[int | None]) -> int | None:
    """Sum; None where a count does not apply."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _worst(cells: Sequence[Cell]) -> Cell:
    pick = min if HIGHER_IS_BETTER[cells[0].metric] else max
    return pick(cells, key=lambda cell: cell.point if cell.point is not None else math.inf)


def _summary(values: Values, roles: Mapping[str, Role], metric: str, level: float) -> Summary:
    shown = {
        scope: SummaryValue.of(metric, entry.sampled, level, cohort=entry.cohort, tasks=entry.tasks)
        for scope, entry in aggregate(values, roles, metric).items()
    }
    return Summary(tasks=shared_tasks(values, roles), **shown)
