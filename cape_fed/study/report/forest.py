"""The forest plot of a study that leaves out one cohort after the other: each one's contrast, and the pooled one."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from cape_fed.report.style import INK, PALETTE, QUIET, RC, new_figure, plain_axes, to_svg
from cape_fed.study.report.words import interval, measure_name, number
from cape_fed.study.results import Answer, Contrast, Pooled, PooledPanel

_ROW, _DIAMOND = 0.3, 0.28
"""Height of a row in hundreds of pixels, and half of a diamond's in rows."""


def forest_figure(answer: Answer, shown: Sequence[str]) -> str | None:
    """Rows are cohorts and what they give together, columns measures; a square's area is its weight.

    Under the diamond, whose width is the interval of the mean, a thin line is where one further cohort is expected.
    """
    measures = [measure for measure in shown if any(measure in pooled.contrasts for pooled in answer.pooled)]
    if not measures:
        return None
    groups = [(pooled, level) for pooled in answer.pooled for level in _levels(pooled)]
    rows = len(answer.left_out) + 2
    with mpl.rc_context(RC):
        figure = new_figure(9.6, 0.7 + _ROW * rows * len(groups))
        columns = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
        for axes, measure in zip(columns, measures, strict=True):
            for number_, (pooled, level) in enumerate(groups):
                _draw_group(axes, answer, pooled, level, measure, number_ * rows, PALETTE[number_ % len(PALETTE)])
            axes.axvline(0, color=INK, linewidth=0.8)
            axes.set_title(measure_name(measure).replace(", ", "\n", 1), fontsize=9)
            axes.locator_params(axis="x", nbins=4)
            plain_axes(axes)
        columns[0].set_yticks(*_ticks(answer, groups, rows), color=INK)
        columns[0].set_ylim(rows * len(groups) - 0.4, -0.6)
        return to_svg(figure)


def _levels(pooled: PooledPanel) -> list[str]:
    return list(dict.fromkeys(contrast.level for found in pooled.contrasts.values() for contrast in found))


def _ticks(answer: Answer, groups: Sequence[tuple[PooledPanel, str]], rows: int) -> tuple[list[int], list[str]]:
    """Rows with what is written beside them."""
    places, names = list[int](), list[str]()
    for index, (pooled, level) in enumerate(groups):
        setting = f", {pooled.name}" if pooled.name else ""
        places += range(index * rows, index * rows + rows - 1)
        names += [*answer.left_out, f"pooled: {level} − {answer.reference}{setting}"]
    return places, names


def _draw_group(
    axes: Axes, answer: Answer, pooled: PooledPanel, level: str, measure: str, top: int, colour: str
) -> None:
    found = next((one for one in pooled.contrasts.get(measure, []) if one.level == level), None)
    weights = dict(zip(found.cohorts, found.weights, strict=True)) if found else {}
    setting = [panel for panel in answer.panels if panel.setting == pooled.name]
    by_cohort = {panel.left_out: panel.contrasts.get(measure, []) for panel in setting}
    for row, cohort in enumerate(answer.left_out, start=top):
        own = next((one for one in by_cohort.get(cohort, []) if one.level == level), None)
        if own is None:
            axes.text(0, row, "no number", ha="center", va="center", color=QUIET, size=8)
        else:
            _draw_cohort(axes, own, row, weights.get(cohort), colour)
    if found is not None:
        _draw_pooled(axes, found, top + len(answer.left_out), measure, colour)


def _draw_cohort(axes: Axes, own: Contrast, row: int, weight: float | None, colour: str) -> None:
    if own.low is not None and own.high is not None:
        axes.hlines(row, own.low, own.high, color=colour, linewidth=1.2)
    axes.plot(own.seeds, np.full(len(own.seeds), row + 0.3), ".", color=colour, alpha=0.4, markersize=3)
    axes.scatter(own.point, row, s=10 + 140 * (weight or 0.0), marker="s", color=colour if weight else QUIET, zorder=3)


def _draw_pooled(axes: Axes, found: Pooled, row: int, measure: str, colour: str) -> None:
    low, high = found.low or 0.0, found.high or 0.0
    axes.fill([low, found.point, high, found.point], [row, row - _DIAMOND, row, row + _DIAMOND], color=colour)
    axes.hlines(row, found.predicted_low, found.predicted_high, color=colour, linewidth=0.8)
    text = f"{number(found.point, measure, sign=True)} ({interval(found, measure, sign=True)})"
    frame = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    axes.annotate(text, (found.point, row + 0.62), ha="center", va="center", size=8, color=INK, bbox=frame)
