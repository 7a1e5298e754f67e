"""Results as a table on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from cape_fed.evaluate.results import Estimate, MethodResults

if TYPE_CHECKING:
    from cape_fed.finetune.results import FinetuneResults
    from cape_fed.search.results import SearchResults
    from cape_fed.study.results import StudyResults

SCOPES = ("id", "ood", "worst")


def print_results(methods: Mapping[str, MethodResults], out: Path) -> None:
    """ID, OOD and worst cohort of every method with 95 % intervals, and where the report is."""
    table = Table("method", "ID AUROC", "OOD AUROC", "worst cohort", "OOD age MAE", "cohort probe", box=None)
    for name, results in methods.items():
        auroc, mae = results.summary.get("auroc"), results.summary.get("mae")
        cells = [_cell(getattr(auroc, scope, None)) for scope in SCOPES]
        table.add_row(name, *cells, _cell(getattr(mae, "ood", None)), _number(results.artefact_probe.point))
    chance = next((results.artefact_probe.chance for results in methods.values()), None)
    console = Console(width=None if Console().is_terminal else 140, markup=False)
    console.print(table)
    console.print(f"AUROC: mean over sex and labels, transfer probe. Cohort probe: chance is {_number(chance)}.")
    console.print(f"report: {out / 'report.html'}", soft_wrap=True)


def print_study(results: StudyResults, out: Path) -> None:
    """What every question and claim came to, in sentences, and where the report is."""
    from cape_fed.study.report.words import sentences, unmeasured_text, verdict_text

    console = Console(width=None if Console().is_terminal else 140, highlight=False, markup=False)
    for name, answer in results.answers.items():
        console.print(f"{answer.title}", style="bold")
        for sentence in sentences(answer, results.study.questions[name].headline):
            console.print(f"  {sentence}")
    for verdict in results.verdicts:
        console.print(f"{verdict.outcome}: {verdict.claim.text} {verdict_text(verdict)}")
    for claim in results.unmeasured:
        console.print(f"not measured: {claim.text} {unmeasured_text(claim)}")
    console.print(f"report: {out / 'report.html'}", soft_wrap=True)


def print_search(results: SearchResults, out: Path) -> None:
    """What a search found in sentences, the best recipe, and where the report is."""
    from cape_fed.search.report.document import sentences

    console = Console(width=None if Console().is_terminal else 140, highlight=False, markup=False)
    for sentence in sentences(results):
        console.print(sentence)
    console.print(f"best: {' '.join(results.ranked[0].overrides)}", soft_wrap=True)
    console.print(f"report: {out / 'report.html'}", soft_wrap=True)


def print_finetune(results: FinetuneResults, out: Path) -> None:
    """The first metric of every mode by share of the labels, ID and OOD, and where the report is."""
    from cape_fed.evaluate.report.words import SCOPE_NAMES, metric_name
    from cape_fed.finetune.report.words import headline, mode_name, patients_of, scopes_of, share

    console = Console(width=None if Console().is_terminal else 140, highlight=False, markup=False)
    for name, cohort in results.cohorts.items():
        console.print(f"{name}: {cohort.train} train, {cohort.valid} validation, {cohort.test} test ({cohort.split})")
    fractions = sorted(results.options.fractions)
    for scope in scopes_of(results):
        columns = [f"{share(fraction)}, {patients_of(results, fraction)} patients" for fraction in fractions]
        table = Table(f"{SCOPE_NAMES[scope]} {metric_name(results.metrics[0], results.tasks)}", *columns, box=None)
        for mode in ("scratch", *results.options.modes):
            table.add_row(mode_name(mode), *(_cell(results.score(mode, fraction, scope)) for fraction in fractions))
        console.print(table)
    for sentence in headline(results):
        console.print(sentence)
    console.print(f"report: {out / 'report.html'}", soft_wrap=True)


def _cell(estimate: Estimate | None) -> str:
    if estimate is None or estimate.point is None:
        return "–"
    return f"{_number(estimate.point)} ({_number(estimate.low)}–{_number(estimate.high)})"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < 2 else f"{value:.1f}"
