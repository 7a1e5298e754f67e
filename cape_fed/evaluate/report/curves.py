"""Training curves of the runs under evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from cape_fed.evaluate.report.view import Curves, View
from cape_fed.report.style import QUIET, RC, legend_below, method_colours, panel_grid, to_svg

QUANTITIES = {
    "loss": "Contrastive loss",
    "alignment": "Alignment (low: pairs close)",
    "uniformity_within": "Uniformity within cohorts",
    "uniformity_between": "Uniformity between cohorts",
    "rankme": "RankMe (dimensions in use)",
    "retrieval": "Same-patient retrieval",
}
CLOCKS = ("step", "round")
_SMOOTH = 60
"""Points of a curve above which it is drawn as running means."""

Series = tuple[NDArray[np.float64], NDArray[np.float64]]


@mpl.rc_context(RC)
def training_curves(view: View) -> str | None:
    """One panel a quantity, one line a method, as SVG; None where no run has a curve.

    Runs counted in steps and runs counted in rounds meet on the share of training done.
    """
    shown = [name for name in QUANTITIES if any(_series(curves, name) for curves in view.curves.values())]
    if not shown:
        return None
    clocks = {_clock(curves) for curves in view.curves.values()}
    figure, panels = panel_grid(len(shown), 3, 7.6)
    colours = method_colours(view.methods, view.baselines)
    for axes, name in zip(panels, shown, strict=True):
        for method, curves in view.curves.items():
            if series := _series(curves, name):
                _line(axes, series, colours[method], method, share=len(clocks) > 1)
        axes.set_title(QUANTITIES[name], fontsize=9)
        axes.set_xlabel("share of training" if len(clocks) > 1 else next(iter(clocks)), fontsize=9)
        axes.grid(axis="y")
        axes.tick_params(length=0, labelsize=9)
    if len(view.curves) > 1:
        legend_below(figure, figure.axes[0], 4)
    return to_svg(figure)


def _clock(curves: Curves) -> str:
    return next((clock for clock in CLOCKS if any(clock in line for line in curves)), CLOCKS[0])


def _series(curves: Curves, name: str) -> Series | None:
    """Mean over the lines of each moment (there may be one a cohort), ascending; None where there is none."""
    clock = _clock(curves)
    by_moment: dict[float, list[float]] = {}
    for line in curves:
        if clock in line and _is_number(line, name):
            by_moment.setdefault(float(line[clock]), []).append(float(line[name]))
    if not by_moment:
        return None
    moments = sorted(by_moment)
    return np.array(moments), np.array([np.mean(by_moment[moment]) for moment in moments])


def _is_number(line: Mapping[str, Any], name: str) -> bool:
    value = line.get(name)
    return isinstance(value, int | float) and bool(np.isfinite(value))


def _line(axes: Axes, series: Series, colour: str, label: str, *, share: bool) -> None:
    moments, values = series
    width = max(1, len(values) // _SMOOTH)
    if width > 1:
        kernel = np.ones(width) / width
        moments, values = (np.convolve(part, kernel, mode="valid") for part in (moments, values))
    at = moments / moments[-1] if share and moments[-1] > 0 else moments
    axes.plot(at, values, color=colour, linewidth=1.6, label=label, marker="o" if len(values) < 3 else None)
    axes.margins(x=0.02)
    axes.tick_params(colors=QUIET)
