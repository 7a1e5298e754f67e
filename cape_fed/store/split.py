"""Splits by patient, and what must not be on both sides of one."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cape_fed.errors import InputError
from cape_fed.files import atomic_file, make_private
from cape_fed.store.store import Store

log = logging.getLogger(__name__)

Rows = NDArray[np.int64]
OUTSIDE = -1


class Split(NamedTuple):
    """Row indices of a store, ascending; no patient and no exact signal is in two parts."""

    train: Rows
    valid: Rows
    test: Rows


def split_patients(store: Store, seed: int, fractions: tuple[float, float, float] = (0.7, 0.1, 0.2)) -> Split:
    """Split a store by patient.

    ``fractions`` of the patients go to train, valid and test. Patients who share an exactly equal signal are split as
    one. Patients are shuffled in order of first appearance, so the split depends on the archive and the seed and not
    on the salt of the patient keys. Raises ValueError for fractions that are negative or do not sum to 1.
    """
    if min(fractions) < 0 or not np.isclose(sum(fractions), 1.0):
        raise ValueError(f"fractions must be at least 0 and sum to 1, got {fractions}")
    groups = _linked_patients(store)
    count = int(groups.max()) + 1
    bounds = np.rint(np.cumsum(fractions[:2]) * count)
    rank = np.random.default_rng(seed).permutation(count)
    return _by_part(np.searchsorted(bounds, rank, side="right")[groups][store.patients])


def split_by_fold(store: Store, valid: int, test: int) -> Split:
    """Split a store by the folds that its archive recommends: one validates, one tests, all others train.

    A record that repeats a signal of an earlier part exactly is in none. Raises InputError where the archive names no
    fold for some records, a fold is empty, or a patient is in two parts.
    """
    folds = store.folds
    if folds is None:
        raise InputError(f"{store.path} has no folds: its archive recommends none, or it was ingested before they were")
    part = np.select([folds == test, folds == valid], [2, 1], 0)
    for name, fold in {"validation": valid, "test": test}.items():
        if not (folds == fold).any():
            raise InputError(f"{store.path} has nobody in fold {fold}, which is for {name}: split it by patient")
    parts_of = np.zeros((len(store.patient_keys), 3), bool)
    parts_of[store.patients, part] = True
    if straddling := int((parts_of.sum(axis=1) > 1).sum()):
        raise InputError(f"{store.path}: {straddling} patients are in folds of different parts: split it by patient")
    return _by_part(_without_straddlers(part, store.digests))


def save_split(path: Path, store: Store, split: Split) -> None:
    """Write which patient is in which part, to be found again in a store that has grown since."""
    part = np.full(len(store.patient_keys), OUTSIDE, np.int8)
    for number, rows in enumerate(split):
        part[store.patients[rows]] = number
    inside = part != OUTSIDE
    keys = np.asarray(store.patient_keys, object)[inside]
    with atomic_file(path) as partial:
        pq.write_table(pa.table({"patient": pa.array(keys, pa.string()), "part": part[inside]}), partial)
        make_private(partial)


def load_split(path: Path, store: Store) -> Split:
    """Apply a saved split to a store, by patient key.

    Patients that the split does not know are in no part, and a record that repeats a train record's signal exactly is
    in none either; both are logged with their number. Raises InputError where the file is not a split or knows
    nobody in the store.
    """
    try:
        saved = pq.read_table(path, columns=["patient", "part"])
    except (OSError, KeyError, pa.ArrowException) as error:
        raise InputError(f"{path} is not a saved split ({type(error).__name__}): make the split again") from None
    known = dict(zip(saved["patient"].to_pylist(), saved["part"].to_pylist(), strict=True))
    part = np.array([known.get(key, OUTSIDE) for key in store.patient_keys], np.int64)[store.patients]
    if (part == OUTSIDE).all():
        raise InputError(f"{path} knows no patient of {store.path}: was it made with another salt or another cohort?")
    if outside := int((part == OUTSIDE).sum()):
        log.warning("%s: %d records are of patients that the split does not know and are left out", path, outside)
    return _by_part(_without_straddlers(part, store.digests))


def check_disjoint(train: Sequence[Store], evaluate: Sequence[Store]) -> list[Rows]:
    """Make sure that no patient is on both sides; raises InputError naming the two cohorts where one is.

    Returns, for each store of ``evaluate``, the rows whose signal occurs exactly in a store of ``train``: to be left
    out of the evaluation.
    """
    for seen in train:
        keys = set(seen.patient_keys)
        for unseen in evaluate:
            if shared := len(keys.intersection(unseen.patient_keys)):
                raise InputError(
                    f"{shared} patients are in both {seen.cohort} (train) and {unseen.cohort} (evaluate): "
                    f"take one of {seen.path} and {unseen.path} out"
                )
    return [duplicate_rows(train, store) for store in evaluate]


def duplicate_rows(others: Iterable[Store], store: Store) -> Rows:
    """Rows of ``store`` whose signal occurs exactly in one of ``others``, ascending."""
    digests = [other.digests for other in others]
    known = np.unique(np.concatenate(digests)) if digests else np.empty(0, np.uint64)
    return np.flatnonzero(np.isin(store.digests, known))


def _linked_patients(store: Store) -> Rows:
    """Group of each patient, ``[P]``, numbered by first appearance: patients linked by equal signals share one."""
    from scipy.sparse import coo_array  # not needed where a split is only read
    from scipy.sparse.csgraph import connected_components

    patients = store.patients
    _, signal, repeats = np.unique(store.digests, return_inverse=True, return_counts=True)
    repeated = repeats[signal] > 1
    nodes = len(store.patient_keys) + len(repeats)
    edges = (patients[repeated], len(store.patient_keys) + signal[repeated])
    graph = coo_array((np.ones(len(edges[0]), bool), edges), shape=(nodes, nodes))
    component = connected_components(graph, directed=False)[1][: len(store.patient_keys)]
    _, first, group = np.unique(component, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[group].astype(np.int64)


def _without_straddlers(part: Rows, digests: NDArray[np.uint64]) -> Rows:
    """Leave rows of valid and test out whose signal an earlier part has as well."""
    part = part.copy()
    for later in (1, 2):
        earlier = digests[(part >= 0) & (part < later)]
        straddles = (part == later) & np.isin(digests, earlier)
        if straddles.any():
            log.warning("%d records repeat a signal of an earlier part of the split and are left out", straddles.sum())
        part[straddles] = OUTSIDE
    return part


def _by_part(part: NDArray[np.int64]) -> Split:
    return Split(*(np.flatnonzero(part == number) for number in range(3)))
