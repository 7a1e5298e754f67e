"""Whole small fine-tunings, and what they left."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cape_fed import jobs
from cape_fed.config import RunConfig
from cape_fed.finetune.results import FinetuneResults
from cape_fed.store.store import Store


def tune(bundle: Path, config: RunConfig) -> FinetuneResults:
    return jobs.finetune(bundle, config, lambda done, total, line: None)


def outputs_of(out: Path) -> dict[str, np.ndarray]:
    found = {}
    for path in sorted(out.glob("cells/*/outputs.npz")):
        with np.load(path) as stored:
            found |= {f"{path.parent.name}/{cohort}": stored[cohort] for cohort in stored.files}
    return found


def same(one: Path, other: Path) -> bool:
    first, second = outputs_of(one), outputs_of(other)
    return first.keys() == second.keys() and all(np.array_equal(first[key], second[key]) for key in first)


def fold_of(store: Store) -> list[int]:
    """Ten folds of equally many patients."""
    return (1 + store.patients % 10).tolist()
