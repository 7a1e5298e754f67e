"""``report.html`` of a fine-tuning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cape_fed.evaluate.report.words import METRIC_NAMES, SCOPE_NAMES, interval, metric_name, number
from cape_fed.evaluate.targets.registry import unit_of
from cape_fed.finetune.report.figure import label_curves
from cape_fed.finetune.report.words import (
    headline,
    metric_label,
    mode_name,
    patients_of,
    penalties_text,
    scopes_of,
    share,
    tasks_in_mean,
)
from cape_fed.finetune.results import FinetuneResults
from cape_fed.report.numbers import p_text
from cape_fed.report.page import render_page, svg_picture, write_page


def report_finetune(results: FinetuneResults, out: Path) -> None:
    """Write it into ``out``."""
    write_page(render(results), out)


def render(results: FinetuneResults) -> str:
    """The report as one HTML document that asks for nothing outside itself."""
    filters: dict[str, Callable[..., Any]] = {
        "number": number, "interval": interval, "p": p_text, "share": share, "mode": mode_name,
        "penalties": penalties_text,
    }  # fmt: skip
    drawn = label_curves(results)
    return render_page(
        __package__,
        filters,
        results=results,
        headline=headline(results),
        metric_names={metric: metric_name(metric, results.tasks) for metric in METRIC_NAMES},
        unit=unit_of(results.tasks[0]),
        metric_label=metric_label(results),
        more=[results.metrics[1], *(("brier", "ece") if results.metrics[0] == "auroc" else ())],
        modes=("scratch", *results.options.modes),
        scopes={scope: SCOPE_NAMES[scope] for scope in scopes_of(results)},
        tasks=tasks_in_mean(results),
        patients={fraction: patients_of(results, fraction) for fraction in results.options.fractions},
        picture=svg_picture("labels", drawn) if drawn else None,
    )
