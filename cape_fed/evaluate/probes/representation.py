"""What a probe is fitted on: embeddings of an encoder, or demographics alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cape_fed.errors import InputError
from cape_fed.evaluate.cohorts import EvaluatedCohort
from cape_fed.evaluate.targets.demographics import AGE, SEX
from cape_fed.store import Store

Embed = Callable[[Store], NDArray[np.float32]]
"""From a store to the features ``[N, D]`` of its records."""
Features = Mapping[str, NDArray[np.floating]]
"""Features ``[N, D]`` of each cohort by name."""


@dataclass(frozen=True)
class Representation:
    """A method under evaluation: its name and how it describes records."""

    name: str
    embed: Embed
    hidden: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """For some tasks, the columns that would give the target away."""
    learner: Literal["ridge", "trees"] = "ridge"
    """What probes are. Trees take NaN for what could not be measured."""

    def features(self, store: Store) -> NDArray[np.float32]:
        """Features ``[N, D]``; raises InputError where they are not finite or not one row a record.

        For trees, NaN is allowed.
        """
        features = self.embed(store)
        if features.ndim != 2 or len(features) != len(store):
            raise InputError(
                f"{self.name} gave features of shape {features.shape} for the {len(store)} records of {store.cohort}: "
                "one row a record is needed"
            )
        missing = np.isnan(features) & (self.learner == "trees")
        bad = np.flatnonzero(~(np.isfinite(features) | missing).all(axis=1))
        if len(bad):
            raise InputError(
                f"{self.name} embeds {len(bad)} of {len(store)} records of {store.cohort} as NaN or infinity: "
                "the encoder diverged in training; take an earlier checkpoint or a lower learning rate"
            )
        return features

    def embed_cohorts(self, cohorts: Sequence[EvaluatedCohort]) -> Features:
        """Features of every cohort by its name; raises InputError as `features`."""
        return {cohort.name: self.features(cohort.store) for cohort in cohorts}

    def columns(self, task: str, width: int) -> NDArray[np.intp]:
        """Columns out of ``width`` that may be used for a task."""
        return np.setdiff1d(np.arange(width), self.hidden.get(task, ()))


def filled(cohorts: Sequence[EvaluatedCohort], features: Features) -> Features:
    """Features for what takes no NaN: in its place, the median of the column over all train records.

    0 where none has a value; features without NaN as they are.
    """
    if all(np.isfinite(array).all() for array in features.values()):
        return features
    train = np.concatenate([features[cohort.name][cohort.train] for cohort in cohorts])
    known = np.where(np.isfinite(train).any(axis=0), train, 0.0)
    middle = np.nanmedian(known, axis=0) if len(known) else np.zeros(train.shape[1])
    return {name: np.where(np.isnan(array), middle, array).astype(array.dtype) for name, array in features.items()}


def _describe_patient(store: Store) -> NDArray[np.float32]:
    """Age, age², age missing, sex, sex missing; ``[N, 5]``, the scale being near 1."""
    age = (store.label("age") - 60) / 20
    sex = 2 * store.label("sex") - 1
    columns = [age, age**2, np.isnan(age), sex, np.isnan(sex)]
    return np.nan_to_num(np.column_stack(columns).astype(np.float32))


DEMOGRAPHICS = Representation("demographics", _describe_patient, hidden={AGE: (0, 1, 2), SEX: (3, 4)})
"""Age and sex without the ECG: what a probe on an embedding has to beat."""
