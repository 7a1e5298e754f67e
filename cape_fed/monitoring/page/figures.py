"""The figures of the page: loss, client drift, and where the time of a round goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from cape_fed.monitoring.run import Run
from cape_fed.report.style import GREYS, PALETTE, RC, new_figure, to_svg

Value = TypeVar("Value")

MOST_POINTS = 400
MOST_LINES = 8
"""Sites with a line of their own; of more, only the mean is drawn in colour."""
WIDTH, HEIGHT = 7.6, 2.8


def loss_figure(run: Run) -> str:
    """Loss over rounds, the mean and each site's, as SVG."""
    with mpl.rc_context(RC):
        figure = new_figure(WIDTH, HEIGHT)
        axes = figure.subplots()
        sites = sorted({name for line in run.rounds for name in line["sites"]})
        for index, name in enumerate(sites):
            own = [(line["round"] + 1, line["sites"][name].get("loss")) for line in run.rounds if name in line["sites"]]
            few = len(sites) <= MOST_LINES
            colour = PALETTE[index % len(PALETTE)] if few else GREYS[1]
            _line(axes, own, colour, name if few else None, width=1.0)
        mean = [(line["round"] + 1, line.get("loss")) for line in run.rounds]
        _line(axes, mean, "black", "mean, by patients", width=2.0)
        _finish(axes, "loss")
        figure.legend(ncols=4, fontsize=9, loc="outside upper left")
        return to_svg(figure)


def drift_figure(run: Run) -> str:
    """Client drift over rounds, as SVG."""
    with mpl.rc_context(RC):
        figure = new_figure(WIDTH, 1.8)
        axes = figure.subplots()
        _line(axes, [(line["round"] + 1, line.get("drift")) for line in run.rounds], PALETTE[0], None, width=1.6)
        _finish(axes, "drift")
        return to_svg(figure)


def parts_figure(run: Run) -> str:
    """Seconds by part of a round, stacked, as SVG."""
    lines = _thinned(run.rounds)
    names = list(run.parts())
    with mpl.rc_context(RC):
        figure = new_figure(WIDTH, HEIGHT)
        axes = figure.subplots()
        x = [line["round"] + 1 for line in lines]
        stacks = [[line.get("parts", {}).get(name, 0.0) for line in lines] for name in names]
        if len(x) > 1:
            axes.stackplot(x, stacks, labels=names, colors=PALETTE, alpha=0.85, linewidth=0)
        else:
            below = 0.0
            for name, colour, stack in zip(names, PALETTE, stacks, strict=False):
                axes.bar(x, stack, bottom=below, label=name, color=colour)
                below += stack[0]
        _finish(axes, "seconds")
        axes.set_ylim(bottom=0)
        figure.legend(ncols=5, fontsize=9, loc="outside upper left")
        return to_svg(figure)


def _line(
    axes: Axes, points: Sequence[tuple[int, float | None]], colour: str, label: str | None, *, width: float
) -> None:
    """A line with gaps where there is no value; a mark where there is a single point."""
    kept = _thinned(points)
    values = [float("nan") if value is None else value for _, value in kept]
    mark = "o" if len(kept) == 1 else None
    axes.plot([number for number, _ in kept], values, color=colour, linewidth=width, label=label, marker=mark)


def _finish(axes: Axes, label: str) -> None:
    axes.set_xlabel("round")
    axes.set_ylabel(label)
    axes.grid(axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _thinned(values: Sequence[Value]) -> list[Value]:
    """At most `MOST_POINTS` of them, the last included."""
    step = max(1, -(-len(values) // MOST_POINTS))
    kept = list(values[::step])
    return kept if not values or kept[-1] is values[-1] else [*kept, values[-1]]
