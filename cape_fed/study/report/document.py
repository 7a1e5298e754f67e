"""``report.html``, ``tables.md``, ``results.json`` and the pictures of a study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cape_fed.evaluate.results import RESULTS_FILE, write_json
from cape_fed.files import atomic_file
from cape_fed.report.numbers import p_text
from cape_fed.report.page import render_page, svg_picture, write_page
from cape_fed.study.report import words
from cape_fed.study.report.figures import artefact_figure, level_figure
from cape_fed.study.report.forest import forest_figure
from cape_fed.study.report.markdown import to_markdown
from cape_fed.study.results import StudyResults

TABLES_FILE, FIGURES = "tables.md", "figures"

Figures = dict[str, dict[str, str]]
"""SVG by question and kind."""


def report_study(results: StudyResults, out: Path) -> None:
    """Write all of them into ``out``, the pictures also by themselves as ``figures/QUESTION-KIND.svg``.

    ``results.json`` is written first, so that no fault in drawing loses what was found.
    """
    write_json(results, out / RESULTS_FILE)
    figures = draw_figures(results)
    write_page(render(results, figures), out)
    (out / FIGURES).mkdir(exist_ok=True)
    for question, drawn in figures.items():
        for kind, svg in drawn.items():
            with atomic_file(out / FIGURES / f"{question}-{kind}.svg") as partial:
                partial.write_text(svg, encoding="utf-8")
    with atomic_file(out / TABLES_FILE) as partial:
        partial.write_text(to_markdown(results), encoding="utf-8")


def render(results: StudyResults, figures: Figures) -> str:
    """The report as one HTML document that asks for nothing outside itself."""
    pictures = {name: {kind: svg_picture(name, svg) for kind, svg in drawn.items()} for name, drawn in figures.items()}
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
    return render_page(__package__, filters, results=results, questions=results.study.questions, pictures=pictures)


def draw_figures(results: StudyResults) -> Figures:
    """What there is to draw."""
    drawn: Figures = {}
    for name, answer in results.answers.items():
        question = results.study.questions[name]
        figures = {
            "pooled": forest_figure(answer, question.shown),
            "levels": level_figure(answer, question.shown, list(question.beside)),
            "carried": artefact_figure(answer),
        }
        drawn[name] = {kind: svg for kind, svg in figures.items() if svg}
    return drawn
