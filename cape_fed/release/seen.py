"""What an encoder was trained on, so that nothing is tested on it that it has seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cape_fed.errors import InputError
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.rundir import RunDirectory
from cape_fed.store.counts import count_store
from cape_fed.store.split import Split, load_split, split_patients
from cape_fed.store.store import Store


def check_unseen(bundle: Path, encoder: PretrainedEncoder, others: Sequence[Store]) -> None:
    """InputError where a cohort that is to be OOD took part in the encoder's training."""
    seen = [name for store in others for name in encoder.provenance.trained_as(store.cohort, store.meta.fingerprint)]
    if seen:
        raise InputError(
            f"{bundle} was trained on {', '.join(seen)}: not OOD, name it in data.train; "
            "if yours is another hospital's cohort, ingest it under another name"
        )


def split_of_run(bundle: Path, encoder: PretrainedEncoder, store: Store) -> Split:
    """How the run that made a bundle split a cohort: as saved next to the bundle, otherwise made again from its seed.

    InputError where the bundle was trained on the cohort and its store has changed since, no split being saved.
    """
    if path := RunDirectory(bundle.parent).saved_split(store.cohort):
        return load_split(path, store)
    trained = encoder.provenance.trained_as(store.cohort, store.meta.fingerprint)
    if trained and count_store(store) not in trained.values():
        raise InputError(
            f"{store.path} changed since {bundle} was trained on it and no split was saved next to the bundle: "
            "its test patients cannot be told from its train patients"
        )
    config = encoder.provenance.split
    return split_patients(store, config.seed, config.fractions)
