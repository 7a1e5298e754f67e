"""Stores with their splits, opened for training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cape_fed.errors import InputError
from cape_fed.pretrain.config import PretrainConfig, SplitConfig
from cape_fed.pretrain.stages.pairs import PermutedPairs
from cape_fed.rundir import split_file
from cape_fed.signal.profile import Profile
from cape_fed.store.split import Split, load_split, save_split, split_patients
from cape_fed.store.store import Store, open_store


@dataclass(frozen=True, slots=True)
class Cohort:
    """A store and which of its patients train, validate and test."""

    store: Store
    split: Split

    @property
    def name(self) -> str:
        """Name of the cohort."""
        return self.store.cohort

    def pairs(self, config: PretrainConfig) -> PermutedPairs:
        """Its sequence of training pairs."""
        rows = self.split.train
        return PermutedPairs(self.name, rows, self.store.patients[rows], config.seed, config.positives)


def open_cohorts(
    paths: Sequence[Path], config: SplitConfig, folder: Path, given: Mapping[str, Split] | None = None
) -> list[Cohort]:
    """Open stores and split each by patient; a split found in ``folder`` stays, a new one is saved there.

    ``given`` are splits by cohort name that take the place of new ones.
    """
    given = given or {}
    return [
        Cohort(store, keep_split(store, config, split_file(folder, store.cohort), given.get(store.cohort)))
        for store in open_stores(paths)
    ]


def open_stores(paths: Sequence[Path]) -> list[Store]:
    """Open stores of one profile and different cohorts; InputError where they do not go together."""
    if not paths:
        raise InputError("no store given: name at least one with data.train=[STORE,...]")
    stores = [open_store(path) for path in paths]
    common_profile(stores)
    names = [store.cohort for store in stores]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InputError(f"cohort {name} is given twice ({stores[index].path}): name every store once")
    return stores


def made_of(paths: Iterable[Path]) -> dict[str, dict[str, str]]:
    """The fingerprints of stores by path, for what is kept of a study or a search; nothing where there are none.

    One that is resumed after a store was made anew would mix what came of both.
    """
    found = {str(path): open_store(path).meta.fingerprint for path in sorted(set(paths))}
    return {"stores": found} if found else {}


def split_stores(stores: Sequence[Store], config: SplitConfig) -> dict[str, Split]:
    """The split of every cohort as a run would make it, by name; nothing is saved."""
    return {store.cohort: split_patients(store, config.seed, config.fractions) for store in stores}


def common_profile(stores: Sequence[Store]) -> Profile:
    """The one profile of all stores; InputError naming two stores that differ."""
    first = stores[0]
    for store in stores[1:]:
        if store.profile.hash != first.profile.hash:
            raise InputError(
                f"{store.path} has profile {store.profile.name} ({store.profile.hash}), {first.path} has "
                f"{first.profile.name} ({first.profile.hash}): ingest both with one profile"
            )
    return first.profile


def keep_split(store: Store, config: SplitConfig, path: Path, given: Split | None = None) -> Split:
    """The split saved at ``path``, or ``given`` or a new one saved there: made once, then it stays."""
    if path.exists():
        return load_split(path, store)
    split = given or split_patients(store, config.seed, config.fractions)
    save_split(path, store, split)
    return split
