"""What a bundle's model card shows of an evaluation at the sites, from the cells that they sent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from cape_fed.evaluate.cohorts import Role
from cape_fed.evaluate.figures import LABELS
from cape_fed.evaluate.results import Cell
from cape_fed.evaluate.scoring.aggregate import shared_tasks
from cape_fed.evaluate.statistics.metrics import HIGHER_IS_BETTER
from cape_fed.release.figures import AtSites, Figure, Figures, Summary
from cape_fed.rundir import read_metrics

SIDES: tuple[Role, ...] = ("id", "ood")
Cells = dict[str, dict[str, Cell]]
"""Transfer cells by task and cohort."""
Values = Mapping[str, Mapping[str, Figure]]
"""One metric by task and cohort."""


def figures_of_round(evaluations: Path, rounds: int) -> Figures | None:
    """What the sites measured after ``rounds`` rounds, by the file of evaluations; None where they measured nothing."""
    line = next((line for line in read_metrics(evaluations) if line["round"] == rounds), None)
    if line is None or not line["tasks"]:
        return None
    cells, roles = _transfer_cells(line["tasks"])
    if not cells:
        return None
    values = _by_metric(cells)
    return Figures(
        at_sites=AtSites(rounds=rounds, dimensions=line["dimensions"], missing=len(line["missing"])),
        id_cohorts=list(roles.values()).count("id"),
        ood_cohorts=list(roles.values()).count("ood"),
        records=_most(cells, roles, "n"),
        patients=_most(cells, roles, "patients"),
        summary={metric: _summary(of, roles, metric) for metric, of in values.items()},
        tasks={task: _summary({task: values["auroc"][task]}, roles, "auroc") for task in _shown(cells, roles)},
    )


def _transfer_cells(tasks: Mapping[str, Any]) -> tuple[Cells, dict[str, Role]]:
    """Transfer cells that have a number, and the role of every cohort with one."""
    cells: Cells = {}
    roles: dict[str, Role] = {}
    for task, by_role in tasks.items():
        for role in SIDES:
            for cohort, probes in by_role[role].items():
                cell = Cell.model_validate(probes["transfer"]) if "transfer" in probes else None
                if cell is not None and cell.point is not None:
                    cells.setdefault(task, {})[cohort], roles[cohort] = cell, role
    return cells, roles


def _by_metric(cells: Cells) -> dict[str, dict[str, dict[str, Figure]]]:
    """`Values` of every metric."""
    values: dict[str, dict[str, dict[str, Figure]]] = {}
    for task, by_cohort in cells.items():
        for cohort, cell in by_cohort.items():
            for one in (cell, cell.second):
                if one is not None and one.point is not None:
                    figure = Figure(point=one.point, low=one.low, high=one.high)
                    values.setdefault(one.metric, {}).setdefault(task, {})[cohort] = figure
    return values


def _summary(values: Values, roles: Mapping[str, Role], metric: str) -> Summary:
    """The mean over tasks that both sides have, and the cohort that is worst over at least half of them."""
    tasks = shared_tasks(values, roles)
    sides = {}
    for role in SIDES:
        of_role = [[figure for name, figure in values[task].items() if roles[name] == role] for task in tasks]
        sides[role] = _mean([_mean(found, "apart") for found in of_role if found], "alike")
    by_cohort: dict[str, list[Figure]] = {}
    for task in tasks:
        for cohort, figure in values[task].items():
            by_cohort.setdefault(cohort, []).append(figure)
    means = [_mean(found, "alike") for found in by_cohort.values() if 2 * len(found) >= len(tasks)]
    pick = min if HIGHER_IS_BETTER[metric] else max
    worst = pick((mean for mean in means if mean), key=lambda mean: mean.point, default=None)
    return Summary(id=sides["id"], ood=sides["ood"], worst=worst, tasks=len(tasks))


def _mean(figures: Sequence[Figure | None], err: Literal["alike", "apart"]) -> Figure | None:
    """Mean of figures that err alike, as tasks over the same patients may, or apart, as cohorts do."""
    known = [figure for figure in figures if figure is not None]
    if not known:
        return None
    point = fmean(figure.point for figure in known)
    bounds = [(max(0.0, one.point - one.low), max(0.0, one.high - one.point)) for one in known
              if one.low is not None and one.high is not None]  # fmt: skip
    if len(bounds) < len(known):
        return Figure(point=point)
    sides = zip(*bounds, strict=True)
    below, above = (fmean(side) if err == "alike" else math.hypot(*side) / len(side) for side in sides)
    return Figure(point=point, low=point - below, high=point + above)


def _most(cells: Cells, roles: Mapping[str, Role], count: Literal["n", "patients"]) -> int:
    """Test records or patients of all cohorts, each in the task that has most of them."""
    return sum(
        max((getattr(by_cohort[name], count) or 0 for by_cohort in cells.values() if name in by_cohort), default=0)
        for name in roles
    )


def _shown(cells: Cells, roles: Mapping[str, Role]) -> list[str]:
    """Tasks by AUROC that a card shows: those with the most positive records out of distribution, or else in it."""

    def positives(task: str) -> int:
        by_role = {
            role: sum(cell.n_pos or 0 for name, cell in cells[task].items() if roles[name] == role) for role in SIDES
        }
        return by_role["ood"] or by_role["id"]

    classified = [task for task, found in cells.items() if {cell.metric for cell in found.values()} == {"auroc"}]
    return sorted(sorted(classified, key=lambda task: (-positives(task), task))[:LABELS])
