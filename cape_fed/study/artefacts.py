"""Which planted artefacts an encoder carries: how well it shows the cohort, against cohorts that do not differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cape_fed.evaluate.artefact.probe import LINEAR
from cape_fed.evaluate.statistics.bootstrap import Sampled
from cape_fed.study.config import Question
from cape_fed.study.contrasts import contrast, correct
from cape_fed.study.measure import ARTEFACT, PROBE
from cape_fed.study.plan import PlannedTrial
from cape_fed.study.results import Contrast
from cape_fed.study.trial import Outcome
from cape_fed.synthetic.planted import NONE as CONTROL

LINEAR_PROBE = f"{PROBE}{LINEAR}"

Probes = dict[tuple[str, str], dict[int, Sampled]]
"""Accuracy of telling cohorts apart, by level, artefact and seed."""


def artefact_contrasts(
    question: Question, planned: Sequence[PlannedTrial], outcomes: Mapping[str, Outcome]
) -> dict[str, list[Contrast]]:
    """For every level each artefact's probe minus the control's, corrected by Holm over all of the question."""
    if question.artefacts == "no":
        return {}
    probes = (
        _one_at_a_time(planned, outcomes) if question.artefacts == "one at a time" else _together(planned, outcomes)
    )
    contrasts: dict[str, list[Contrast]] = {}
    for (level, artefact), seeds in probes.items():
        control = probes.get((level, CONTROL), {})
        pairs = [(seeds[seed], control[seed]) for seed in seeds if seed in control]
        if artefact != CONTROL and pairs:
            contrasts.setdefault(level, []).append(contrast(artefact, CONTROL, pairs))
    correct(entry for found in contrasts.values() for entry in found)
    return contrasts


def _one_at_a_time(planned: Sequence[PlannedTrial], outcomes: Mapping[str, Outcome]) -> Probes:
    """The encoder is trained on cohorts that differ in the artefact, and probed on them."""
    probes: Probes = {}
    for entry in planned:
        measures = outcomes[entry.trial.name].measures
        if LINEAR_PROBE in measures and entry.trial.keys.planted is not None:
            probes.setdefault((entry.level, entry.trial.keys.planted), {})[entry.seed] = measures[LINEAR_PROBE]
    return probes


def _together(planned: Sequence[PlannedTrial], outcomes: Mapping[str, Outcome]) -> Probes:
    """The encoder is trained on cohorts that differ in all artefacts, and probed on cohorts that differ in one."""
    probes: Probes = {}
    for entry in planned:
        for measure, value in outcomes[entry.trial.name].measures.items():
            if measure.startswith(ARTEFACT):
                probes.setdefault((entry.level, measure.removeprefix(ARTEFACT)), {})[entry.seed] = value
    return probes
