"""What a site says of an encoder: a cell for every cohort and task, under its own probes or those from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cape_fed.evaluate.cohorts import EvaluatedCohort, ProbeKind
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.prediction import Prediction
from cape_fed.evaluate.probes.fit import fit_probes
from cape_fed.evaluate.probes.predict import apply_probes
from cape_fed.evaluate.probes.representation import Features, Representation
from cape_fed.evaluate.probes.ridge import LinearProbe
from cape_fed.evaluate.probes.sums import cohort_sums
from cape_fed.evaluate.results import Cell
from cape_fed.evaluate.scoring.cells import fill, make_resamples, score

Cells = dict[str, dict[str, Cell]]
"""Cells of one kind of probe by cohort and task."""


def within_cells(
    cohorts: Sequence[EvaluatedCohort], features: Features, method: Representation, options: EvaluateOptions
) -> Cells:
    """Fit each cohort's own probes and score its held-out records with them: a cell for every task of a cohort.

    A cell without enough patients behind it holds no number.
    """
    blocks: list[Prediction] = []
    for cohort in cohorts:
        own = features[cohort.name]
        blocks += apply_probes(method, cohort, own, "within", fit_probes(cohort_sums(cohort, own, method), options))
    return _cells(cohorts, blocks, "within", options)


def transfer_cells(
    cohorts: Sequence[EvaluatedCohort],
    features: Features,
    method: Representation,
    probes: Mapping[str, LinearProbe],
    options: EvaluateOptions,
) -> Cells:
    """Score each cohort's held-out records with probes from elsewhere: a cell for every task of a cohort.

    Probes of tasks that a cohort does not know are passed over. A cell without enough patients behind it holds no
    number.
    """
    blocks = [
        block for cohort in cohorts for block in apply_probes(method, cohort, features[cohort.name], "transfer", probes)
    ]
    return _cells(cohorts, blocks, "transfer", options)


def _cells(
    cohorts: Sequence[EvaluatedCohort], predictions: Sequence[Prediction], kind: ProbeKind, options: EvaluateOptions
) -> Cells:
    scored = score(predictions, make_resamples(predictions, options), options)
    return {cohort.name: {task: fill(scored, cohort, task, kind).cell for task in cohort.targets} for cohort in cohorts}
