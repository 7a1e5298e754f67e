"""Records of several cohorts whose patients are alike in age, sex and illness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.cohorts import Rows
from cape_fed.seeds import derive_rng
from cape_fed.store import Store

WELL = frozenset({"NORM", "SINUS", "SARRH", "SBRAD", "STACH"})
"""Labels that are no illness: normal, and sinus rhythm at any rate."""
AGE_BAND = 10.0
"""Years in a stratum."""


def match(stores: Sequence[Store], rows: Sequence[Rows], seed: int, purpose: str) -> list[Rows]:
    """As many of the ``rows`` of every store in each stratum of age (ten years), sex and illness, drawn by the seed.

    Ill is a record that is positive for any of the illnesses that all stores annotate. A record with an unknown age or
    sex, or not annotated for any of these illnesses, is in no stratum; where there are no such illnesses,
    records match by age and sex.
    """
    shared = set.intersection(*(set(store.label_names) for store in stores)) - WELL
    strata = [_strata(store, own, sorted(shared)) for store, own in zip(stores, rows, strict=True)]
    common = set.intersection(*(set(codes[codes >= 0].tolist()) for codes in strata))
    quota = {code: min(int((codes == code).sum()) for codes in strata) for code in sorted(common)}
    return [
        np.sort(np.concatenate([own[:0], *(_draw(own[codes == code], count, seed, purpose, store.cohort, code)
                                           for code, count in quota.items())]))
        for store, own, codes in zip(stores, rows, strata, strict=True)
    ]  # fmt: skip


def _draw(rows: Rows, count: int, seed: int, purpose: str, cohort: str, stratum: int) -> Rows:
    return derive_rng(seed, "match", purpose, cohort, stratum).permutation(rows)[:count]


def _strata(store: Store, rows: Rows, illnesses: Sequence[str]) -> NDArray[np.int64]:
    """Stratum ``[n]`` of each row, -1 for none."""
    age, woman = store.label("age")[rows] // AGE_BAND, store.label("sex")[rows]
    ill = np.zeros(len(rows))
    if illnesses:
        stated = np.column_stack([store.label(name)[rows] for name in illnesses])
        ill = np.where(np.isfinite(stated).any(axis=1), (stated == 1).any(axis=1), np.nan)
    code = 4 * age + 2 * woman + ill
    return np.where(np.isfinite(code), code, -1).astype(np.int64)
