"""Pretraining of one trial: from its settings to the encoders that are measured."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import pandas as pd

from cape_fed.config import RunConfig
from cape_fed.jobs import pretrain_centrally
from cape_fed.pretrain.cohorts import open_stores, split_stores
from cape_fed.pretrain.config import SplitConfig
from cape_fed.progress import no_progress
from cape_fed.release.bundle import MODEL
from cape_fed.rundir import RunDirectory
from cape_fed.store.split import Split
from cape_fed.store.store import Store
from cape_fed.study.plan import Trial
from cape_fed.study.population import training_patients
from cape_fed.study.subsets import balance, draw_subsets

UNTRAINED = ("untrained", "demographics", "handmade")
"""Kinds of pretraining that are none."""


def pretrain_trial(trial: Trial, directory: Path) -> list[RunDirectory]:
    """Train what the trial asks for below ``directory``: one run, or one run a cohort where each trains by itself.

    Nothing for a method that is not trained. A run that was interrupted goes on.
    """
    if trial.keys.pretraining in UNTRAINED:
        return []
    stores = open_stores([site[0] for site in trial.config.data.train])
    splits = {name: split for name, split in training_splits(trial, stores).items() if len(split.train)}
    taking_part = [store for store in stores if store.cohort in splits]
    if trial.keys.pretraining == "local":
        return [_train(trial, [store], splits, len(stores), directory / store.cohort) for store in taking_part]
    return [_train(trial, taking_part, splits, len(taking_part), directory / "run")]


def training_splits(trial: Trial, stores: list[Store]) -> dict[str, Split]:
    """By cohort, the run's split with the training part cut down to the trial's subset."""
    splits = split_stores(stores, trial.config.split)
    if trial.subset is None or trial.level is None:
        return splits
    patients = _patients(tuple(store.path for store in stores), trial.config.split)
    chosen = patients.iloc[draw_subsets(patients, trial.subset, trial.config.seed)[trial.level]]
    return {
        store.cohort: _keep(store, splits[store.cohort], set(chosen.loc[chosen["cohort"] == number, "patient"]))
        for number, store in enumerate(stores)
    }


def describe_subset(trial: Trial) -> dict[str, float]:
    """Who the patients of a trial's subset are, see `balance`; empty where it has none.

    Raises InputError where the subset cannot be drawn.
    """
    if trial.subset is None or trial.level is None:
        return {}
    patients = _patients(tuple(site[0] for site in trial.config.data.train), trial.config.split)
    row = balance(patients, draw_subsets(patients, trial.subset, trial.config.seed)).loc[trial.level]
    return {str(name): float(value) for name, value in row.items()}


@lru_cache(maxsize=8)
def _patients(paths: tuple[Path, ...], config: SplitConfig) -> pd.DataFrame:
    """The training patients of some stores: the same for most trials of a study."""
    stores = open_stores(paths)
    return training_patients(stores, split_stores(stores, config))


def _keep(store: Store, split: Split, patients: set[int]) -> Split:
    return split._replace(train=split.train[[code in patients for code in store.patients[split.train].tolist()]])


def _train(trial: Trial, stores: list[Store], splits: Mapping[str, Split], sites: int, out: Path) -> RunDirectory:
    run = RunDirectory(out)
    if (run.bundle / MODEL).exists():
        return run
    config = run_config(trial, stores, sites, out)
    if trial.keys.pretraining == "federated":
        from cape_fed.simulation import simulate_federation  # imports Flower

        simulate_federation(config, no_progress, workers=1, splits=splits)
    else:
        pretrain_centrally(config, no_progress, splits)
    return run


def run_config(trial: Trial, stores: list[Store], sites: int, out: Path) -> RunConfig:
    """The configuration of one of the trial's runs on ``stores``, out of ``sites`` sites.

    With a budget of epochs all methods see about as many pairs of each patient: a site takes its share of
    ``train.steps``; cyclic and partial participation take more rounds for it. With a budget of steps every site takes
    ``train.steps``.
    """
    steps = trial.config.train.steps
    own = steps if trial.keys.budget == "steps" else steps / sites
    plain = trial.config.model_dump()
    plain |= {"data": {"train": [store.path for store in stores]}, "out": out}
    plain["resume"] = RunDirectory(out).config.exists()
    if trial.keys.pretraining == "federated":
        from cape_fed.methods.registry import method_class  # imports Flower

        federation = trial.config.federation
        share = method_class(federation.strategy).share_asked(sites, federation.participation)
        rounds = max(1, round(own / federation.local_steps / share))
        plain["federation"] |= {
            "rounds": rounds,
            "measure_every": rounds,
            "evaluate": False,
            "checkpoint_every": rounds,
        }
    elif trial.keys.pretraining == "local":
        plain["train"] |= {"steps": max(1, round(own))}
    return RunConfig.model_validate(plain)
