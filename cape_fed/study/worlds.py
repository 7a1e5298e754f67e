"""Worlds: hospitals whose people and machines are drawn anew, so that a study speaks of hospitals in general.

Seeds vary the training alone and leave the hospitals as they are. A world varies both: every one of them has other
hospitals to train on and other ones to evaluate on.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cape_fed.config import RunConfig
from cape_fed.errors import InputError
from cape_fed.study.kinds import Kind, as_kind
from cape_fed.study.plant import make_stores, sites_of
from cape_fed.study.sites import Sites
from cape_fed.synthetic.catalogue import draw_cohort
from cape_fed.synthetic.cohort import CohortSpec

TRAINED_ON, EVALUATED_ON = "abcd", "ef"


@dataclass(frozen=True, order=True)
class World:
    """One world, and the folder of its stores."""

    number: int
    patients: int
    """Of every cohort."""
    folder: Path
    kind: Kind = "drawn"
    """What its hospitals differ in more than hospitals that are drawn."""

    @property
    def cohorts(self) -> list[CohortSpec]:
        """Four cohorts to train on and two to evaluate on; no two worlds have one in common."""
        prefix = f"w{self.number:04d}"
        drawn = [
            *(draw_cohort(f"{prefix}-{letter}", "train", self.number) for letter in TRAINED_ON),
            *(draw_cohort(f"{prefix}-{letter}", "evaluate", self.number) for letter in EVALUATED_ON),
        ]
        return as_kind(self.kind, drawn, self.number)

    @property
    def sites(self) -> Sites:
        """Where the stores are while the world stands."""
        return sites_of(self.folder, self.cohorts)

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Make the stores that are not there yet, and remove all of them when the block ends well.

        They are the same whenever they are made, so that a study goes on where it was interrupted, and a study of many
        worlds needs the disk for no more of them than are worked on at a time.
        """
        make_stores(self.folder, self.cohorts, self.patients, self.number, 1)
        yield
        shutil.rmtree(self.folder, ignore_errors=True)


def require_enough_patients(key: str, patients: int, config: RunConfig) -> None:
    """InputError, with the ``key`` that gives them, where the training ``patients`` of a cohort cannot fill a batch."""
    train, pairs = int(config.split.fractions[0] * patients), config.train.pairs
    if train < pairs:
        raise InputError(f"{key}={patients} leaves {train} to train on, and a batch has {pairs} pairs")
