"""Pictures of a study: levels with their seeds, and which artefact each of them carries."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from cape_fed.report.style import INK, PALETTE, QUIET, RC, new_figure, plain_axes, to_svg
from cape_fed.study.report.words import measure_name, number
from cape_fed.study.results import Answer, Contrast, Panel, Value

_ROW = 0.3
"""Height of a level, in hundreds of pixels."""


def level_figure(answer: Answer, shown: Sequence[str], uncompared: Sequence[str]) -> str | None:
    """Every level of every panel as a row: small points are seeds, the large one their mean with its interval."""
    compared = {
        m for panel in answer.panels for level, own in panel.levels.items() if level not in uncompared for m in own
    }
    measures = [measure for measure in shown if measure in compared]
    if not measures:
        return None
    rows = [(panel, level) for panel in answer.panels for level in panel.levels]
    with mpl.rc_context(RC):
        figure = new_figure(9.6, 0.9 + _ROW * len(rows) + 0.25 * (len(answer.panels) > 1) * len(answer.panels))
        columns = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
        places = _places(answer.panels)
        for axes, measure in zip(columns, measures, strict=True):
            _draw_measure(axes, answer, measure, places, uncompared)
        columns[0].set_yticks(list(places.values()), [level for _, level in places], color=INK)
        columns[0].set_ylim(max(places.values()) + 0.6, -0.9)
        _name_panels(columns[0], answer.panels, places)
        return to_svg(figure)


def artefact_figure(answer: Answer) -> str | None:
    """A map of methods by artefacts: how much better the cohort is named than where cohorts differ in nothing."""
    if not answer.carried:
        return None
    table = {level: {c.level: c for c in found} for level, found in answer.carried.items()}
    values = np.array(
        [[100 * table[level][a].point if a in table[level] else np.nan for a in answer.artefacts] for level in table]
    )
    with mpl.rc_context(RC):
        figure = new_figure(9.6, 0.8 + 0.42 * len(table))
        axes = figure.subplots()
        bound = max(5.0, float(np.nanmax(np.abs(values))))
        axes.imshow(values, cmap="PuOr_r", vmin=-bound, vmax=bound, aspect="auto")
        for row, level in enumerate(table):
            for column, artefact in enumerate(answer.artefacts):
                if artefact in table[level]:
                    _write_cell(axes, column, row, table[level][artefact], bound)
        axes.set_xticks(range(len(answer.artefacts)), answer.artefacts)
        axes.set_yticks(range(len(table)), list(table))
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return to_svg(figure)


def _write_cell(axes: Axes, column: int, row: int, contrast: Contrast, bound: float) -> None:
    points = 100 * contrast.point
    colour = "white" if abs(points) > 0.65 * bound else INK
    text = f"{points:+.0f}".replace("-", "−") if round(points) else "0"
    axes.text(
        column, row, text, ha="center", va="center", color=colour, weight="bold" if contrast.significant else "normal"
    )


def _draw_measure(
    axes: Axes, answer: Answer, measure: str, places: dict[tuple[str, str], float], uncompared: Sequence[str]
) -> None:
    for panel in answer.panels:
        reference = panel.levels.get(answer.reference, {}).get(measure)
        for index, (level, values) in enumerate(panel.levels.items()):
            if measure in values and level not in uncompared:
                _draw_value(axes, values[measure], places[panel.name, level], PALETTE[index % len(PALETTE)])
        if reference is not None:
            rows = [places[panel.name, level] for level in panel.levels]
            axes.vlines(
                reference.point, min(rows) - 0.45, max(rows) + 0.45, color=INK, linewidth=0.8, linestyle=(0, (4, 3))
            )
    low, high = axes.dataLim.intervalx
    axes.set_xlim(low - 0.35 * (high - low), high + 0.35 * (high - low))
    for panel in answer.panels:
        for level in uncompared:
            if measure in panel.levels.get(level, {}):
                _draw_uncompared(axes, panel.levels[level][measure], places[panel.name, level], measure)
    axes.set_title(measure_name(measure).replace(", ", "\n", 1), fontsize=9)
    axes.locator_params(axis="x", nbins=4)
    plain_axes(axes)


def _draw_value(axes: Axes, value: Value, row: float, colour: str) -> None:
    axes.plot(value.seeds, np.full(len(value.seeds), row + 0.22), ".", color=colour, alpha=0.55, markersize=4)
    if value.low is not None and value.high is not None:
        axes.hlines(row, value.low, value.high, color=colour, linewidth=1.6)
    axes.plot(value.point, row, "o", color=colour, markersize=5.5)


def _draw_uncompared(axes: Axes, value: Value, row: float, measure: str) -> None:
    """In grey; what lies far outside is named at the edge, so that it does not squeeze what is compared."""
    low, high = axes.get_xlim()
    if low <= value.point <= high:
        _draw_value(axes, value, row, QUIET)
        axes.set_xlim(low, high)
    else:
        left = value.point < low
        text = f"◂ {number(value.point, measure)}" if left else f"{number(value.point, measure)} ▸"
        axes.text(low if left else high, row, text, ha="left" if left else "right", va="center", color=QUIET, size=9)


def _places(panels: Sequence[Panel]) -> dict[tuple[str, str], float]:
    """Row of each panel's levels, with a gap before a panel that has a name."""
    places, row = {}, 0.0
    for index, panel in enumerate(panels):
        row += 0.9 if index else 0.0
        for level in panel.levels:
            places[panel.name, level] = row
            row += 1
    return places


def _name_panels(axes: Axes, panels: Sequence[Panel], places: dict[tuple[str, str], float]) -> None:
    for panel in panels:
        if panel.name and panel.levels:
            top = places[panel.name, next(iter(panel.levels))]
            axes.annotate(
                panel.name, (0, top - 0.75), xycoords=("axes fraction", "data"), ha="right", va="center",
                xytext=(-6, 0), textcoords="offset points", weight="bold",
            )  # fmt: skip
