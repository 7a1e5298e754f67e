"""A site's part in a federated evaluation: sums and cells leave it, embeddings stay."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cape_fed.evaluate.cohorts import EvaluatedCohort, site_cohorts
from cape_fed.evaluate.federated.cells import transfer_cells, within_cells
from cape_fed.evaluate.federated.dimensions import projection
from cape_fed.evaluate.federated.sums import site_sums, with_enough
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.representation import Representation
from cape_fed.federation.evaluation import cells_records, has_probes, read_probes, sums_records
from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.messages import Records, Request
from cape_fed.federation.validation import RefusedError
from cape_fed.files import PRIVATE, atomic_file
from cape_fed.pretrain.cohorts import open_cohorts
from cape_fed.pretrain.device import choose_device
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.release.embed import embed_store
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.site.config import SiteConfig
from cape_fed.site.errors import PolicyError
from cape_fed.site.incoming import Incoming
from cape_fed.site.labels import allowed_tasks
from cape_fed.site.policy import Policy
from cape_fed.store.store import Store

log = logging.getLogger(__name__)

PROJECTION = "projection.json"
"""What the sums of a run are projected by, under the run's directory at the site."""
EMBEDDED = "embedded"
"""Where embeddings wait for the probes, under the run's directory at the site."""


def give_sums(incoming: Incoming, asked: EvaluateOptions, tensors: Mapping[str, Tensor], policy: Policy) -> Records:
    """Records with sums towards the transfer probes: see `site_sums` for what keeps patients out of them.

    The records summed are chosen by the site's own minimum. By one that the coordinator names they would be others for
    every number it names, and the difference of two sums that of a patient.
    """
    request, site = incoming.request, policy.site
    method, cohorts = _representation(request, tensors, site), _cohorts(request, site)
    width, dimensions = request.config.encoder_config.dim, asked.dimensions or 0
    _keep_to_one_projection(site.run_folder(request.run), width, dimensions, request.config.seed)
    columns = projection(width, dimensions, request.config.seed)
    features = {cohort.name: method.features(cohort.store) @ columns for cohort in cohorts}
    limits = site.limits
    sums = site_sums(cohorts, features, method, limits.min_patients, limits.patients_per_dimension)
    sums = with_enough(sums, policy.evaluation(asked).min_patients)
    if not sums:
        log.warning("site %s: has too few patients for sums over %d dimensions and gives none", site.name, dimensions)
    return sums_records(sums)


def _keep_to_one_projection(folder: Path, width: int, dimensions: int, seed: int) -> None:
    """Remember what a run projects its sums by; PolicyError where it asks for another projection later.

    Sums over several random projections of one encoder would together be over more dimensions than each is.
    """
    path, asked = folder / PROJECTION, {"width": width, "dimensions": dimensions, "seed": seed}
    if not path.exists():
        with atomic_file(path) as partial:
            partial.write_text(json.dumps(asked))
    elif json.loads(path.read_text()) != asked:
        raise PolicyError("sums were asked for over other dimensions than before in this run", SiteFailure.SUMS)


def score_probes(incoming: Incoming, tensors: Mapping[str, Tensor], policy: Policy) -> Records:
    """Records with the cells of the coordinator's transfer probes and of the site's own; none without probes."""
    if not has_probes(incoming.content):
        return {}
    request = incoming.request
    try:
        probes, asked = read_probes(incoming.content, request.config.encoder_config.dim)
    except ValueError as error:
        raise RefusedError("probes", str(error)) from error
    method, cohorts = _representation(request, tensors, policy.site), _cohorts(request, policy.site)
    options = policy.evaluation(asked)
    features = {cohort.name: method.features(cohort.store) for cohort in cohorts}
    return cells_records(
        {
            "transfer": transfer_cells(cohorts, features, method, probes, options),
            "within": within_cells(cohorts, features, method, options),
        }
    )


def _cohorts(request: Request, site: SiteConfig) -> list[EvaluatedCohort]:
    opened = open_cohorts(site.stores, request.config.split, site.splits(request.run))
    stores = [cohort.store for cohort in opened]
    splits = {cohort.name: cohort.split for cohort in opened}
    return site_cohorts(stores, "id" if request.role == "train" else "ood", splits, allowed_tasks(stores, site))


def _representation(request: Request, tensors: Mapping[str, Tensor], site: SiteConfig) -> Representation:
    """The encoder as a representation whose embeddings are kept in the site's files until another one comes."""
    digest = blake2b(digest_size=8)
    for name in sorted(tensors):
        digest.update(tensors[name].numpy().tobytes())
    folder = site.run_folder(request.run) / EMBEDDED / digest.hexdigest()

    def embed(store: Store) -> NDArray[np.float32]:
        path = folder / f"{store.meta.fingerprint}.npy"
        if not path.exists():
            _forget_others(folder)
            model = build_encoder(request.config.encoder_config)
            model.load_state_dict(dict(tensors))
            encoder = PretrainedEncoder(model.to(choose_device(site.device)), store.profile)
            with atomic_file(path, PRIVATE) as partial, partial.open("wb") as file:
                np.save(file, embed_store(encoder, store))
        embedded: NDArray[np.float32] = np.load(path)
        return embedded

    return Representation("encoder", embed)


def _forget_others(folder: Path) -> None:
    for path in folder.parent.glob("*"):
        if path != folder:
            shutil.rmtree(path, ignore_errors=True)
