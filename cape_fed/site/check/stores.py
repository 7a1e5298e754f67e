"""What a site brings: its name, its stores, and room for what it keeps."""

from __future__ import annotations

import os
import shutil

from cape_fed.errors import InputError
from cape_fed.federation.names import NAME_RULE, is_name
from cape_fed.pretrain.cohorts import common_profile, open_stores
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.pretrain.workbench import check_batches
from cape_fed.site.check.finding import Finding, Subject, failed, passed, warning

COPIES = 12
"""Sizes of the encoder that a run keeps at a site: a few rounds of optimiser state (two an encoder) and of weights."""
ROOM = 200_000_000
"""Bytes beyond that: logs, splits, embeddings."""


def check_name(subject: Subject) -> Finding:
    """The name has to be the one that the coordinator registered, which a site cannot see; its form can be checked."""
    site = subject.site
    said = f"{site.name}: {site.role}"
    if is_name(site.name):
        return passed(f"{said}; the coordinator has to have registered the key under this name")
    return warning(f"{said}; this is no name that cape-fed provision would give", NAME_RULE)


def check_stores(subject: Subject) -> Finding:
    """The stores open, are of one profile and hold enough patients for numbers to leave and for a batch."""
    site = subject.site
    stores = open_stores(site.stores)
    for store in stores:
        store.gather([0, len(store) - 1])
    held = ", ".join(f"{store.cohort} with {len(store)} records of {store.meta.patients} patients" for store in stores)
    profile = common_profile(stores).name
    if subject.plan is not None and site.role == "train":
        check_batches(stores, subject.plan)
    least = site.limits.min_patients
    if small := [store.cohort for store in stores if store.meta.patients < least]:
        return warning(
            f"{held}; profile {profile}; {', '.join(small)} has fewer than {least} patients, so no number of it leaves",
            "ask whether the coordinator still wants the cohort, or lower limits.min_patients if you may",
        )
    return passed(f"{held}; profile {profile}; at least {least} patients behind what leaves")


def check_disk(subject: Subject) -> Finding:
    """The state directory can be written to and has room for a run."""
    state = subject.site.state
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"state: cannot make {state}: {error.strerror}") from error
    if not os.access(state, os.W_OK):
        raise InputError(f"state: cannot write to {state}: give the directory to the user who runs the site")
    free, needed = shutil.disk_usage(state).free, _needed(subject)
    said = f"state in {state}, {free / 1e9:.1f} GB free"
    if free < needed:
        return failed(
            f"{said}, a run may keep {needed / 1e9:.1f} GB there", "make room, or move state to a larger disk"
        )
    return passed(said)


def _needed(subject: Subject) -> int:
    """Bytes that a run keeps at the site, as far as the plan tells."""
    if subject.plan is None:
        return ROOM
    size = sum(
        value.numel() * value.element_size() for value in build_encoder(subject.plan.encoder_config).parameters()
    )
    return ROOM + COPIES * size
