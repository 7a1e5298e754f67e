"""Where a recipe is tried: in a synthetic world, or with a seed on stores of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cape_fed.config import RunConfig
from cape_fed.errors import InputError
from cape_fed.pretrain.cohorts import open_stores
from cape_fed.pretrain.workbench import check_batches
from cape_fed.search.config import SEED, STORES, SearchConfig
from cape_fed.search.recipe import scored_tasks
from cape_fed.study.worlds import World, require_enough_patients


class Place(Protocol):
    """What differs between two trials of one recipe."""

    @property
    def overrides(self) -> list[str]:
        """Seed and, in a world, stores."""
        ...

    def standing(self) -> AbstractContextManager[None]:
        """Have its stores there meanwhile."""
        ...

    def require_enough(self, config: RunConfig) -> None:
        """InputError where the training patients do not fill a batch."""
        ...

    def require_score(self, config: RunConfig) -> None:
        """InputError where too few patients validate for any task."""
        ...


@dataclass(frozen=True)
class InWorld:
    """A world, whose number is the seed too."""

    world: World

    @property
    def overrides(self) -> list[str]:
        """See `Place`."""
        sites = ",".join(f"'{path}'" for path in self.world.sites.train)
        return [f"{STORES}=[{sites}]", f"{SEED}={self.world.number}"]

    def standing(self) -> AbstractContextManager[None]:
        """See `Place`."""
        return self.world.standing()

    def require_enough(self, config: RunConfig) -> None:
        """See `Place`."""
        require_enough_patients("patients", self.world.patients, config)

    def require_score(self, config: RunConfig) -> None:
        """See `Place`; of patients who are not drawn yet it is known that both kinds are half of them at best."""
        cohorts, fewest = len(self.world.sites.train), config.evaluation.min_patients
        validating = round(cohorts * config.split.valid * self.world.patients)
        if validating < 2 * fewest:
            raise InputError(
                f"patients={self.world.patients} leaves {validating} to validate in {cohorts} cohorts, and a task "
                f"takes {fewest} + {fewest}: raise patients or split.valid, or lower evaluation.min_patients"
            )


@dataclass(frozen=True)
class OnStores:
    """The stores that the search or its command names."""

    seed: int

    @property
    def overrides(self) -> list[str]:
        """See `Place`."""
        return [f"{SEED}={self.seed}"]

    def standing(self) -> AbstractContextManager[None]:
        """See `Place`."""
        return nullcontext()

    def require_enough(self, config: RunConfig) -> None:
        """See `Place`."""
        check_batches(open_stores([site[0] for site in config.data.train]), config.pretraining)

    def require_score(self, config: RunConfig) -> None:
        """See `Place`."""
        if not scored_tasks(config):
            fewest = config.evaluation.min_patients
            raise InputError(
                f"no task has {fewest} patients of either kind among those who train and {fewest} among those who "
                "validate: give larger stores, raise split.valid, or lower evaluation.min_patients"
            )


def places_of(search: SearchConfig, overrides: Sequence[str], out: Path) -> list[Place]:
    """Where every recipe of a search is tried, in this order."""
    if search.is_on_stores(overrides):
        return [OnStores(number) for number in search.worlds]
    return [InWorld(World(number, search.patients, out / "worlds" / f"{number:04d}")) for number in search.worlds]
