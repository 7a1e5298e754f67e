"""The picture of a fine-tuning: how many labels it takes to get how far."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from cape_fed.evaluate.report.words import SCOPE_NAMES
from cape_fed.finetune.report.words import metric_label, mode_name, patients_of, scopes_of, share
from cape_fed.finetune.results import FinetuneResults
from cape_fed.report.style import GREYS, MARKERS, PALETTE, RC, legend_below, new_figure, to_svg

_MARGIN = 1.4
"""Factor from the smallest and the largest share to the ends of the axis."""
_APART = 1.05
"""Factor between the places of two modes on the axis of shares, so that their intervals do not overlap."""


@mpl.rc_context(RC)
def label_curves(results: FinetuneResults) -> str | None:
    """The first metric over the share of labels, a line a mode, a panel a scope, as SVG; None without a number."""
    scopes = [scope for scope in scopes_of(results) if scope != "worst"]
    if not scopes:
        return None
    figure = new_figure(7.6, 3.6)
    panels = figure.subplots(1, len(scopes), sharey=True, squeeze=False)[0]
    for axes, scope in zip(panels, scopes, strict=True):
        _panel(axes, results, scope)
    panels[0].set_ylabel(metric_label(results))
    legend_below(figure, panels[0], 4)
    return to_svg(figure)


def _panel(axes: Axes, results: FinetuneResults, scope: str) -> None:
    modes = ("scratch", *results.options.modes)
    fractions = sorted(results.options.fractions)
    for index, mode in enumerate(modes):
        colour = GREYS[0] if mode == "scratch" else PALETTE[index - 1]
        found = [results.score(mode, fraction, scope) for fraction in fractions]
        shown = [(f, s) for f, s in zip(fractions, found, strict=True) if s is not None and s.point is not None]
        if not shown:
            continue
        at = np.array([fraction for fraction, _ in shown]) * _APART ** (index - (len(modes) - 1) / 2)
        point, low, high = np.array([(s.point, s.low, s.high) for _, s in shown], float).T
        axes.vlines(at, low, high, color=colour, linewidth=1.2)
        axes.plot(at, point, MARKERS[index], linestyle="-", color=colour, markersize=5, label=mode_name(mode))
    axes.set_xscale("log")
    axes.set_xlim(fractions[0] / _MARGIN, fractions[-1] * _MARGIN)
    axes.minorticks_off()
    axes.set_xticks(fractions, [f"{share(f)}\n{patients_of(results, f)}" for f in fractions])
    axes.set_xlabel("Labels: share, and patients")
    axes.set_title(SCOPE_NAMES[scope])
    axes.grid(axis="y")
    axes.tick_params(length=0)
