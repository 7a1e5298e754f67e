"""Planted cohorts as stores: written as archives and ingested like any other, once."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from cape_fed.archive.ingest import ingest_archive
from cape_fed.archive.plan import Recipe
from cape_fed.archive.registry import get_reader
from cape_fed.signal.profile import get_profile
from cape_fed.store.format import StoreFiles
from cape_fed.study.sites import Sites
from cape_fed.synthetic.cohort import CohortSpec
from cape_fed.synthetic.planted import planted_cohorts
from cape_fed.synthetic.write import write_cohorts

PROFILE = "compact100"
_SALT = hashlib.sha256(b"made-up patients").digest()
"""Nobody's: the same everywhere, so that the same study has the same stores."""


def planted_sites(out: Path, conditions: Iterable[str]) -> dict[str, Sites]:
    """Where below ``out`` the stores of every condition are, or will be once they are planted."""
    return {condition: sites_of(out, planted_cohorts(condition)) for condition in conditions}


def plant(out: Path, conditions: Iterable[str], patients: int, seed: int, workers: int) -> dict[str, Sites]:
    """Make the stores of every condition with ``patients`` a cohort, below ``out``; those that are there stay."""
    for condition in conditions:
        _plant(out, condition, patients, seed, workers)
    return planted_sites(out, conditions)


def _plant(out: Path, condition: str, patients: int, seed: int, workers: int) -> None:
    make_stores(out, planted_cohorts(condition), patients, seed, workers)


def make_stores(out: Path, cohorts: Sequence[CohortSpec], patients: int, seed: int, workers: int) -> None:
    """Make a store below ``out`` of every cohort, ``patients`` each; where all of them are there, they stay."""
    paths = {cohort.name: out / cohort.name for cohort in cohorts}
    if all(StoreFiles.of(path).meta.is_file() for path in paths.values()):
        return
    archives = out / f"{cohorts[0].name}.archives"
    shutil.rmtree(archives, ignore_errors=True)
    write_cohorts(archives, cohorts, patients, seed)
    for name, path in paths.items():
        recipe = Recipe(archives / name, get_reader("wfdb"), name, name, get_profile(PROFILE), _SALT)
        ingest_archive(recipe, path, workers=workers, overwrite=True)
    shutil.rmtree(archives)


def sites_of(out: Path, cohorts: Iterable[CohortSpec]) -> Sites:
    """Where below ``out`` the stores of cohorts are, by role."""
    roles: dict[str, list[Path]] = {"train": [], "evaluate": []}
    for cohort in cohorts:
        roles[cohort.role].append(out / cohort.name)
    return Sites(train=tuple(roles["train"]), evaluate=tuple(roles["evaluate"]))
