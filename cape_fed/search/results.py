"""Schema of a search's ``results.json``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from cape_fed.search.config import SearchConfig

Ending = Literal["complete", "given up", "failed"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Recipe(_Part):
    """What was tried, and what came out."""

    number: int
    """In the order in which recipes were drawn; one that was interrupted has another one when it is tried again."""
    values: dict[str, str]
    """By name of the search's space."""
    overrides: list[str]
    """The same as changes of the configuration."""
    worlds: list[float]
    """The score in each world, as far as it was tried."""
    ending: Ending
    """``given up``: see `run_search`."""
    failure: str | None = None

    @property
    def score(self) -> float:
        """The mean over the worlds in which it was tried; NaN without any."""
        return sum(self.worlds) / len(self.worlds) if self.worlds else float("nan")


class SearchResults(_Part):
    """All recipes of a search."""

    search: SearchConfig
    overrides: list[str]
    """Changes of the command line, which all recipes have in common too."""
    recipes: list[Recipe]
    importance: dict[str, float]
    """Share of the scores' variance that each setting explains, by fANOVA; empty for few recipes or equal scores."""

    @property
    def where(self) -> str:
        """What every recipe was tried in: a world, or on stores of one's own a seed."""
        return "seed" if self.search.is_on_stores(self.overrides) else "world"

    @property
    def ranked(self) -> list[Recipe]:
        """The recipes that were tried in all worlds, best first."""
        complete = [recipe for recipe in self.recipes if recipe.ending == "complete"]
        return sorted(complete, key=lambda recipe: -recipe.score)

    @property
    def reference(self) -> Recipe | None:
        """The one that the others have to beat, where it was tried in all worlds."""
        values = self.search.recipe(self.search.parameters(self.search.reference))
        return next((recipe for recipe in self.ranked if recipe.values == values), None)
