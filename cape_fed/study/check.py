"""What would keep the cells of a study from being trained or measured, found before any of them is."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from cape_fed.errors import InputError
from cape_fed.evaluate.cohorts import make_cohorts
from cape_fed.pretrain.batching import make_batching
from cape_fed.pretrain.cohorts import Cohort, open_stores, split_stores
from cape_fed.pretrain.config import SplitConfig
from cape_fed.study.plan import Cell, Placed
from cape_fed.study.train import UNTRAINED, training_splits


def check_cells(plan: Iterable[Placed]) -> None:
    """InputError for stores that do not go together, and for the first cell that cannot be trained; writes nothing."""
    checked = set[str]()
    for placed in plan:
        cell = placed.cell
        if (matters := _what_matters(cell)) in checked:
            continue
        checked.add(matters)
        data = cell.config.data
        _check_stores(_flat(data.train), _flat(data.evaluate), cell.config.split)
        try:
            _check_training(cell)
        except InputError as error:
            where = ", ".join(filter(None, (placed.level, placed.panel)))
            raise InputError(f"question {placed.question} ({where}): {error}") from error


def _what_matters(cell: Cell) -> str:
    """All on which the checks of a cell depend: large archives are not split once a cell. Seeds matter to subsets."""
    config = cell.config
    batches = (config.batching, config.positives, config.train.pairs, cell.keys.pretraining)
    subset = (cell.subset, cell.level, config.seed) if cell.subset else None
    return repr((config.data, config.split, batches, subset))


@lru_cache(maxsize=32)
def _check_stores(train: tuple[Path, ...], evaluate: tuple[Path, ...], config: SplitConfig) -> None:
    """Every store opens, all have one profile and names of their own, and nobody is both ID and OOD."""
    stores = open_stores([*train, *evaluate])
    make_cohorts(stores[: len(train)], stores[len(train) :], split_stores(stores, config), [])


def _check_training(cell: Cell) -> None:
    """The cell's subset can be drawn, and its patients fill a batch: of each cohort where each trains by itself."""
    if cell.keys.pretraining in UNTRAINED:
        return
    config = cell.config.pretraining
    stores = open_stores(_flat(cell.config.data.train))
    splits = training_splits(cell, stores)
    pairs = [Cohort(store, splits[store.cohort]).pairs(config) for store in stores if len(splits[store.cohort].train)]
    together = [pairs] if cell.keys.pretraining == "central" else [[own] for own in pairs]
    for cohorts in together:
        make_batching(config.batching, cohorts, config.train.pairs, 1, config.seed)


def _flat(sites: Iterable[Iterable[Path]]) -> tuple[Path, ...]:
    return tuple(path for site in sites for path in site)
