"""Who the training patients of several cohorts are: cohort, age, sex and whether they are ill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cape_fed.evaluate.artefact.matching import WELL
from cape_fed.store.split import Split
from cape_fed.store.store import Store


def training_patients(stores: Sequence[Store], splits: Mapping[str, Split]) -> pd.DataFrame:
    """One row a training patient: ``cohort`` (number), ``patient`` (code in the store), ``age``, ``woman``, ``ill``.

    Age is the mean over the patient's records; ill is whether any record is positive for any label but those of
    `WELL`. A patient with an unknown age or sex, or without any annotated label, is left out: they cannot be matched.
    """
    return pd.concat(
        [_describe(store, splits[store.cohort]).assign(cohort=number) for number, store in enumerate(stores)],
        ignore_index=True,
    )


def _describe(store: Store, split: Split) -> pd.DataFrame:
    rows = split.train
    labels = [name for name in store.label_names if name not in WELL]
    stated = np.column_stack([store.label(name)[rows] for name in store.label_names] or [np.full(len(rows), np.nan)])
    positive = np.column_stack([store.label(name)[rows] == 1 for name in labels] or [np.zeros(len(rows), bool)])
    records = pd.DataFrame(
        {
            "patient": store.patients[rows],
            "age": store.label("age")[rows].astype(float),
            "woman": store.label("sex")[rows].astype(float),
            "ill": np.where(np.isfinite(stated).any(axis=1), positive.any(axis=1).astype(float), np.nan),
        }
    )
    patients = records.groupby("patient").agg({"age": "mean", "woman": "max", "ill": "max"}).dropna().reset_index()
    return patients.astype({"woman": bool, "ill": bool})
