"""Which records of a cohort probes are fitted on and which they are evaluated on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cape_fed.errors import InputError
from cape_fed.evaluate.targets.registry import targets_of
from cape_fed.store import Store
from cape_fed.store.split import Split, check_disjoint

Role = Literal["id", "ood"]
ProbeKind = Literal["transfer", "within"]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class EvaluatedCohort:
    """One cohort with its role, its targets and the rows that serve each purpose."""

    store: Store
    role: Role
    targets: Mapping[str, NDArray[np.float64]]
    train: Rows
    valid: Rows
    tested: Mapping[ProbeKind, Rows]
    """Rows evaluated: the test patients, and for the transfer probe on an OOD cohort all patients."""
    left_out: int
    """Records not evaluated because a training cohort holds the same signal or patient."""

    @property
    def name(self) -> str:
        """Name of the cohort."""
        return self.store.cohort

    def annotated(self, task: str, probe: ProbeKind) -> Rows:
        """Rows evaluated with a probe that are annotated for a task."""
        rows = self.tested[probe]
        return rows[np.isfinite(self.targets[task][rows])]

    def fingerprint(self) -> str:
        """Hash of the signals, patients and targets evaluated, to tell whether two runs saw the same."""
        digest = blake2b(digest_size=8)
        for rows in (self.tested["transfer"], self.tested["within"]):
            columns = (self.store.digests, self.store.patients, *self.targets.values())
            for column in columns:
                digest.update(column[rows].tobytes())
        return digest.hexdigest()


def make_cohorts(
    train: Sequence[Store], evaluate: Sequence[Store], splits: Mapping[str, Split], tasks: Sequence[str]
) -> list[EvaluatedCohort]:
    """Turn stores into cohorts, ``train`` being ID and ``evaluate`` OOD, with splits by cohort name.

    Nothing evaluated was trained on: raises InputError for patients on both sides, and leaves records out whose exact
    signal a training cohort holds or whose patient another training cohort was trained on. Also raises InputError for
    no training cohort and for cohorts of the same name.
    """
    if not train:
        raise InputError("no training cohort: the transfer probe is fitted on data.train, give at least one store")
    _check_names([*train, *evaluate])
    known = [(store, splits[store.cohort]) for store in train]
    cohorts = [_id_cohort(store, split, known, tasks) for store, split in known]
    repeats = zip(evaluate, check_disjoint(train, evaluate), strict=True)
    return cohorts + [_ood_cohort(store, splits[store.cohort], repeated, tasks) for store, repeated in repeats]


def site_cohorts(
    stores: Sequence[Store], role: Role, splits: Mapping[str, Split], tasks: Sequence[str]
) -> list[EvaluatedCohort]:
    """The cohorts of one site, which sees no other site's stores, as ``make_cohorts`` makes them.

    What another site holds as well, be it a signal or a patient, is not found. Raises InputError as ``make_cohorts``.
    """
    if role == "id":
        return make_cohorts(stores, [], splits, tasks)
    _check_names(stores)
    return [_ood_cohort(store, splits[store.cohort], np.empty(0, np.int64), tasks) for store in stores]


def _id_cohort(
    store: Store, split: Split, known: Sequence[tuple[Store, Split]], tasks: Sequence[str]
) -> EvaluatedCohort:
    seen = [(other, np.concatenate([part.train, part.valid])) for other, part in known]
    digests = np.concatenate([other.digests[rows] for other, rows in seen])
    keys = {other.patient_keys[code] for other, rows in seen for code in np.unique(other.patients[rows])}
    met_patient = np.array([key in keys for key in store.patient_keys])
    met = np.isin(store.digests[split.test], digests) | met_patient[store.patients[split.test]]
    test = split.test[~met]
    return EvaluatedCohort(
        store,
        "id",
        targets_of(store, tasks),
        split.train,
        split.valid,
        {"transfer": test, "within": test},
        int(met.sum()),
    )


def _ood_cohort(store: Store, split: Split, repeated: Rows, tasks: Sequence[str]) -> EvaluatedCohort:
    """``repeated`` are the rows whose signal a training cohort holds."""
    tested: dict[ProbeKind, Rows] = {
        "transfer": np.setdiff1d(np.arange(len(store)), repeated),
        "within": np.setdiff1d(split.test, repeated),
    }
    return EvaluatedCohort(store, "ood", targets_of(store, tasks), split.train, split.valid, tested, len(repeated))


def _check_names(stores: Sequence[Store]) -> None:
    names = [store.cohort for store in stores]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"two stores hold a cohort named '{repeated[0]}': every cohort is given once, by its own name")
