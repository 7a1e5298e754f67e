"""Numbers and sentences of the report."""

from __future__ import annotations

from collections.abc import Iterator

from cape_fed.evaluate.report.view import View
from cape_fed.evaluate.results import Difference, Estimate, SummaryValue

METRIC_NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "mae": "mean absolute error (years)",
    "r2": "R²",
    "balanced_accuracy": "balanced accuracy",
}
SCOPE_NAMES = {"id": "ID", "ood": "OOD", "worst": "worst cohort"}
_DIGITS = {"mae": 1, "r2": 2}


def number(value: float | None, metric: str, *, sign: bool = False) -> str:
    """A value with the digits its metric deserves; a dash where there is none."""
    if value is None:
        return "–"
    text = f"{value:+.{_DIGITS.get(metric, 3)}f}" if sign else f"{value:.{_DIGITS.get(metric, 3)}f}"
    return text.replace("-", "−")


def interval(estimate: Estimate, *, sign: bool = False) -> str:
    """``low to high``; empty where there is no value."""
    if estimate.point is None or estimate.low is None:
        return ""
    low, high = (number(value, estimate.metric, sign=sign) for value in (estimate.low, estimate.high))
    return f"{low} to {high}"


def p_text(p: float) -> str:
    """A p-value with two digits that matter."""
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def headline(view: View) -> list[str]:
    """The result in a few sentences made from the numbers; the first one stands alone."""
    main = view.methods[0] if len(view.methods) == 1 else None
    sentences = [*(_evaluated(view, main) if main else _compared(view)), *_artefacts(view)]
    return sentences or ["No task has enough patients in these cohorts: there is no number to show."]


def _evaluated(view: View, method: str) -> Iterator[str]:
    summary = view.results[method].summary["auroc"]
    tasks = _tasks(len(summary.tasks))
    if summary.ood:
        yield (
            f"In cohorts that took no part in training, a linear probe on {method} reaches a mean AUROC of "
            f"{_value(summary.ood)} over {tasks} ({_where(summary.ood)})."
        )
    if summary.id and summary.worst:
        yield (
            f"In the cohorts it was trained on it is {_value(summary.id)} over {'the same ' if summary.ood else ''}"
            f"{tasks}; in the worst cohort, {summary.worst.cohort}, {_value(summary.worst)}."
        )
    scope = "ood" if summary.ood else "id"
    for baseline in view.baselines:
        yield from _difference(view, method, baseline, scope)


def _compared(view: View) -> Iterator[str]:
    reference, *others = view.methods
    summary = view.results[reference].summary["auroc"]
    scope = "ood" if summary.ood else "id"
    value = summary.ood or summary.id
    if value is None:
        return
    where = "cohorts that took no part in training" if scope == "ood" else "the training cohorts"
    yield f"In {where}, {reference} reaches a mean AUROC of {_value(value)} over {_tasks(value.tasks)}."
    for method in others:
        yield from _difference(view, method, reference, scope)


def _difference(view: View, method: str, reference: str, scope: str) -> Iterator[str]:
    for entry in view.differences:
        place = (entry.method, entry.reference, entry.task, entry.metric, entry.scope)
        if place == (method, reference, "mean", "auroc", scope) and entry.point is not None:
            yield f"There, {method} is {_gap(entry)} {reference}."


def _gap(entry: Difference) -> str:
    """``0.046 (0.030 to 0.061) above``, or that the interval leaves both signs open."""
    point, low, high = entry.point or 0.0, entry.low or 0.0, entry.high or 0.0
    if low <= 0 <= high:
        return f"not told apart by these data ({number(point, 'auroc', sign=True)}, {interval(entry, sign=True)}) from"
    if point < 0:
        low, high = -high, -low
    size = number(abs(point), "auroc")
    return f"{size} ({number(low, 'auroc')} to {number(high, 'auroc')}) {'above' if point > 0 else 'below'}"


def _artefacts(view: View) -> Iterator[str]:
    shown = {name: view.results[name].artefact_probe for name in view.methods}
    parts = [f"{probe.point:.0%} from {name}" for name, probe in shown.items() if probe.point is not None]
    probe = shown[view.methods[0]]
    if parts and probe.chance is not None:
        beside = probe.demographics.point if probe.demographics else None
        demographics = f" and {beside:.0%} from age and sex alone" if beside is not None else ""
        yield (
            f"A linear model names the cohort of a recording correctly in {', '.join(parts)}, "
            f"where chance is {probe.chance:.0%}{demographics}: less is better."
        )


def _value(value: SummaryValue) -> str:
    return f"{number(value.point, value.metric)} ({interval(value)})"


def _where(value: SummaryValue) -> str:
    return value.cohort


def _tasks(count: int) -> str:
    return f"{count} task{'s' if count != 1 else ''}"
