"""``report.html``, ``tables.md`` and ``results.json`` of a study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cape_fed.evaluate.results import RESULTS_FILE, write_json
from cape_fed.files import atomic_file
from cape_fed.report.numbers import p_text
from cape_fed.report.page import Picture, render_page, svg_picture, write_page
from cape_fed.study.report import words
from cape_fed.study.report.figures import artefact_figure, level_figure
from cape_fed.study.report.forest import forest_figure
from cape_fed.study.report.markdown import to_markdown
from cape_fed.study.results import StudyResults

TABLES_FILE = "tables.md"


def report_study(results: StudyResults, out: Path) -> None:
    """Write all three into ``out``."""
    write_page(render(results), out)
    with atomic_file(out / TABLES_FILE) as partial:
        partial.write_text(to_markdown(results), encoding="utf-8")
    write_json(results, out / RESULTS_FILE)


def render(results: StudyResults) -> str:
    """The report as one HTML document that asks for nothing outside itself."""
    filters: dict[str, Callable[..., Any]] = {
        "number": words.number,
        "interval": words.interval,
        "p": p_text,
        "measure": words.measure_name,
        "sentences": words.sentences,
        "verdict": words.verdict_text,
        "unmeasured": words.unmeasured_text,
        "prediction": words.prediction,
        "missing": words.missing_text,
    }
    return render_page(
        __package__, filters, results=results, questions=results.study.questions, pictures=_pictures(results)
    )


def _pictures(results: StudyResults) -> dict[str, dict[str, Picture]]:
    """By question and kind, where there is something to draw."""
    drawn: dict[str, dict[str, Picture]] = {}
    for name, answer in results.answers.items():
        question = results.study.questions[name]
        figures = {
            "pooled": forest_figure(answer, question.shown),
            "levels": level_figure(answer, question.shown, list(question.beside)),
            "carried": artefact_figure(answer),
        }
        drawn[name] = {kind: svg_picture(name, svg) for kind, svg in figures.items() if svg}
    return drawn
