"""Embeddings of a sample of records, by which encoders are compared later. They stay with the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from cape_fed.errors import InputError
from cape_fed.evaluate.cohorts import EvaluatedCohort, Role
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.representation import Features
from cape_fed.files import PRIVATE, atomic_file
from cape_fed.seeds import derive_rng

SAMPLE_FILE = "sample.npz"
MOST = 1000
"""Records of a sample."""
_ROLES: tuple[Role, ...] = ("id", "ood")


@dataclass(frozen=True)
class Sample:
    """Embeddings of some evaluated records of one role."""

    features: NDArray[np.float32]
    """``[n, D]``."""
    digests: NDArray[np.uint64]
    """Content hash of each record's signal, ``[n]``: which records these are."""

    def same_records(self, other: Sample) -> bool:
        """Whether both are of the same records in the same order, more than three of them."""
        return len(self.digests) > 3 and np.array_equal(self.digests, other.digests)


def draw_sample(cohorts: Sequence[EvaluatedCohort], features: Features, rng: np.random.Generator) -> Sample:
    """At most `MOST` of the records evaluated in some cohorts, the same ones for every encoder."""
    digests = np.concatenate([cohort.store.digests[cohort.tested["transfer"]] for cohort in cohorts])
    embedded = np.concatenate([features[cohort.name][cohort.tested["transfer"]] for cohort in cohorts])
    chosen = rng.permutation(len(digests))[:MOST]
    return Sample(embedded[chosen], digests[chosen])


def write_sample(cohorts: Sequence[EvaluatedCohort], features: Features, path: Path, options: EvaluateOptions) -> None:
    """Write a sample of the records evaluated of each role."""
    arrays: dict[str, Any] = {}
    for role in _ROLES:
        own = [cohort for cohort in cohorts if cohort.role == role]
        if own:
            sample = draw_sample(own, features, derive_rng(options.seed, "sample", role))
            arrays |= {f"{role}_features": sample.features, f"{role}_digests": sample.digests}
    with atomic_file(path, PRIVATE) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def read_sample(path: Path) -> dict[Role, Sample]:
    """The samples by role, none where there is no file; InputError where it is something else."""
    if not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {
                role: Sample(stored[f"{role}_features"], stored[f"{role}_digests"])
                for role in _ROLES
                if f"{role}_features" in stored
            }
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(f"{path} is not a sample of embeddings ({type(error).__name__}): evaluate again") from None
