"""One recipe in one world: an encoder trained by it, and how well it does on patients who validate."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch

from cape_fed.config import RunConfig
from cape_fed.errors import RunError
from cape_fed.evaluate.cohorts import EvaluatedCohort, Rows, make_cohorts
from cape_fed.evaluate.probes.representation import Representation
from cape_fed.evaluate.targets.registry import is_regression, task_names
from cape_fed.evaluate.targets.support import Support, support_of
from cape_fed.jobs import pretrain_centrally
from cape_fed.pretrain.cohorts import open_stores, split_stores
from cape_fed.pretrain.device import choose_device
from cape_fed.progress import no_progress
from cape_fed.release.bundle import load_encoder
from cape_fed.release.embed import embed_store
from cape_fed.rundir import RunDirectory
from cape_fed.store.split import Split
from cape_fed.store.store import Store
from cape_fed.study.measure import measure

SCORE = "auroc/id"
_EIGHTH = 8


def try_recipe(config: RunConfig) -> float:
    """Mean AUROC over sex and labels on the validation patients of all training cohorts.

    The encoder is trained on the train patients. Probes are fitted on seven eighths of them, their penalty is chosen on
    the rest. Test patients and cohorts outside training have no part in it. RunError where there is no task.
    """
    torch.set_num_threads(config.threads or 1)
    stores = open_stores([site[0] for site in config.data.train])
    splits = split_stores(stores, config.split)
    shutil.rmtree(config.out, ignore_errors=True)
    run = RunDirectory(config.out)
    pretrain_centrally(config, no_progress, splits)
    method = Representation("recipe", partial(embed_store, load_encoder(run.bundle, str(choose_device(config.device)))))
    measures, _ = measure(method, stores, [], _shown(stores, splits), config.evaluation, {})
    shutil.rmtree(config.out)
    if SCORE not in measures:
        raise RunError("no label has enough train and validation patients of either kind: take more patients")
    return measures[SCORE].point


def scored_tasks(config: RunConfig) -> list[str]:
    """Tasks with enough train and validation patients of either kind for a score, which needs one of them."""
    stores = open_stores([site[0] for site in config.data.train])
    shown = _shown(stores, split_stores(stores, config.split))
    cohorts, fewest = make_cohorts(stores, [], shown, tasks := task_names(stores)), config.evaluation.min_patients

    def supports(task: str, part: Callable[[EvaluatedCohort], Rows]) -> list[Support]:
        return [support_of(own.targets[task][part(own)], own.store.patients[part(own)]) for own in cohorts]

    def enough(task: str) -> bool:
        learnt, tested = supports(task, lambda own: own.train), supports(task, lambda own: own.tested["transfer"])
        # a record is compared with those of its own cohort only, so each brings the patients of its rarer kind
        together = sum(support.strength(task) for support in tested)
        return sum(learnt, Support()).enough(task, fewest) and together >= fewest

    return [task for task in tasks if not is_regression(task) and enough(task)]


def _shown(stores: Sequence[Store], splits: Mapping[str, Split]) -> dict[str, Split]:
    return {store.cohort: without_test(store, splits[store.cohort]) for store in stores}


def without_test(store: Store, split: Split) -> Split:
    """Patients who validate in the place of those who test, and an eighth of those who train in theirs."""
    patients = np.unique(store.patients[split.train])
    chosen = np.random.default_rng(0).permutation(patients)[: max(1, len(patients) // _EIGHTH)]
    is_chosen = np.isin(store.patients[split.train], chosen)
    return Split(train=split.train[~is_chosen], valid=split.train[is_chosen], test=split.valid)
