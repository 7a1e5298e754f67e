"""Example ECGs of every cohort on ECG paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cape_fed.evaluate.cohorts import EvaluatedCohort, Rows
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.files import atomic_file
from cape_fed.plot import draw_row
from cape_fed.seeds import derive_rng

FOLDER = "figures"
_DPI = 120
_OLDEST = 90
"""Ages from here on are shown as one: exact ones tell patients apart."""


def example_path(out: Path, cohort: int, number: int) -> Path:
    """File of one example, cohorts being numbered in the order of the results."""
    return out / FOLDER / f"example-{cohort:02d}-{number:02d}.png"


def draw_examples(cohorts: Sequence[EvaluatedCohort], out: Path, options: EvaluateOptions) -> None:
    """Draw evaluated records picked at random, those without a quality flag first; headed by no record or patient."""
    for old in (out / FOLDER).glob("example-*.png"):
        old.unlink()
    for index, cohort in enumerate(cohorts):
        for number, row in enumerate(_pick(cohort, options)):
            figure = draw_row(cohort.store, row, _describe(cohort, row))
            with atomic_file(example_path(out, index, number)) as partial:
                figure.savefig(partial, format="png", dpi=_DPI)


def _pick(cohort: EvaluatedCohort, options: EvaluateOptions) -> Rows:
    rows = cohort.tested["transfer"]
    shuffled = derive_rng(options.seed, "examples", cohort.name).permutation(rows)
    flawed = (cohort.store.quality[shuffled] != 0) | (cohort.store.valid[shuffled] < cohort.store.profile.samples)
    return shuffled[np.argsort(flawed, kind="stable")][: options.examples]


def _describe(cohort: EvaluatedCohort, row: int) -> str:
    """Cohort, sex, age and positive labels."""
    age, sex = (cohort.store.label(name)[row] for name in ("age", "sex"))
    years = f"{_OLDEST} years or older" if age >= _OLDEST else f"{age:.0f} years"
    labels = [name for name in cohort.store.label_names if cohort.targets[name][row] > 0.5]
    known = [
        f"{cohort.name} ({cohort.role.upper()})",
        {0.0: "male", 1.0: "female"}.get(float(sex), "sex not known"),
        years if np.isfinite(age) else "age not known",
        " ".join(labels),
    ]
    return ",  ".join(part for part in known if part)
