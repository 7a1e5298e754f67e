"""What would keep the trials of a study from being trained or measured, found before any of them is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cape_fed.config import RunConfig, flat_paths
from cape_fed.errors import InputError
from cape_fed.evaluate.cohorts import make_cohorts
from cape_fed.extras import require
from cape_fed.pretrain.cohorts import Cohort, open_stores, split_stores
from cape_fed.pretrain.workbench import require_full_batches
from cape_fed.study.plan import PlannedTrial, Trial
from cape_fed.study.train import UNTRAINED, training_splits


def check_trials(plan: Sequence[PlannedTrial]) -> None:
    """InputError for stores that do not go together, and for the first trial that cannot be trained; writes nothing."""
    for planned in _distinct(plan, _what_stores_matter):
        _check_stores(planned.trial.config)
    for planned in _distinct(plan, _what_matters):
        try:
            _check_training(planned.trial)
        except InputError as error:
            where = ", ".join(filter(None, (planned.level, planned.panel)))
            raise InputError(f"question {planned.question} ({where}): {error}") from error


def check_extras(trials: Iterable[Trial]) -> None:
    """InputError where a trial is a federation and Flower is not installed."""
    if any(trial.keys.pretraining == "federated" for trial in trials):
        require("federation", "flwr", "pretraining=federated")


def check_worlds(trials: Iterable[Trial]) -> None:
    """InputError where the cohorts of a world cannot fill a batch with training patients; makes none of them."""
    for trial in trials:
        if trial.keys.world is None or trial.keys.pretraining in UNTRAINED:
            continue
        train, pairs = int(trial.config.split.fractions[0] * trial.keys.world_patients), trial.config.train.pairs
        if train < pairs:
            raise InputError(
                f"world_patients={trial.keys.world_patients} leaves {train} to train on, and a batch has {pairs} pairs"
            )


def _distinct(plan: Sequence[PlannedTrial], what: Callable[[Trial], str]) -> list[PlannedTrial]:
    """The first of those that are alike: large archives are not split once a trial."""
    found: dict[str, PlannedTrial] = {}
    for planned in plan:
        found.setdefault(what(planned.trial), planned)
    return list(found.values())


def _what_stores_matter(trial: Trial) -> str:
    return repr((trial.config.data, trial.config.split))


def _what_matters(trial: Trial) -> str:
    """All on which `_check_training` depends; the seed matters to subsets."""
    config = trial.config
    batches = (config.batching, config.positives, config.train.pairs, trial.keys.pretraining)
    subset = (trial.subset, trial.level, config.seed) if trial.subset else None
    return repr((config.data.train, config.split, batches, subset))


def _check_stores(config: RunConfig) -> None:
    """Every store opens, all have one profile and names of their own, and nobody is both ID and OOD."""
    train = flat_paths(config.data.train)
    stores = open_stores([*train, *flat_paths(config.data.evaluate)])
    make_cohorts(stores[: len(train)], stores[len(train) :], split_stores(stores, config.split), [])


def _check_training(trial: Trial) -> None:
    """The trial's subset can be drawn, and its patients fill a batch: of each cohort where each trains by itself."""
    if trial.keys.pretraining in UNTRAINED:
        return
    stores = open_stores(flat_paths(trial.config.data.train))
    splits = training_splits(trial, stores)
    cohorts = [Cohort(store, splits[store.cohort]) for store in stores if len(splits[store.cohort].train)]
    for together in [cohorts] if trial.keys.pretraining == "central" else [[own] for own in cohorts]:
        require_full_batches(together, trial.config.pretraining)
