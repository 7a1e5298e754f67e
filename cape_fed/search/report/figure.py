"""The picture of a search: every recipe's score by each of its settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from cape_fed.report.style import INK, PALETTE, QUIET, RC, panel_grid, to_svg
from cape_fed.search.config import Range
from cape_fed.search.results import Recipe, SearchResults

_MOST = 3


def recipe_figure(results: SearchResults) -> str:
    """One panel a setting, the ones that explain most first; recipes that were given up have no point."""
    space = results.search.space
    names = sorted(space, key=lambda name: -results.importance.get(name, 0.0))
    with mpl.rc_context(RC):
        figure, panels = panel_grid(len(names), _MOST, 9.6)
        for axes, name in zip(panels, names, strict=True):
            options = space[name]
            if isinstance(options, Range):
                _draw_numbers(axes, name, options, results)
            else:
                _draw_choices(axes, name, list(options), results)
            share = results.importance.get(name)
            axes.set_title(name if share is None else f"{name}: {100 * share:.0f} %")
            axes.grid(axis="y")
        for axes in panels[::_MOST]:
            axes.set_ylabel("AUROC, validation")
        return to_svg(figure)


def _draw_numbers(axes: Axes, name: str, options: Range, results: SearchResults) -> None:
    _draw(axes, [float(recipe.values[name]) for recipe in results.ranked], results)
    if options.log:
        axes.set_xscale("log")
        ticks = [tick for tick in axes.get_xticks() if options.low <= tick <= options.high]
        ends = sorted({options.low, *ticks, options.high})
        axes.set_xticks(ends, [f"{end:g}" for end in ends])
        axes.minorticks_off()


def _draw_choices(axes: Axes, name: str, options: Sequence[str], results: SearchResults) -> None:
    places = [options.index(recipe.values[name]) for recipe in results.ranked]
    spread = np.random.default_rng(0).uniform(-0.15, 0.15, len(places))
    _draw(axes, [place + aside for place, aside in zip(places, spread, strict=True)], results)
    axes.set_xticks(range(len(options)), options)
    axes.set_xlim(-0.5, len(options) - 0.5)
    if max(map(len, options)) > 12:
        axes.tick_params(axis="x", rotation=20)


def _draw(axes: Axes, places: Sequence[float], results: SearchResults) -> None:
    for place, recipe in zip(places, results.ranked, strict=True):
        axes.plot(place, recipe.score, **_mark(recipe, results))


def _mark(recipe: Recipe, results: SearchResults) -> dict[str, Any]:
    """The best one is orange, the reference a black diamond."""
    if recipe == results.ranked[0]:
        return {"marker": "o", "color": PALETTE[1], "markersize": 8, "zorder": 3}
    if recipe == results.reference:
        return {"marker": "D", "color": INK, "markersize": 6, "zorder": 2}
    return {"marker": "o", "color": QUIET, "markersize": 4, "alpha": 0.7}
