"""Gradient-boosted trees in place of a linear probe, for features that are few, skewed and often missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.cohorts import EvaluatedCohort
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.representation import Features
from cape_fed.evaluate.targets.registry import is_regression
from cape_fed.evaluate.targets.support import Support, support_of
from cape_fed.seeds import derive_seed

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

MOST_TREES, PATIENCE = 300, 15
"""Trees are added until the loss on the validation patients has not fallen for so many; without these, `UNTOLD` are."""
UNTOLD = 60
MOST_IN_A_LEAF, LEAVES = 20, 20
"""A leaf has 20 records at least, and where there are fewer than 400 a twentieth: 20 of 40 would leave one split."""
SHAPE: dict[str, Any] = {"learning_rate": 0.06, "max_leaf_nodes": 15, "l2_regularization": 1.0}


@dataclass(frozen=True)
class TreeProbe:
    """Boosted trees from features, NaN being not measured, to scores."""

    model: HistGradientBoostingClassifier | HistGradientBoostingRegressor
    absent: NDArray[np.bool_]
    """Columns ``[D]`` that no train record has: scikit-learn takes none of them."""

    def predict(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Log odds, or numbers in the target's unit, ``[n]`` of ``features [n, D]``."""
        decide = getattr(self.model, "decision_function", self.model.predict)
        return np.asarray(decide(_without(features, self.absent)) if len(features) else np.empty(0), np.float64)


def fit_trees(cohorts: Sequence[EvaluatedCohort], features: Features, options: EvaluateOptions) -> dict[str, TreeProbe]:
    """One probe a task, fitted on the train records of all the cohorts; none where too few patients stand behind it."""
    probes = {}
    for task in cohorts[0].targets:
        support = sum((_support(cohort, task) for cohort in cohorts), Support())
        if support.enough(task, options.min_patients):
            train, valid = (_records(cohorts, features, task, part) for part in ("train", "valid"))
            probes[task] = _fit(task, train, valid, derive_seed(options.seed, "trees", task))
    return probes


Records = tuple[NDArray[np.floating], NDArray[np.float64]]
"""Features ``[n, D]`` and targets ``[n]``."""


def _support(cohort: EvaluatedCohort, task: str) -> Support:
    return support_of(cohort.targets[task][cohort.train], cohort.store.patients[cohort.train])


def _records(cohorts: Sequence[EvaluatedCohort], features: Features, task: str, part: str) -> Records:
    """The annotated records of a part of every cohort."""
    found, targets = [], []
    for cohort in cohorts:
        rows = getattr(cohort, part)
        known = rows[np.isfinite(cohort.targets[task][rows])]
        found.append(features[cohort.name][known])
        targets.append(cohort.targets[task][known])
    return np.concatenate(found), np.concatenate(targets)


def _fit(task: str, train: Records, valid: Records, seed: int) -> TreeProbe:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor  # takes a second

    kind = HistGradientBoostingRegressor if is_regression(task) else HistGradientBoostingClassifier
    told = len(valid[1]) > 0 and (is_regression(task) or len(np.unique(valid[1])) > 1)
    leaf = max(3, min(MOST_IN_A_LEAF, len(train[1]) // LEAVES))
    common: Mapping[str, object] = {
        **SHAPE, "min_samples_leaf": leaf, "random_state": seed % 2**32, "early_stopping": told,
    }  # fmt: skip
    absent = np.asarray(np.isnan(train[0]).all(axis=0))
    features, targets = _without(train[0], absent), train[1]
    if not told:
        return TreeProbe(kind(**common, max_iter=UNTOLD).fit(features, targets), absent)
    model = kind(**common, max_iter=MOST_TREES, n_iter_no_change=PATIENCE)
    return TreeProbe(model.fit(features, targets, X_val=_without(valid[0], absent), y_val=valid[1]), absent)


def _without(features: NDArray[np.floating], absent: NDArray[np.bool_]) -> NDArray[np.floating]:
    return np.where(absent, 0.0, features)
