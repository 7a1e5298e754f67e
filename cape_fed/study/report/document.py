"""``report.html``, ``tables.md`` and ``results.json`` of a study."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from cape_fed.evaluate.report.document import data_uri
from cape_fed.evaluate.report.view import Picture
from cape_fed.evaluate.results import RESULTS_FILE, write_json
from cape_fed.files import atomic_file
from cape_fed.study.report import words
from cape_fed.study.report.figures import carried_figure, level_figure
from cape_fed.study.report.markdown import to_markdown
from cape_fed.study.results import StudyResults

REPORT_FILE = "report.html"
TABLES_FILE = "tables.md"
_SVG = "image/svg+xml"


def report_study(results: StudyResults, out: Path) -> None:
    """Write all three into ``out``."""
    with atomic_file(out / REPORT_FILE) as partial:
        partial.write_text(render(results), encoding="utf-8")
    with atomic_file(out / TABLES_FILE) as partial:
        partial.write_text(to_markdown(results), encoding="utf-8")
    write_json(results, out / RESULTS_FILE)


def render(results: StudyResults) -> str:
    """The report as one HTML document that asks for nothing outside itself."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(
        number=words.number,
        interval=words.interval,
        p=words.p_text,
        measure=words.measure_name,
        sentences=words.sentences,
        verdict=words.verdict_text,
        data_uri=data_uri,
    )
    template = environment.from_string(files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8"))
    return template.render(results=results, questions=results.study.questions, pictures=_pictures(results))


def _pictures(results: StudyResults) -> dict[str, dict[str, Picture]]:
    """By question and kind, where there is something to draw."""
    drawn: dict[str, dict[str, Picture]] = {}
    for name, answer in results.answers.items():
        question = results.study.questions[name]
        figures = {
            "levels": level_figure(answer, question.shown, list(question.beside)),
            "carried": carried_figure(answer),
        }
        drawn[name] = {kind: Picture(name, _SVG, svg.encode()) for kind, svg in figures.items() if svg}
    return drawn
