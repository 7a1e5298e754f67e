"""The answers to a study's questions, from the outcomes of its trials."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from cape_fed.evaluate.statistics.bootstrap import Sampled
from cape_fed.evaluate.statistics.effects import effect
from cape_fed.evaluate.statistics.similarity import linear_cka
from cape_fed.study.artefacts import artefact_contrasts
from cape_fed.study.config import Claim, Question, StudyConfig
from cape_fed.study.contrasts import contrast, correct
from cape_fed.study.measure import tasks_outside
from cape_fed.study.plan import PlannedTrial
from cape_fed.study.pooling import pool
from cape_fed.study.results import Answer, Contrast, Panel, Pooled, PooledPanel, Ruling, Value, Verdict
from cape_fed.study.trial import Outcome

BySeed = Mapping[int, Outcome]
Levels = Mapping[str, BySeed]
"""Outcomes of a panel by level and seed."""


def answer(
    study: StudyConfig,
    plan: Sequence[PlannedTrial],
    outcomes: Mapping[str, Outcome],
    subsets: Mapping[str, Mapping[str, float]],
) -> dict[str, Answer]:
    """Answer every question from the outcomes by trial name; trials without one are left out.

    ``subsets`` say by trial name who its patients are, where it has a subset.
    """
    answers = {}
    for name, question in study.questions.items():
        planned = [entry for entry in plan if entry.question == name and entry.trial.name in outcomes]
        worlds = any(entry.in_a_world for entry in planned)
        panels = [
            _panel(place, question, [p for p in planned if p.place == place], outcomes, subsets, worlds=worlds)
            for place in dict.fromkeys(entry.place for entry in planned)
        ]
        answers[name] = Answer(
            title=question.title,
            reference=question.reference,
            panels=panels,
            worlds=worlds,
            pooled=list(_pooled(question, panels)),
            carried=artefact_contrasts(question, planned, outcomes),
        )
    _mark_primary(study.claims, answers)
    _correct(answers)
    return answers


def _mark_primary(claims: Sequence[Claim], answers: Mapping[str, Answer]) -> None:
    """Mark the contrast of the primary claim, in a question that is asked once."""
    for claim in claims:
        panels = _decisive(answers[claim.question])
        if claim.primary and len(panels) == 1:
            for found in panels[0].contrasts.get(claim.measure, []):
                found.primary = (found.level, found.reference) == (claim.level, claim.reference)


def judge(claims: Sequence[Claim], answers: Mapping[str, Answer]) -> list[Verdict]:
    """What the contrasts say about each claim, in every panel of its question; pooled ones where cohorts are left out.

    Refuted where the whole interval lies below a benefit of the claim's margin, even one above 0; supported where, not
    being refuted, the whole interval is on the claimed side of 0 and p is below 0.05 after correction; undecided
    otherwise.
    """
    return [
        Verdict(
            claim=claim,
            panel=panel.name,
            outcome=_outcome(claim, found),
            contrast=found,
            pooled=isinstance(found, Pooled),
        )
        for claim in claims
        for panel in _decisive(answers[claim.question])
        for found in panel.contrasts.get(claim.measure, [])
        if (found.level, found.reference) == (claim.level, claim.reference)
    ]


def _decisive(answer: Answer) -> Sequence[Panel] | Sequence[PooledPanel]:
    """What claims are judged by."""
    return answer.pooled if answer.left_out else answer.panels


def _pooled(question: Question, panels: Sequence[Panel]) -> Iterator[PooledPanel]:
    """Every contrast pooled over the cohorts left out, for each setting of everything else."""
    for setting in dict.fromkeys(panel.setting for panel in panels if panel.left_out is not None):
        own = {panel.left_out: panel.contrasts for panel in panels if panel.setting == setting and panel.left_out}
        pooled: dict[str, list[Pooled]] = {}
        for measure in dict.fromkeys(measure for contrasts in own.values() for measure in contrasts):
            for level in question.compared:
                by_cohort = {cohort: _of_level(found.get(measure, []), level) for cohort, found in own.items()}
                if one := pool(by_cohort):
                    pooled.setdefault(measure, []).append(one)
        yield PooledPanel(name=setting, contrasts=pooled)


def _of_level(contrasts: Sequence[Contrast], level: str) -> Contrast | None:
    return next((found for found in contrasts if found.level == level), None)


def _outcome(claim: Claim, found: Contrast) -> Ruling:
    if found.low is None or found.high is None or found.p_holm is None:
        return "undecided"
    low, high = (found.low, found.high) if claim.higher else (-found.high, -found.low)
    if high < claim.margin:
        return "refuted"
    return "supported" if low > 0 and found.significant else "undecided"


def _by_level(planned: Sequence[PlannedTrial], outcomes: Mapping[str, Outcome]) -> Levels:
    levels: dict[str, dict[int, Outcome]] = {}
    for entry in planned:
        levels.setdefault(entry.level, {})[entry.seed] = outcomes[entry.trial.name]
    return levels


def _panel(
    name: str,
    question: Question,
    planned: Sequence[PlannedTrial],
    outcomes: Mapping[str, Outcome],
    subsets: Mapping[str, Mapping[str, float]],
    *,
    worlds: bool,
) -> Panel:
    levels = _by_level(planned, outcomes)
    reference = levels.get(question.reference, {})
    compared = [level for level in question.compared if level in levels and level != question.reference]
    measures = dict.fromkeys(measure for seeds in levels.values() for one in seeds.values() for measure in one.measures)
    left_out = planned[0].left_out
    return Panel(
        name=name,
        setting=planned[0].panel,
        left_out=left_out,
        tasks=[] if left_out is None else tasks_outside(measures),
        balance=_balance(planned, subsets),
        levels={
            level: {**dict(_values(seeds, worlds)), **_similarity(seeds, question, levels)}
            for level, seeds in levels.items()
        },
        contrasts={
            measure: found
            for measure in measures
            if (
                found := list(
                    _contrasts(
                        measure, {level: levels[level] for level in compared}, question.reference, reference, worlds
                    )
                )
            )
        },
    )


def _balance(
    planned: Sequence[PlannedTrial], subsets: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """Means over seeds of who the patients of each level are."""
    rows: dict[str, list[Mapping[str, float]]] = {}
    for entry in planned:
        if entry.trial.name in subsets:
            rows.setdefault(entry.level, []).append(subsets[entry.trial.name])
    return {
        level: {name: float(np.mean([row[name] for row in several])) for name in several[0]}
        for level, several in rows.items()
    }


def _values(seeds: BySeed, worlds: bool) -> Iterator[tuple[str, Value]]:
    """Measures and facts that all seeds of a level have."""
    first = next(iter(seeds.values()))
    for measure in first.measures:
        if all(measure in outcome.measures for outcome in seeds.values()):
            yield measure, Value.of(effect([outcome.measures[measure] for outcome in seeds.values()], worlds=worlds))
    for fact in first.facts:
        if all(fact in outcome.facts for outcome in seeds.values()):
            yield f"fact/{fact}", Value.of(effect([_constant(outcome.facts[fact]) for outcome in seeds.values()]))


def _similarity(seeds: BySeed, question: Question, levels: Levels) -> dict[str, Value]:
    """CKA to the level that the question names, over the seeds of both.

    Nothing where embeddings cannot be paired, or are the same for every record.
    """
    other = levels.get(question.similar_to or "", {})
    found = [
        linear_cka(seeds[seed].sample, other[seed].sample)
        for seed in seeds
        if seed in other and len(seeds[seed].sample) == len(other[seed].sample)
    ]
    known = [_constant(value) for value in found if math.isfinite(value)]
    return {"fact/cka": Value.of(effect(known))} if known else {}


def _contrasts(measure: str, levels: Levels, name: str, reference: BySeed, worlds: bool) -> Iterator[Contrast]:
    """Each level's paired difference from the reference, over the seeds that have the measure in both."""
    for level, own in levels.items():
        pairs = [
            (own[seed].measures[measure], reference[seed].measures[measure])
            for seed in own
            if seed in reference and measure in own[seed].measures and measure in reference[seed].measures
        ]
        if pairs:
            yield contrast(level, name, pairs, worlds=worlds)


def _correct(answers: Mapping[str, Answer]) -> None:
    """Fill in Holm's correction over all contrasts of a measure in the study; over pooled ones by themselves."""
    single, pooled = dict[str, list[Contrast]](), dict[str, list[Contrast]]()
    for entry in answers.values():
        for family, panels in ((single, entry.panels), (pooled, entry.pooled)):
            for panel in panels:
                for measure, contrasts in panel.contrasts.items():
                    family.setdefault(measure, []).extend(contrasts)
    for contrasts in (*single.values(), *pooled.values()):
        correct(contrasts)


def _constant(value: float) -> Sampled:
    return Sampled(value, np.full(2, value))
