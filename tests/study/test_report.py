"""A report is written from what there is, however little that is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cape_fed.study.analysis import answer, judge
from cape_fed.study.config import StudyConfig
from cape_fed.study.plan import PlannedTrial, make_plan
from cape_fed.study.report import document
from cape_fed.study.report.document import report_study
from cape_fed.study.report.markdown import to_markdown
from cape_fed.study.report.words import sentences
from cape_fed.study.results import StudyResults
from tests.study.outcomes import PLANTED, Measured, outcomes

MEASURE = "auroc/ood"

Lost = Callable[[PlannedTrial], bool]


def batches() -> StudyConfig:
    question = {
        "title": "Batches?", "reference": "random", "levels": {"random": "batching=random", "idb": "batching=idb"},
        "beside": {"untrained": "pretraining=untrained"},
    }  # fmt: skip
    settings = ["experiment=study", "seed=range(4)", "data.train=[a]", "data.evaluate=[o]"]
    return StudyConfig.model_validate({"title": "B", "settings": settings, "questions": {"batches": question}})


def artefacts(seeds: int = 4) -> StudyConfig:
    question = {
        "title": "Which?", "reference": "random", "across": "planted=none,padding,gain",
        "levels": {"random": "batching=random", "idb": "batching=idb"}, "artefacts": "one at a time",
    }  # fmt: skip
    settings = ["experiment=study", f"seed=range({seeds})"]
    return StudyConfig.model_validate({"title": "A", "settings": settings, "questions": {"which": question}})


def results_of(study: StudyConfig, measured: Measured, lost: Lost = lambda planned: False) -> StudyResults:
    """Results of a study whose trials were measured by a function, but for those that were lost."""
    plan = make_plan(study, [], Path("out"), PLANTED)
    found = outcomes([planned for planned in plan if not lost(planned)], measured)
    answers = answer(study, plan, found, {})
    verdicts = judge(study.claims, answers)
    return StudyResults(study=study, overrides=[], cells=len(plan), answers=answers, verdicts=verdicts)


def test_a_number_of_one_seed_has_no_interval_and_no_empty_brackets() -> None:
    study = batches().model_dump()
    study["settings"] = ["experiment=study", "seed=range(1)", "data.train=[a]", "data.evaluate=[o]"]
    study["claims"] = [
        {"text": "It does.", "question": "batches", "level": "idb", "reference": "random", "measure": MEASURE,
         "higher": True, "margin": 0.01},
    ]  # fmt: skip
    results = results_of(
        StudyConfig.model_validate(study), lambda planned: {MEASURE: 0.8 + 0.1 * (planned.level == "idb")}
    )
    text = to_markdown(results)
    assert "It does. AUROC, OOD: idb − random = +0.100\n" in text
    assert "| idb | 0.900<br>+0.100 |" in text
    carried = to_markdown(results_of(artefacts(seeds=1), lambda planned: {"artefact/padding": 0.7, MEASURE: 0.8}))
    assert "()" not in text + carried
    assert "(;" not in text + carried


def test_a_measure_that_one_replicate_lacks_has_contrasts_without_a_value(tmp_path: Path) -> None:
    def some(planned: PlannedTrial) -> dict[str, float]:
        quality = 0.8 + 0.1 * (planned.level == "idb") + 0.001 * ((planned.seed * len(planned.level)) % 3)
        has_none = (planned.level, planned.seed) in (("random", 2), ("idb", 3))
        return {"mae/ood": 9.0, **({} if has_none else {MEASURE: quality})}

    results = results_of(batches(), some)
    report_study(results, tmp_path)
    (said,) = sentences(results.answers["batches"], MEASURE)
    assert said.startswith("Against random (OOD AUROC), idb +0.1")
    row = next(line for line in to_markdown(results).splitlines() if line.startswith("| idb"))
    assert "| –<br>+0.1" in row


def test_an_artefact_that_was_not_probed_for_a_level_is_a_gap_in_its_row(tmp_path: Path) -> None:
    results = results_of(
        artefacts(),
        lambda planned: {"probe/linear": 0.3 + 0.01 * planned.seed},
        lambda planned: (planned.level, planned.panel) == ("idb", "gain"),
    )
    report_study(results, tmp_path)
    row = next(line for line in to_markdown(results).splitlines() if line.startswith("| idb | 0.000"))
    assert row.endswith("| – |")


def test_where_every_compared_level_failed_there_is_a_report_of_those_beside_them(tmp_path: Path) -> None:
    results = results_of(batches(), lambda planned: {MEASURE: 0.7}, lambda planned: planned.level != "untrained")
    report_study(results, tmp_path)
    assert "| untrained | 0.700" in (tmp_path / "tables.md").read_text()


def test_no_fault_in_drawing_loses_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(results: StudyResults) -> dict[str, dict[str, str]]:
        raise KeyError(MEASURE)

    monkeypatch.setattr(document, "draw_figures", fails)
    results = results_of(batches(), lambda planned: {MEASURE: 0.7})
    with pytest.raises(KeyError):
        report_study(results, tmp_path)
    assert StudyResults.model_validate_json((tmp_path / "results.json").read_text()) == results


def test_what_is_carried_is_said_only_where_seeds_can_tell() -> None:
    def some(planned: PlannedTrial) -> dict[str, float]:
        shows = (planned.level, planned.panel) == ("random", "padding")
        return {"probe/linear": 0.3 + 0.4 * shows + 0.01 * planned.seed}

    assert list(sentences(results_of(artefacts(), some).answers["which"], MEASURE)) == [
        "random carries padding.",
        "idb: no artefact shows significantly more than the control; that does not prove that none does.",
    ]
    assert list(sentences(results_of(artefacts(seeds=1), some).answers["which"], MEASURE)) == [
        f"{level}: one seed cannot tell which artefacts it carries." for level in ("random", "idb")
    ]
