"""Reliability curves: predicted probability against what came true, a panel a cohort."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes

from cape_fed.evaluate.report.view import View
from cape_fed.evaluate.results import Calibration, ReliabilityBin
from cape_fed.report.style import PALETTE, QUIET, RC, legend_below, panel_grid, to_svg

_ROW = 4
"""Panels in a row."""
_NARROWEST = 5.4
"""Pages show no figure narrower, and would enlarge the type of one that is."""


def reliability_curves(view: View) -> str | None:
    """The first method's curves for the task with most cohorts and positives, before and after recalibration, as SVG.

    None where no curve has two points.
    """
    found = [entry for entry in view.results[view.methods[0]].calibration if len(entry.curve) > 1]
    task = calibrated_task(found)
    shown = [entry for entry in found if entry.task == task]
    if not shown:
        return None
    with mpl.rc_context(RC):
        figure, panels = panel_grid(len(shown), _ROW, max(1.9 * min(_ROW, len(shown)) + 0.3, _NARROWEST), share=True)
        for number, (axes, entry) in enumerate(zip(panels, shown, strict=True)):
            _panel(axes, entry)
            if number + _ROW >= len(shown):
                axes.set_xlabel("Predicted probability", size=9)
            if number % _ROW == 0:
                axes.set_ylabel("Share of positives", size=9)
        legend_below(figure, figure.axes[0], 2)
        return to_svg(figure)


def calibrated_task(found: Sequence[Calibration]) -> str | None:
    """The task with a curve in most cohorts, of these the one with most positives; None where there is none."""
    tasks = dict.fromkeys(entry.task for entry in found)
    return max(
        tasks,
        key=lambda task: (sum(e.task == task for e in found), sum(e.n_pos for e in found if e.task == task)),
        default=None,
    )


def _panel(axes: Axes, entry: Calibration) -> None:
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    _curve(axes, entry.curve, PALETTE[0], "as it comes")
    _curve(axes, entry.recalibrated_curve, PALETTE[1], "recalibrated at the site")
    axes.set_title(entry.cohort, fontsize=9)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    axes.grid(True)
    axes.tick_params(length=0, labelsize=8)


def _curve(axes: Axes, curve: Sequence[ReliabilityBin], colour: str, label: str) -> None:
    points = [b.predicted for b in curve], [b.observed for b in curve]
    axes.plot(*points, "o-", color=colour, markersize=3.5, label=label)
