"""Forest plots: points with intervals, a row a method or a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from cape_fed.evaluate.report.view import View
from cape_fed.evaluate.report.words import SCOPE_NAMES, metric_name, number
from cape_fed.evaluate.results import Difference, Estimate
from cape_fed.evaluate.scoring.pooled import POOLS
from cape_fed.report.style import INK, MARKERS, QUIET, RC, legend_below, method_colours, new_figure, plain_axes, to_svg

SCOPES = ("id", "ood", "worst")


@mpl.rc_context(RC)
def summary_forest(view: View, metric: str) -> str | None:
    """ID, OOD and worst cohort side by side, a row a method, as SVG; None where there is no number."""
    rows = {name: view.results[name].summary[metric] for name in view.names}
    scopes = [scope for scope in SCOPES if any(getattr(row, scope) for row in rows.values())]
    if not scopes:
        return None
    figure = new_figure(7.6, 0.75 + 0.36 * len(rows))
    panels = figure.subplots(1, len(scopes), sharex=True, sharey=True, squeeze=False)[0]
    for axes, scope in zip(panels, scopes, strict=True):
        estimates = {name: getattr(row, scope) for name, row in rows.items()}
        _rows(axes, estimates, method_colours(view.methods, view.baselines))
        axes.set_title(_panel_title(scope, estimates))
        axes.set_xlabel(metric_name(metric, next(iter(rows.values())).tasks))
    return to_svg(figure)


@mpl.rc_context(RC)
def difference_forest(view: View, metric: str) -> str | None:
    """Differences of the summaries with a line at no difference, a row a pair, as SVG.

    Between methods where there are several, whose differences would be dwarfed by those from the baselines.
    """
    references = view.methods if len(view.methods) > 1 else view.baselines
    entries = [e for e in view.differences if (e.task, e.metric) == ("mean", metric) and e.reference in references]
    scopes = [scope for scope in SCOPES if any(entry.scope == scope for entry in entries)]
    if not scopes:
        return None
    labels = list(dict.fromkeys(pair_label(entry) for entry in entries))
    figure = new_figure(7.6, 0.75 + 0.36 * len(labels))
    panels = figure.subplots(1, len(scopes), sharex=True, sharey=True, squeeze=False)[0]
    colours = method_colours(view.methods, view.baselines)
    for axes, scope in zip(panels, scopes, strict=True):
        shown = {pair_label(entry): entry for entry in entries if entry.scope == scope}
        _rows(axes, {label: shown.get(label) for label in labels}, {k: colours[e.method] for k, e in shown.items()})
        axes.axvline(0, color=INK, linewidth=0.9)
        axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))  # signs and three decimals are wide
        axes.set_title(SCOPE_NAMES[scope])
        axes.set_xlabel(f"Difference in {metric_name(metric, view.results[view.names[0]].summary[metric].tasks)}")
    return to_svg(figure)


@mpl.rc_context(RC)
def task_forest(view: View) -> str | None:
    """Every yes-or-no task over ID and over OOD cohorts, the methods next to each other, as SVG."""
    tasks = [task for task in view.tasks if any(t.metric == "auroc" for t in _sides(view, task))]
    scopes = [scope for scope in ("id", "ood") if any(info.role == scope for info in view.cohorts.values())]
    if not tasks:
        return None
    figure = new_figure(7.6, 1.1 + len(tasks) * (0.16 + 0.09 * len(view.names)))
    panels = figure.subplots(1, len(scopes), sharex=True, sharey=True, squeeze=False)[0]
    colours = method_colours(view.methods, view.baselines)
    for axes, scope in zip(panels, scopes, strict=True):
        for index, name in enumerate(view.names):
            shift = (index - (len(view.names) - 1) / 2) * 0.8 / len(view.names)
            found = {task: getattr(view.results[name].tasks.get(task), scope, None) for task in tasks}
            places = {row + shift: found[task] for row, task in enumerate(tasks)}
            _points(axes, places, colours[name], MARKERS[index % len(MARKERS)], name)
        axes.set_yticks(range(len(tasks)), tasks)
        axes.set_title(SCOPE_NAMES[scope])
        axes.set_xlabel(metric_name("auroc"))
        plain_axes(axes)
    panels[0].invert_yaxis()
    legend_below(figure, panels[0], 3)
    return to_svg(figure)


@mpl.rc_context(RC)
def artefact_forest(view: View) -> str | None:
    """Balanced accuracy of the cohort probe with chance as a line, a row a method, as SVG."""
    probes = {name: view.results[name].artefact_probe for name in view.names}
    shown = {name: probe for name, probe in probes.items() if probe.point is not None}
    if not shown:
        return None
    figure = new_figure(7.6, 0.75 + 0.36 * len(shown))
    axes = figure.subplots()
    _rows(
        axes,
        {name: Estimate(metric=p.metric, point=p.point, low=p.low, high=p.high) for name, p in shown.items()},
        method_colours(view.methods, view.baselines),
    )
    chance = next(iter(shown.values())).chance or 0.0
    axes.axvline(chance, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.annotate("chance ", (chance, 1), xycoords=("data", "axes fraction"), ha="right", va="bottom", color=QUIET)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("Balanced accuracy of naming the cohort")
    return to_svg(figure)


def pair_label(entry: Difference) -> str:
    """A pair of methods as a row's name."""
    return f"{entry.method} − {entry.reference}"


def _rows(axes: Axes, estimates: Mapping[str, Estimate | None], colours: Mapping[str, str]) -> None:
    for row, (name, estimate) in enumerate(estimates.items()):
        if estimate is not None and estimate.point is not None:
            _points(axes, {row: estimate}, colours[name], "o", name)
            text = number(estimate.point, estimate.metric, sign=isinstance(estimate, Difference))
            axes.annotate(text, (estimate.point, row), (0, 5), textcoords="offset points", ha="center", size=9)
    axes.set_yticks(range(len(estimates)), list(estimates))
    axes.set_ylim(len(estimates) - 0.5, -0.75)
    axes.margins(x=0.12)
    plain_axes(axes)


def _points(axes: Axes, places: Mapping[float, Estimate | None], colour: str, marker: str, name: str) -> None:
    known = {y: e for y, e in places.items() if e is not None and e.point is not None}
    rows = np.array(list(known), float)
    point, low, high = np.array([(e.point, e.low, e.high) for e in known.values()], float).reshape(-1, 3).T
    axes.hlines(rows, low, high, color=colour, linewidth=1.6)
    axes.plot(point, rows, marker, color=colour, markersize=5.5, label=name)


def _panel_title(scope: str, estimates: Mapping[str, Estimate | None]) -> str:
    cohorts = {getattr(estimate, "cohort", "") for estimate in estimates.values() if estimate}
    if scope == "worst":
        return "Worst cohort" + (f" ({cohorts.pop()})" if len(cohorts) == 1 else "")
    if cohorts <= POOLS.keys():
        return f"{SCOPE_NAMES[scope]} (pooled)"
    return f"{SCOPE_NAMES[scope]} ({cohorts.pop()})" if len(cohorts) == 1 else SCOPE_NAMES[scope]


def _sides(view: View, task: str) -> Sequence[Estimate]:
    found = [view.results[name].tasks.get(task) for name in view.names]
    return [side for result in found if result for side in (result.id, result.ood) if side]
