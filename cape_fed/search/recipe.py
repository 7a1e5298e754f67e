"""One recipe in one world: an encoder trained by it, and how well it does on patients who validate."""

from __future__ import annotations

import shutil
from functools import partial

import numpy as np
import torch

from cape_fed.config import RunConfig
from cape_fed.errors import RunError
from cape_fed.evaluate.probes.representation import Representation
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
    shown = {store.cohort: without_test(store, splits[store.cohort]) for store in stores}
    measures, _ = measure(method, stores, [], shown, config.evaluation, {})
    shutil.rmtree(config.out)
    if SCORE not in measures:
        raise RunError("no label has enough train and validation patients of either kind: take more patients")
    return measures[SCORE].point


def without_test(store: Store, split: Split) -> Split:
    """Patients who validate in the place of those who test, and an eighth of those who train in theirs."""
    patients = np.unique(store.patients[split.train])
    chosen = np.random.default_rng(0).permutation(patients)[: max(1, len(patients) // _EIGHTH)]
    is_chosen = np.isin(store.patients[split.train], chosen)
    return Split(train=split.train[~is_chosen], valid=split.train[is_chosen], test=split.valid)
