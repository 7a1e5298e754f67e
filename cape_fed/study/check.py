"""What would keep the cells of a study from being trained or measured, found before any of them is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cape_fed.config import RunConfig, flat_paths
from cape_fed.errors import InputError
from cape_fed.evaluate.cohorts import make_cohorts
from cape_fed.pretrain.cohorts import Cohort, open_stores, split_stores
from cape_fed.pretrain.workbench import require_full_batches
from cape_fed.study.plan import Cell, Placed
from cape_fed.study.train import UNTRAINED, training_splits


def check_cells(plan: Sequence[Placed]) -> None:
    """InputError for stores that do not go together, and for the first cell that cannot be trained; writes nothing."""
    for placed in _distinct(plan, _what_stores_matter):
        _check_stores(placed.cell.config)
    for placed in _distinct(plan, _what_matters):
        try:
            _check_training(placed.cell)
        except InputError as error:
            where = ", ".join(filter(None, (placed.level, placed.panel)))
            raise InputError(f"question {placed.question} ({where}): {error}") from error


def _distinct(plan: Sequence[Placed], what: Callable[[Cell], str]) -> list[Placed]:
    """The first of those that are alike: large archives are not split once a cell."""
    found: dict[str, Placed] = {}
    for placed in plan:
        found.setdefault(what(placed.cell), placed)
    return list(found.values())


def _what_stores_matter(cell: Cell) -> str:
    return repr((cell.config.data, cell.config.split))


def _what_matters(cell: Cell) -> str:
    """All on which `_check_training` depends; the seed matters to subsets."""
    config = cell.config
    batches = (config.batching, config.positives, config.train.pairs, cell.keys.pretraining)
    subset = (cell.subset, cell.level, config.seed) if cell.subset else None
    return repr((config.data.train, config.split, batches, subset))


def _check_stores(config: RunConfig) -> None:
    """Every store opens, all have one profile and names of their own, and nobody is both ID and OOD."""
    train = flat_paths(config.data.train)
    stores = open_stores([*train, *flat_paths(config.data.evaluate)])
    make_cohorts(stores[: len(train)], stores[len(train) :], split_stores(stores, config.split), [])


def _check_training(cell: Cell) -> None:
    """The cell's subset can be drawn, and its patients fill a batch: of each cohort where each trains by itself."""
    if cell.keys.pretraining in UNTRAINED:
        return
    stores = open_stores(flat_paths(cell.config.data.train))
    splits = training_splits(cell, stores)
    cohorts = [Cohort(store, splits[store.cohort]) for store in stores if len(splits[store.cohort].train)]
    for together in [cohorts] if cell.keys.pretraining == "central" else [[own] for own in cohorts]:
        require_full_batches(together, cell.config.pretraining)
