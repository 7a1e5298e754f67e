"""What an encoder was trained on, so that nothing is tested on it that it has seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cape_fed.errors import InputError
from cape_fed.pretrain.cohorts import count_store
from cape_fed.pretrain.config import SplitConfig
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.rundir import RunDirectory
from cape_fed.store.split import Split, load_split, split_patients
from cape_fed.store.store import Store


def check_unseen(bundle: Path, encoder: PretrainedEncoder, others: Sequence[Store]) -> None:
    """InputError where a cohort that is to be OOD took part in the encoder's training."""
    trained = encoder.provenance.get("cohorts", {})
    seen = [store.cohort for store in others if store.cohort in trained]
    if seen:
        raise InputError(f"{bundle} was trained on {', '.join(seen)}: not OOD, name it in data.train")


def split_of_run(bundle: Path, encoder: PretrainedEncoder, store: Store) -> Split:
    """How the run that made a bundle split a cohort: as saved beside the bundle, else made again from its seed.

    InputError where the bundle was trained on the cohort and its store has changed since, no split being saved.
    """
    run = RunDirectory(bundle.parent)
    for path in (run.splits, *sorted(run.path.glob(f"sites/*/{run.splits.name}"))):
        if (path / f"{store.cohort}.parquet").exists():
            return load_split(path / f"{store.cohort}.parquet", store)
    trained = encoder.provenance.get("cohorts", {}).get(store.cohort)
    if trained and trained != count_store(store):
        raise InputError(
            f"{store.path} changed since {bundle} was trained on it and no split was saved beside the bundle: "
            "its test patients cannot be told from its train patients"
        )
    config = SplitConfig(**encoder.provenance.get("config", {}).get("split", {}))
    return split_patients(store, config.seed, config.fractions)
