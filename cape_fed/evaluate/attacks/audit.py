"""Audit of a released encoder: how many of the patients it was trained on can be told from those who were held out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cape_fed.errors import InputError
from cape_fed.evaluate.attacks.encoder import Views, attack_encoder
from cape_fed.release.membership import Membership
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.release.seen import split_of_run
from cape_fed.release.views import embed_views
from cape_fed.seeds import derive_rng
from cape_fed.store.split import check_disjoint
from cape_fed.store.store import Store

Rows = NDArray[np.int64]


def audit_encoder(
    bundle: Path, encoder: PretrainedEncoder, stores: Sequence[Store], patients: int, views: int, seed: int
) -> Membership:
    """Attack the encoder of ``bundle`` with the training cohorts' own train and test patients.

    Of each cohort's members and others at most ``patients`` are tried, with ``views`` augmented recordings each. Raises
    InputError for cohorts that the encoder was not trained on, for a patient in two of them and for too few held-out
    patients.
    """
    strange = [
        store.cohort for store in stores if not encoder.provenance.trained_as(store.cohort, store.meta.fingerprint)
    ]
    if strange:
        raise InputError(f"{bundle} was not trained on {', '.join(strange)}: it has no members there")
    for number, store in enumerate(stores):
        check_disjoint([store], stores[number + 1 :])
    members: list[Views] = []
    others: list[Views] = []
    for store in stores:
        split = split_of_run(bundle, encoder, store)
        for found, rows in ((members, split.train), (others, split.test)):
            chosen = _some_patients(store, rows, patients, seed)
            if len(chosen):
                found.append(embed_views(encoder, store, chosen, rows, views, seed))
    if not members or not others:
        raise InputError(f"{bundle}: its cohorts have no patients trained on, or none held out, in these stores")
    return attack_encoder(np.concatenate(members), np.concatenate(others), seed)


def _some_patients(store: Store, rows: Rows, most: int, seed: int) -> Rows:
    """Codes of at most so many of the patients of some rows, drawn by the seed, ascending."""
    codes = np.unique(store.patients[rows])
    if len(codes) <= most:
        return codes
    return np.sort(derive_rng(seed, "membership patients", store.cohort).choice(codes, most, replace=False))
