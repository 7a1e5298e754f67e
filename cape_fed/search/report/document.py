"""``report.html`` and ``recipes.svg`` of a search."""

from __future__ import annotations

from pathlib import Path

from cape_fed.files import atomic_file
from cape_fed.report.numbers import decimal
from cape_fed.report.page import render_page, svg_picture, write_page
from cape_fed.search.report.figure import recipe_figure
from cape_fed.search.results import SearchResults

PICTURE = "recipes.svg"
SHOWN = 10
"""Recipes in the table."""


def report_search(results: SearchResults, out: Path) -> None:
    """Write both into ``out``; without a recipe that was tried in all worlds, the page says so and has no picture."""
    svg = recipe_figure(results) if results.ranked else None
    picture = svg_picture("recipes", svg) if svg else None
    page = render_page(
        __package__,
        {"score": lambda value: decimal(value, 4), "difference": lambda value: decimal(value, 4, sign=True)},
        results=results,
        sentences=sentences(results),
        picture=picture,
        shown=results.ranked[:SHOWN],
        names=list(results.search.space),
    )
    write_page(page, out)
    if svg:
        with atomic_file(out / PICTURE) as partial:
            partial.write_text(svg, encoding="utf-8")


def sentences(results: SearchResults) -> list[str]:
    """What came out, for the page and the terminal."""
    worlds, where = len(results.search.worlds), results.where
    counts = {
        "were given up": sum(recipe.ending == "given up" for recipe in results.recipes),
        "failed": sum(recipe.ending == "failed" for recipe in results.recipes),
    }
    ended = "; ".join(f"{count} {how}" for how, count in counts.items() if count)
    tried = f"{len(results.recipes)} recipes were tried in up to {worlds} {where}{'s' * (worlds > 1)}"
    found = [f"{tried}{'; ' * bool(ended)}{ended}."]
    if not results.ranked:
        return [*found, f"None was tried in all {where}s."]
    best, reference = results.ranked[0], results.reference
    found.append(f"The best has an AUROC of {decimal(best.score, 4)} on validation patients of its training cohorts.")
    if best == reference:
        return [*found, "That is the reference: no other recipe was better."]
    if reference is not None:
        apart = [one - other for one, other in zip(best.worlds, reference.worlds, strict=True)]
        mean, least = (decimal(value, 4, sign=True) for value in (sum(apart) / worlds, min(apart)))
        found.append(
            f"The reference has {decimal(reference.score, 4)}: the difference is {mean} on average and {least} in the "
            f"{where} where it is smallest. The best of many is flattered by chance: compare both in other {where}s."
        )
    return found
