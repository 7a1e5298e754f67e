"""Answers, corrections and verdicts from outcomes made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cape_fed.evaluate.statistics.effects import effect, holm
from cape_fed.study.analysis import answer, judge
from cape_fed.study.config import Claim, StudyConfig
from cape_fed.study.plan import PlannedTrial, make_plan
from cape_fed.study.report.words import unmeasured_text
from cape_fed.study.results import Answer, Contrast, Panel, StudyResults, Value
from tests.study.outcomes import outcomes

MEASURE = "auroc/ood"
DATA = ["data.train=[a]", "data.evaluate=[o]"]


def two_questions() -> StudyConfig:
    return StudyConfig.model_validate(
        {
            "title": "Two",
            "settings": ["experiment=study", "seed=range(4)"],
            "questions": {
                "rate": {
                    "title": "Rate?",
                    "reference": "low",
                    "levels": {"low": "train.learning_rate=0.001", "high": "train.learning_rate=0.01"},
                    "similar_to": "low",
                },
                "steps": {
                    "title": "Steps?",
                    "reference": "few",
                    "across": "norm=group,batch",
                    "levels": {"few": "train.steps=5", "some": "train.steps=6", "many": "train.steps=7"},
                    "beside": {"none": "pretraining=untrained"},
                },
            },
        }
    )


def quality(planned: PlannedTrial) -> dict[str, float]:
    steps = {"some": 0.004, "many": 0.03, "high": -0.01}.get(planned.level, 0.0)
    return {MEASURE: 0.8 + steps + 0.01 * planned.seed + 0.002 * ((planned.seed * len(planned.level)) % 3)}


def test_contrasts_are_paired_by_seed_and_corrected_over_the_whole_study() -> None:
    study = two_questions()
    plan = make_plan(study, DATA, Path("out"), {})
    found = outcomes(plan, quality)
    answers = answer(study, plan, found, {})
    assert [panel.name for panel in answers["steps"].panels] == ["norm group", "norm batch"]
    contrasts = [c for one in answers.values() for panel in one.panels for c in panel.contrasts[MEASURE]]
    assert [(c.level, c.reference) for c in contrasts] == [("high", "low"), *[("some", "few"), ("many", "few")] * 2]
    assert [c.p_holm for c in contrasts] == pytest.approx(holm([c.p or 0.0 for c in contrasts]))
    by_level = {(p.question, p.panel, p.level, p.seed): found[p.trial.name].measures[MEASURE] for p in plan}
    expected = effect([by_level["rate", "", "high", s] - by_level["rate", "", "low", s] for s in range(4)])
    first = contrasts[0]
    assert (first.point, first.low, first.high, first.p) == pytest.approx(
        (expected.point, expected.low, expected.high, expected.p)
    )
    level = answers["rate"].panels[0].levels["low"]
    assert level[MEASURE].seeds == pytest.approx([0.8 + 0.01 * s + 0.002 * (s * 3 % 3) for s in range(4)])
    assert level["fact/cka"].point == pytest.approx(1)


def test_seeds_whose_embeddings_are_the_same_for_every_record_have_no_similarity() -> None:
    study = two_questions().only(["rate"])
    plan = make_plan(study, DATA, Path("out"), {})
    found = outcomes(plan, quality)
    high = [planned.trial.name for planned in plan if planned.level == "high"]
    for collapsed in range(len(high)):
        found[high[collapsed]] = replace(found[high[collapsed]], sample=np.ones((20, 4), np.float32))
        values = answer(study, plan, found, {})["rate"].panels[0].levels["high"]
        left = len(high) - 1 - collapsed
        assert len(values["fact/cka"].seeds) == left if left else "fact/cka" not in values


def test_what_failed_is_left_out_in_pairs() -> None:
    study = two_questions().only(["rate"])
    plan = make_plan(study, DATA, Path("out"), {})
    found = outcomes(plan, quality)
    lost = next(planned for planned in plan if (planned.level, planned.seed) == ("low", 2))
    del found[lost.trial.name]
    (panel,) = answer(study, plan, found, {})["rate"].panels
    assert len(panel.levels["high"][MEASURE].seeds) == 4
    assert len(panel.levels["low"][MEASURE].seeds) == 3
    assert len(panel.contrasts[MEASURE][0].seeds) == 3
    none = answer(study, plan, {}, {})["rate"]
    assert none.panels == []


def claim(*, higher: bool = True) -> Claim:
    return Claim(
        text="It does.", question="q", level="new", reference="old", measure=MEASURE, higher=higher, margin=0.005
    )


@pytest.mark.parametrize(
    ("low", "high", "corrected", "higher", "outcome"),
    [
        (0.001, 0.02, 0.01, True, "supported"),
        (0.001, 0.02, 0.2, True, "undecided"),  # by its own interval only
        (-0.001, 0.02, 0.01, True, "undecided"),
        (-0.02, 0.004, 1.0, True, "refuted"),  # whatever there is, it is less than the margin
        (0.001, 0.004, 0.2, True, "refuted"),
        (0.001, 0.004, 0.01, True, "refuted"),  # there, and certainly too small to matter
        (0.001, 0.006, 0.01, True, "supported"),
        (-0.02, -0.001, 0.01, False, "supported"),
        (-0.02, 0.02, 0.01, False, "undecided"),
        (-0.004, 0.02, 1.0, False, "refuted"),
        (-0.004, -0.001, 0.01, False, "refuted"),
        (None, None, None, True, "undecided"),  # one seed
    ],
)
def test_verdicts_by_the_rule(
    low: float | None, high: float | None, corrected: float | None, higher: bool, outcome: str
) -> None:
    contrast = Contrast(
        level="new", reference="old", point=0.0, low=low, high=high, seeds=[], size=None, p=None, p_holm=corrected
    )
    beside = contrast.model_copy(update={"level": "other"})
    panel = Panel(name="p", levels={}, contrasts={MEASURE: [beside, contrast]})
    answers = {"q": Answer(title="Q", reference="old", panels=[panel])}
    (verdict,) = judge([claim(higher=higher)], answers)
    assert (verdict.outcome, verdict.panel, verdict.contrast) == (outcome, "p", contrast)


def test_a_claim_without_a_number_is_said_to_have_none() -> None:
    value = Value(point=0.8, low=0.7, high=0.9, seeds=[0.8])
    panel = Panel(name="", levels={"new": {MEASURE: value}, "old": {MEASURE: value}}, contrasts={})
    answers = {"q": Answer(title="Q", reference="old", panels=[panel])}
    question = {"title": "Q", "reference": "old", "levels": {"old": "seed=0", "new": "seed=1"}}
    study = StudyConfig.model_validate({"title": "S", "questions": {"q": question}, "claims": [claim().model_dump()]})
    results = StudyResults(study=study, overrides=[], cells=0, answers=answers, verdicts=judge(study.claims, answers))
    assert results.unmeasured == [claim()]
    assert unmeasured_text(claim()).startswith("AUROC, OOD: no number for both new and old")
