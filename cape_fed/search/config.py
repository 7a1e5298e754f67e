"""What a search file says: which settings are tried, and in which worlds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from cape_fed.compose import read_named
from cape_fed.section import Section

Setting = Annotated[str, BeforeValidator(lambda value: value if isinstance(value, dict | list) else str(value))]
"""A value as an override writes it, whatever type YAML gave it."""

STORES, SEED = "data.train", "seed"


class Range(Section):
    """Any number between two."""

    low: float
    high: float
    log: bool = Field(default=False, description="whether ratios matter, not differences")

    @model_validator(mode="after")
    def _goes_upwards(self) -> Self:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("low has to be below high, and above 0 where log is true")
        return self

    @property
    def ends(self) -> tuple[str, str]:
        """Both as an override writes them."""
        return f"{self.low:g}", f"{self.high:g}"

    @property
    def between(self) -> str:
        """A value between both as an override writes it, no whole number where recipes can have others."""
        found = [as_written(self._at(share)) for share in (0.618, 0.0618)]
        return next((value for value in found if not float(value).is_integer()), found[0])

    def _at(self, share: float) -> float:
        return self.low * (self.high / self.low) ** share if self.log else self.low + share * (self.high - self.low)


def as_written(value: float) -> str:
    """A number of a range as a recipe's override has it."""
    return f"{value:.4g}"


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"the reference's {name}={value} is no number") from None


Space = dict[str, Range | dict[str, tuple[str, ...]] | Annotated[tuple[Setting, ...], Field(min_length=2)]]
"""By key of the configuration a range or its values; by any other name, choices with the overrides that they mean."""


class SearchConfig(Section):
    """A search file."""

    title: str
    settings: tuple[str, ...] = Field(default=(), description="overrides that all recipes have in common")
    worlds: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        min_length=1,
        description="numbers of the worlds in which every recipe is tried, one after the other; on stores: seeds",
    )
    patients: int = Field(default=1000, gt=0, description="patients of every cohort of a world; on stores of no use")
    space: Space = Field(min_length=1)
    reference: dict[str, Setting] = Field(description="the recipe that is tried first, which the others have to beat")
    at_random: int = Field(default=10, gt=0, description="recipes that are drawn before any is learnt from or given up")

    @model_validator(mode="after")
    def _reference_is_in_the_space(self) -> Self:
        if set(self.reference) != set(self.space):
            raise ValueError(f"the reference needs a value for each of {', '.join(self.space)}, and for nothing else")
        for name, value in self.reference.items():
            options = self.space[name]
            if isinstance(options, Range):
                if not options.low <= _number(name, value) <= options.high:
                    raise ValueError(f"the reference's {name}={value} is outside {options.low:g} to {options.high:g}")
            elif value not in options:
                raise ValueError(f"the reference's {name}={value} is none of {', '.join(options)}")
        return self

    def is_on_stores(self, overrides: Iterable[str]) -> bool:
        """Whether its settings or those of the command name stores, on which recipes are tried in place of worlds."""
        return any(key_of(text) == STORES for text in (*self.settings, *overrides))

    def choices(self) -> Iterator[tuple[str, str]]:
        """Every value that a recipe may have, by name; of a range its ends and one between them."""
        for name, options in self.space.items():
            values = (*options.ends, options.between) if isinstance(options, Range) else options
            yield from ((name, value) for value in values)

    def recipe(self, parameters: Mapping[str, Any]) -> dict[str, str]:
        """A recipe, one value by name as an override writes it, from Optuna's parameters."""
        return {
            name: as_written(parameters[name]) if isinstance(options, Range) else str(parameters[name])
            for name, options in self.space.items()
        }

    def parameters(self, recipe: Mapping[str, str]) -> dict[str, Any]:
        """Optuna's parameters for a recipe."""
        return {name: float(value) if isinstance(self.space[name], Range) else value for name, value in recipe.items()}

    def overrides(self, recipe: Mapping[str, str]) -> list[str]:
        """What a recipe changes in the configuration."""
        found: list[str] = []
        for name, value in recipe.items():
            options = self.space[name]
            found += options[value] if isinstance(options, dict) else [f"{name}={value}"]
        return found


def key_of(override: str) -> str:
    """The key that an override sets."""
    return override.partition("=")[0].lstrip("+~")


def read_search(name: str) -> SearchConfig:
    """A search that comes with cape-fed, by name, or a file of one's own; InputError where it is not one."""
    return read_named(name, "search", "search", SearchConfig)
