"""Leaving out: each cohort in turn is kept from training, and is the hospital that took no part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from cape_fed.compose import compose_config
from cape_fed.config import DataConfig, flat_paths
from cape_fed.errors import InputError
from cape_fed.pretrain.cohorts import open_stores
from cape_fed.study.sites import Sites

LEFT_OUT, EACH = "left_out", "each"
FEWEST = 3
"""Cohorts from which on something can be said about how much cohorts differ."""


def each_left_out(chosen: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The overrides by key as they are, or with ``left_out=each`` once for every cohort of ``data.train``."""
    if chosen.get(LEFT_OUT) != f"{LEFT_OUT}={EACH}":
        yield dict(chosen)
        return
    for cohort in _cohorts(chosen.get("data.train", "")):
        yield {**chosen, LEFT_OUT: f"{LEFT_OUT}={cohort}"}


def leave_out(data: DataConfig, cohort: str) -> Sites:
    """The stores with one cohort evaluated and the others trained on; InputError where that cannot be done."""
    paths = flat_paths(data.train)
    if data.evaluate:
        raise InputError("a study that leaves out cohorts evaluates those: leave out data.evaluate")
    _require_several(len(paths))
    names = _names(tuple(paths))
    if cohort not in names:
        raise InputError(f"left_out={cohort} is none of the cohorts in data.train: choose one of {', '.join(names)}")
    number = names.index(cohort)
    return Sites(train=tuple(paths[:number] + paths[number + 1 :]), evaluate=(paths[number],))


@lru_cache(maxsize=8)
def _cohorts(train: str) -> tuple[str, ...]:
    """Names of the cohorts in an override of ``data.train``: the same for all trials of a study."""
    paths = flat_paths(compose_config([train, "out=."]).data.train) if train else []  # nothing is written there
    _require_several(len(paths))
    return _names(tuple(paths))


@lru_cache(maxsize=8)
def _names(paths: tuple[Path, ...]) -> tuple[str, ...]:
    return tuple(store.cohort for store in open_stores(paths))


def _require_several(stores: int) -> None:
    if stores < FEWEST:
        raise InputError(
            f"leaving out each cohort in turn takes {FEWEST} stores or more, data.train has {stores}: give more"
        )
