"""Which planted artefacts an encoder carries: cohorts that differ in one told apart, against cohorts that do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cape_fed.evaluate.artefact.probe import LINEAR
from cape_fed.evaluate.statistics.bootstrap import Sampled
from cape_fed.study.cell import Outcome
from cape_fed.study.config import Question
from cape_fed.study.contrasts import contrast, correct
from cape_fed.study.measure import ARTEFACT, PROBE
from cape_fed.study.plan import Placed
from cape_fed.study.results import Contrast
from cape_fed.synthetic.planted import NONE as CONTROL

TOLD_APART = f"{PROBE}{LINEAR}"

Probes = dict[tuple[str, str], dict[int, Sampled]]
"""Accuracy of telling cohorts apart, by level, artefact and seed."""


def carried(question: Question, placed: Sequence[Placed], outcomes: Mapping[str, Outcome]) -> dict[str, list[Contrast]]:
    """For every level each artefact's probe minus the control's, corrected by Holm over all of the question."""
    if question.artefacts == "no":
        return {}
    probes = _one_at_a_time(placed, outcomes) if question.artefacts == "one at a time" else _together(placed, outcomes)
    contrasts: dict[str, list[Contrast]] = {}
    for (level, artefact), seeds in probes.items():
        control = probes.get((level, CONTROL), {})
        pairs = [(seeds[seed], control[seed]) for seed in seeds if seed in control]
        if artefact != CONTROL and pairs:
            contrasts.setdefault(level, []).append(contrast(artefact, CONTROL, pairs))
    correct(entry for found in contrasts.values() for entry in found)
    return contrasts


def _one_at_a_time(placed: Sequence[Placed], outcomes: Mapping[str, Outcome]) -> Probes:
    """The encoder is trained on cohorts that differ in the artefact, and probed on them."""
    probes: Probes = {}
    for entry in placed:
        measures = outcomes[entry.cell.name].measures
        if TOLD_APART in measures and entry.cell.keys.planted is not None:
            probes.setdefault((entry.level, entry.cell.keys.planted), {})[entry.seed] = measures[TOLD_APART]
    return probes


def _together(placed: Sequence[Placed], outcomes: Mapping[str, Outcome]) -> Probes:
    """The encoder is trained on cohorts that differ in all artefacts, and probed on cohorts that differ in one."""
    probes: Probes = {}
    for entry in placed:
        for measure, value in outcomes[entry.cell.name].measures.items():
            if measure.startswith(ARTEFACT):
                probes.setdefault((entry.level, measure.removeprefix(ARTEFACT)), {})[entry.seed] = value
    return probes
