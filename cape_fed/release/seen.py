"""What an encoder was trained on, so that nothing is tested on it that it has seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cape_fed.errors import InputError
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.rundir import RunDirectory
from cape_fed.store.counts import WITHHELD, count_store
from cape_fed.store.split import Split, load_split, split_patients
from cape_fed.store.store import Store


def check_unseen(bundle: Path, encoder: PretrainedEncoder, others: Sequence[Store]) -> None:
    """InputError where a cohort that is to be OOD was trained on, also before, in an encoder that it began with."""
    seen = [name for store in others for name in encoder.provenance.trained_as(store.cohort, store.meta.fingerprint)]
    if seen:
        raise InputError(
            f"{bundle} was trained on {', '.join(seen)}: not OOD, name it in data.train; "
            "if yours is another hospital's cohort, ingest it under another name"
        )
    for store in others:
        if any(before.trained_as(store.cohort, store.meta.fingerprint) for before in encoder.provenance.earlier):
            raise InputError(
                f"{bundle} began with an encoder that was trained on {store.cohort}: neither OOD nor ID, leave it out"
            )


def check_same_split(bundle: Path, encoder: PretrainedEncoder, train: Sequence[Store]) -> None:
    """InputError where an encoder that it began with was trained on an ID cohort that was divided otherwise.

    Patients who test now may have been trained on then. A cohort that it was not trained on itself was never divided
    in its way.
    """
    for store in train:
        own = encoder.provenance.trained_as(store.cohort, store.meta.fingerprint)
        for before in encoder.provenance.earlier:
            known = before.trained_as(store.cohort, store.meta.fingerprint)
            same = before.split == encoder.provenance.split and any(one in own.values() for one in known.values())
            if known and not same:
                raise InputError(
                    f"{bundle} began with an encoder that was trained on {store.cohort} when it was divided otherwise: "
                    "test patients may have been trained on; leave it out, or begin with another encoder"
                )


def split_of_run(bundle: Path, encoder: PretrainedEncoder, store: Store) -> Split:
    """How the run that made a bundle split a cohort: as saved next to the bundle, otherwise made again from its seed.

    InputError where the bundle was trained on the cohort and its store has changed since or is not known, as that of a
    private run, no split being saved.
    """
    if path := RunDirectory(bundle.parent).saved_split(store.cohort):
        return load_split(path, store)
    trained = encoder.provenance.trained_as(store.cohort, store.meta.fingerprint)
    if trained and all(counts.fingerprint == WITHHELD for counts in trained.values()):
        raise InputError(
            f"{bundle} does not say which patients of {store.path} it was trained on, as that of a private run, and no "
            "split was saved next to it: leave it in the directory of its run"
        )
    if trained and count_store(store) not in trained.values():
        raise InputError(
            f"{store.path} changed since {bundle} was trained on it and no split was saved next to the bundle: "
            "its test patients cannot be told from its train patients"
        )
    config = encoder.provenance.split
    return split_patients(store, config.seed, config.fractions)
