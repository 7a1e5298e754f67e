"""How all figures look: one type size, one palette, SVG without anything outside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, QUIET, RULE = "#1a1a1a", "#6b6b6b", "#dcdcdc"

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c6d31")
"""Okabe and Ito's colours for colour-blind readers without black and yellow, then two more that stay apart."""

GREYS = ("#8a8a8a", "#b0b0b0", "#5f5f5f")
MARKERS = "osD^vPX*"

RC: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.labelcolor": QUIET,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "savefig.transparent": True,
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "cape-fed",
}


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, size in hundreds of CSS pixels, wide ones being at most 7.6."""
    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def panel_grid(count: int, most: int, width: float, *, share: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels two hundred pixels high, at most ``most`` in a row; ``share`` both axes."""
    columns = min(most, count)
    rows = -(-count // columns)
    figure = new_figure(width, 2.0 * rows + 0.5)
    panels = list(figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share).flat)
    for axes in panels[count:]:
        axes.remove()
    return figure, panels[:count]


def legend_below(figure: Figure, panel: Axes, most: int) -> None:
    """What a panel's marks mean, under all panels, in as many of at most ``most`` columns as the figure is wide for."""
    handles, labels = panel.get_legend_handles_labels()
    for columns in range(min(most, len(labels)), 0, -1):
        legend = figure.legend(handles, labels, loc="outside lower center", ncols=columns)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def method_colours(methods: Sequence[str], baselines: Sequence[str]) -> dict[str, str]:
    """A colour for each method in their order; baselines are grey."""
    coloured = {name: PALETTE[index % len(PALETTE)] for index, name in enumerate(methods)}
    return coloured | {name: GREYS[index % len(GREYS)] for index, name in enumerate(baselines)}


def cohort_marks(cohorts: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each cohort in their order."""
    pairs = ((PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)]) for index in range(len(cohorts)))
    return dict(zip(cohorts, pairs, strict=True))


def plain_axes(axes: Axes) -> None:
    """Rows of a forest plot: vertical rules, no frame, no ticks at the rows."""
    axes.grid(axis="x")
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)


def to_svg(figure: Figure) -> str:
    """Render as an ``<svg>`` element without prolog and metadata; the same figure gives the same text."""
    buffer = BytesIO()
    with mpl.rc_context(RC):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue().decode()
    return re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
