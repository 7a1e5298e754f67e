"""Fitting the probes of a method from the sums of its cohorts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cape_fed.evaluate.cohorts import EvaluatedCohort
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.representation import Features, Representation
from cape_fed.evaluate.probes.ridge import LinearProbe, choose_ridge
from cape_fed.evaluate.probes.sums import ProbeSums, add_sums, cohort_sums
from cape_fed.evaluate.probes.trees import TreeProbe, fit_trees

Probe = LinearProbe | TreeProbe


@dataclass(frozen=True)
class Probes:
    """All probes of one method."""

    transfer: Mapping[str, Probe]
    """By task."""
    within: Mapping[str, Mapping[str, Probe]]
    """By cohort and task."""


def fit(
    method: Representation, cohorts: Sequence[EvaluatedCohort], features: Features, options: EvaluateOptions
) -> Probes:
    """Fit within and transfer probes.

    A within probe is fitted on the cohort's own train patients; the transfer probe of a task on the train patients of
    all ID cohorts, whose sums are added, or whose records are put together where trees are fitted. Where too few
    patients stand behind a probe, there is none.
    """
    if method.learner == "trees":
        trained = [cohort for cohort in cohorts if cohort.role == "id"]
        own = {cohort.name: fit_trees([cohort], features, options) for cohort in cohorts}
        return Probes(fit_trees(trained, features, options), own)
    sums = {cohort.name: cohort_sums(cohort, features[cohort.name], method) for cohort in cohorts}
    transfer = fit_probes(add_sums(sums[cohort.name] for cohort in cohorts if cohort.role == "id"), options)
    return Probes(transfer, {name: fit_probes(by_task, options) for name, by_task in sums.items()})


def fit_probes(sums: Mapping[str, ProbeSums], options: EvaluateOptions) -> dict[str, LinearProbe]:
    """The probe of each task that has enough patients in its sums."""
    return {
        task: choose_ridge(entry.train, entry.valid, options.penalties)
        for task, entry in sums.items()
        if entry.support.enough(task, options.min_patients)
    }
