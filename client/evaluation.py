"""A site's part in a federated evaluation: sums and cells leave it, embeddings stay."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

import numpy as np
from flwr.app import Message
from numpy.typing import NDArray
from torch import Tensor

from cape_fed.evaluate.cohorts import EvaluatedCohort, site_cohorts
from cape_fed.evaluate.federated.cells import transfer_cells, within_cells
from cape_fed.evaluate.federated.sums import site_sums
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.representation import Representation
from cape_fed.evaluate.targets.registry import task_names
from cape_fed.federation.evaluation import Records, cells_records, has_probes, read_probes, sums_records
from cape_fed.federation.messages import Task
from cape_fed.federation.validation import RefusedError
from cape_fed.files import atomic_file
from cape_fed.pretrain.cohorts import open_cohorts
from cape_fed.pretrain.encoder import SIZES, build_encoder, encoder_config
from cape_fed.pretrain.workbench import choose_device
from cape_fed.release.embed import embed_store
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.store.store import Store
from client.site import SiteConfig

EMBEDDED = "embedded"
"""Where embeddings wait for the probes, under the run's directory at the site."""


def give_sums(task: Task, asked: EvaluateOptions, tensors: Mapping[str, Tensor], site: SiteConfig) -> Records:
    """Records with sums towards the transfer probes: see `site_sums` for what keeps patients out of them."""
    method, cohorts = _method(task, tensors, site), _cohorts(task, site)
    features = {cohort.name: method.features(cohort.store) for cohort in cohorts}
    minimum = _options(asked, site).min_patients
    return sums_records(site_sums(cohorts, features, method, minimum), SIZES[task.config.model].dim)


def score_probes(message: Message, task: Task, tensors: Mapping[str, Tensor], site: SiteConfig) -> Records:
    """Records with the cells of the coordinator's transfer probes and of the site's own; none without probes."""
    if not has_probes(message.content):
        return {}
    try:
        probes, asked = read_probes(message.content, SIZES[task.config.model].dim)
    except ValueError as error:
        raise RefusedError("probes", str(error)) from error
    method, cohorts, options = _method(task, tensors, site), _cohorts(task, site), _options(asked, site)
    features = {cohort.name: method.features(cohort.store) for cohort in cohorts}
    return cells_records(
        {
            "transfer": transfer_cells(cohorts, features, method, probes, options),
            "within": within_cells(cohorts, features, method, options),
        }
    )


def _cohorts(task: Task, site: SiteConfig) -> list[EvaluatedCohort]:
    opened = open_cohorts(site.stores, task.config.split, site.splits(task.run))
    stores = [cohort.store for cohort in opened]
    splits = {cohort.name: cohort.split for cohort in opened}
    return site_cohorts(stores, "id" if task.role == "train" else "ood", splits, task_names(stores))


def _options(asked: EvaluateOptions, site: SiteConfig) -> EvaluateOptions:
    """The coordinator's settings, with no smaller cells than the site allows."""
    return asked.model_copy(update={"min_patients": max(asked.min_patients, site.limits.min_patients)})


def _method(task: Task, tensors: Mapping[str, Tensor], site: SiteConfig) -> Representation:
    """The encoder as a representation whose embeddings are kept in the site's files until another one comes."""
    digest = blake2b(digest_size=8)
    for name in sorted(tensors):
        digest.update(tensors[name].numpy().tobytes())
    kept = site.state / task.run / EMBEDDED / digest.hexdigest()

    def embed(store: Store) -> NDArray[np.float32]:
        path = kept / f"{store.meta.fingerprint}.npy"
        if not path.exists():
            _forget_others(kept)
            model = build_encoder(encoder_config(task.config))
            model.load_state_dict(dict(tensors))
            encoder = PretrainedEncoder(model.to(choose_device(site.device)), store.profile, {})
            with atomic_file(path) as partial, partial.open("wb") as file:
                np.save(file, embed_store(encoder, store))
        embedded: NDArray[np.float32] = np.load(path)
        return embedded

    return Representation("encoder", embed)


def _forget_others(kept: Path) -> None:
    for path in kept.parent.glob("*"):
        if path != kept:
            shutil.rmtree(path, ignore_errors=True)
