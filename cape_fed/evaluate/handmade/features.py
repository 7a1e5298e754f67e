"""What is measured of every record of a store, by several processes, and kept beside the store's own files."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from cape_fed.errors import RunError
from cape_fed.evaluate.handmade.beats import DelineationError
from cape_fed.evaluate.handmade.measure import NAMES, VERSION, measure
from cape_fed.evaluate.probes.representation import Representation
from cape_fed.files import PRIVATE, atomic_file
from cape_fed.store import Store

log = logging.getLogger(__name__)

HANDMADE = "hand-made"
"""Its name in tables."""
EXTRA = "baseline"
CACHE_FILE = "handmade.npz"
"""In the directory of a store: these are the store's patients, and go with it."""
ALONE = 400
"""Records up to which it takes longer to start processes than to measure in this one."""
_CHUNK = 50


def is_available() -> bool:
    """Whether the extra that measures is installed."""
    return find_spec("neurokit2") is not None


def handmade(workers: int | None = None) -> Representation:
    """The baseline, measured by so many processes: absent, as many as there are processors to run them."""
    return Representation(HANDMADE, partial(store_features, workers=workers or _processors()), learner="trees")


def store_features(store: Store, workers: int = 1) -> NDArray[np.float32]:
    """`NAMES` of every record, ``[N, F]`` with NaN for what cannot be measured; measured once for each store.

    They are kept in the store's directory, where that can be written to. RunError where a process dies.
    """
    path = store.path / CACHE_FILE
    kept = _read(path, store)
    if kept is not None:
        return kept
    begin = perf_counter()
    log.info(
        "%s: measuring intervals, amplitudes and axes of %d records, once for this store", store.cohort, len(store)
    )
    features = _measure_all(store, workers)
    unseen = int(np.isnan(features).all(axis=1).sum())
    log.info(
        "%s: hand-made features of %d records in %.0f s, %d of them without any",
        *(store.cohort, len(store), perf_counter() - begin, unseen),
    )
    _write(path, store, features)
    return features


def measure_rows(store: Store, rows: range) -> tuple[NDArray[np.float32], int]:
    """Features ``[n, F]`` of some rows, and how many of them neurokit2 could not take."""
    features, failed = np.full((len(rows), len(NAMES)), np.nan, np.float32), 0
    for place, row in enumerate(rows):
        ecg = store.millivolts([row])[0, :, : max(1, int(store.valid[row]))]
        try:
            features[place] = measure(ecg, store.profile.fs)
        except DelineationError:
            failed += 1
    return features, failed


def _measure_all(store: Store, workers: int) -> NDArray[np.float32]:
    chunks = [range(start, min(start + _CHUNK, len(store))) for start in range(0, len(store), _CHUNK)]
    found = list(_in_processes(store, chunks, workers) if workers > 1 and len(store) > ALONE else _here(store, chunks))
    failed = sum(count for _, count in found)
    if failed:
        log.warning("%s: in %d of %d records nothing could be delineated", store.cohort, failed, len(store))
    return np.concatenate([features for features, _ in found])


def _here(store: Store, chunks: list[range]) -> Iterator[tuple[NDArray[np.float32], int]]:
    return (measure_rows(store, rows) for rows in chunks)


def _in_processes(store: Store, chunks: list[range], workers: int) -> Iterator[tuple[NDArray[np.float32], int]]:
    with ProcessPoolExecutor(min(workers, len(chunks)), multiprocessing.get_context("spawn")) as pool:
        try:
            yield from pool.map(partial(measure_rows, store), chunks)
        except BrokenProcessPool as error:
            raise RunError(
                "a process that measures records died, perhaps for want of memory: lower the number of processors, "
                "or leave the row out with handmade=false"
            ) from error


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _made_of(store: Store) -> str:
    """What kept features belong to: these recordings, measured this way by this version of the library."""
    return f"{store.meta.fingerprint} {VERSION} {version('neurokit2')}"


def _read(path: Path, store: Store) -> NDArray[np.float32] | None:
    try:
        with np.load(path, allow_pickle=False) as stored:
            features = np.asarray(stored["features"], np.float32)
            if str(stored["made_of"]) == _made_of(store) and features.shape == (len(store), len(NAMES)):
                return features
    except (OSError, EOFError, ValueError, KeyError, BadZipFile):
        pass  # nothing was kept, or something else: it is measured again
    return None


def _write(path: Path, store: Store, features: NDArray[np.float32]) -> None:
    try:
        with atomic_file(path, PRIVATE) as partial_file, partial_file.open("wb") as file:
            np.savez(file, features=features, made_of=np.array(_made_of(store)))
    except OSError as error:
        log.warning(
            "%s: its hand-made features cannot be kept beside it and will be measured again next time: %s",
            *(store.cohort, error.strerror),
        )
