"""``report.html``: figures, tables and words put into the template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cape_fed.evaluate.report import words
from cape_fed.evaluate.report.curves import training_curves
from cape_fed.evaluate.report.examples import example_path
from cape_fed.evaluate.report.forest import (
    artefact_forest,
    difference_forest,
    pair_label,
    summary_forest,
    task_forest,
)
from cape_fed.evaluate.report.maps import MAP_FILE
from cape_fed.evaluate.report.reliability import reliability_curves
from cape_fed.evaluate.report.view import View
from cape_fed.evaluate.results import REASONS, Comparison, Difference, Results
from cape_fed.evaluate.scoring.pooled import POOLS
from cape_fed.evaluate.targets.registry import is_regression, unit_of
from cape_fed.report.numbers import p_text
from cape_fed.report.page import PNG, SVG, Picture, render_page, svg_picture, write_page
from cape_fed.rundir import read_metrics

CURVES_FILE = "curves.jsonl"


def report_evaluation(results: Results, out: Path) -> None:
    """Write ``report.html`` of one evaluation into ``out``, where its figures and curves are."""
    view = View(
        title=f"{results.method}: inside and outside the training cohorts",
        source=_source(results),
        methods=[results.method],
        baselines=list(results.baselines),
        results=results.methods(),
        cohorts=results.cohorts,
        differences=results.differences,
        options=results.options,
        curves=_curves({results.method: out}),
        maps=_maps({results.method: out}),
        examples=_examples(out, list(results.cohorts)),
        foreign=results.foreign,
        absent=results.absent,
    )
    write_page(render(view), out)


def _source(results: Results) -> str:
    bundle = results.bundle
    if results.bundle_is_foreign:
        return f"encoder {bundle.name}"
    privacy = bundle.privacy or "what protects its patients is not known"
    return f"bundle {bundle.name}, sha256 {(bundle.sha256 or 'not known')[:12]}; {privacy}"


def report_comparison(comparison: Comparison, runs: Mapping[str, Path], out: Path) -> None:
    """Write ``report.html`` of a comparison into ``out``; ``runs`` are the evaluations' directories by method."""
    view = View(
        title=f"{', '.join(list(runs)[:-1])} and {list(runs)[-1]}: inside and outside the training cohorts",
        source=f"{len(runs)} evaluations of the same records, set against {comparison.reference}",
        methods=list(runs),
        baselines=[name for name in comparison.methods if name not in runs],
        results=comparison.methods,
        cohorts=comparison.cohorts,
        differences=comparison.differences,
        options=comparison.options,
        curves=_curves(runs),
        maps=_maps(runs),
        examples=_examples(next(iter(runs.values())), list(comparison.cohorts)),
        similarity={name: {str(role): x for role, x in sides.items()} for name, sides in comparison.similarity.items()},
        foreign=comparison.foreign,
        absent=comparison.absent,
    )
    write_page(render(view), out)


def render(view: View) -> str:
    """The report as one HTML document that asks for nothing outside itself."""
    return render_page(
        __package__,
        {"number": words.number, "interval": words.interval, "p": p_text},
        view=view,
        headline=words.headline(view),
        metric_name=words.metric_name,
        regression=is_regression,
        unit=unit_of,
        scope_names=words.SCOPE_NAMES,
        reasons=REASONS,
        pools=POOLS,
        figures={name: svg_picture(name, svg) for name, svg in _figures(view) if svg},
        pairs=_pairs(view.differences),
    )


def _figures(view: View) -> Iterator[tuple[str, str | None]]:
    yield "auroc", summary_forest(view, "auroc")
    yield "mae", summary_forest(view, "mae")
    yield "difference", difference_forest(view, "auroc")
    yield "tasks", task_forest(view)
    yield "artefacts", artefact_forest(view)
    yield "curves", training_curves(view)
    yield "reliability", reliability_curves(view)


def _pairs(differences: Sequence[Difference]) -> dict[str, dict[tuple[str, str, str], Difference]]:
    """Differences by pair of methods, then by task, metric and scope."""
    pairs: dict[str, dict[tuple[str, str, str], Difference]] = {}
    for entry in differences:
        pairs.setdefault(pair_label(entry), {})[entry.task, entry.metric, entry.scope] = entry
    return pairs


def _curves(runs: Mapping[str, Path]) -> dict[str, list[dict[str, object]]]:
    curves = {method: list(read_metrics(run / CURVES_FILE)) for method, run in runs.items()}
    return {method: lines for method, lines in curves.items() if lines}


def _maps(runs: Mapping[str, Path]) -> list[Picture]:
    paths = {method: run / MAP_FILE for method, run in runs.items()}
    return [Picture(method, SVG, path.read_bytes()) for method, path in paths.items() if path.is_file()]


def _examples(run: Path, cohorts: Sequence[str]) -> list[Picture]:
    pictures = []
    for index, cohort in enumerate(cohorts):
        number = 0
        while (path := example_path(run, index, number)).is_file():
            pictures.append(Picture(cohort, PNG, path.read_bytes()))
            number += 1
    return pictures
