"""What a model card shows of an evaluation."""

from __future__ import annotations

from collections.abc import Iterable

from cape_fed.evaluate.results import ArtefactProbe, Estimate, Results, TaskResults
from cape_fed.release.figures import Figure, Figures, Gap, Summary

LABELS = 12
"""Tasks that a card shows; those with the most positive records out of distribution, or in it where there is none."""


def figures_of(results: Results) -> Figures:
    """The figures of an evaluation's method."""
    roles = [info.role for info in results.cohorts.values()]
    classified = {name: task for name, task in results.tasks.items() if _positives(task)}
    shown = sorted(sorted(classified, key=lambda name: -_positives(classified[name]))[:LABELS])
    return Figures(
        id_cohorts=roles.count("id"),
        ood_cohorts=roles.count("ood"),
        records=sum(info.records for info in results.cohorts.values()),
        patients=sum(info.patients for info in results.cohorts.values()),
        summary={
            metric: Summary(id=_figure(of.id), ood=_figure(of.ood), worst=_figure(of.worst), tasks=len(of.tasks))
            for metric, of in results.summary.items()
        },
        tasks={name: _task(classified[name]) for name in shown},
        gaps=_gaps(results),
        probe=_figure(results.artefact_probe),
        chance=results.artefact_probe.chance,
    )


def _figure(estimate: Estimate | ArtefactProbe | None) -> Figure | None:
    if estimate is None or estimate.point is None:
        return None
    return Figure(point=estimate.point, low=estimate.low, high=estimate.high)


def _task(task: TaskResults) -> Summary:
    worst = _worst(side.worst for side in (task.id, task.ood) if side is not None)
    return Summary(id=_figure(task.id), ood=_figure(task.ood), worst=worst, tasks=1)


def _worst(cells: Iterable[Estimate | None]) -> Figure | None:
    figures = [figure for cell in cells if (figure := _figure(cell)) is not None]
    return min(figures, key=lambda figure: figure.point, default=None)


def _positives(task: TaskResults) -> int:
    side = task.ood or task.id
    return 0 if side is None or side.n_pos is None or side.point is None else side.n_pos


def _gaps(results: Results) -> dict[str, Gap]:
    """The widest gap for each way of grouping, of all tasks that are measured by AUROC."""
    widest: dict[str, Gap] = {}
    for gap in results.gaps:
        figure = _figure(gap)
        if figure is None or gap.metric != "auroc":
            continue
        if gap.by not in widest or figure.point > widest[gap.by].gap.point:
            widest[gap.by] = Gap(metric=gap.metric, task=gap.task, gap=figure)
    return widest
