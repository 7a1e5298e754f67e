"""Numbers and sentences of the report."""

from __future__ import annotations

from collections.abc import Iterator

from cape_fed.evaluate.report.view import View
from cape_fed.evaluate.results import Difference, Estimate, Summary, SummaryValue

METRIC_NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "mae": "Mean absolute error, years",
    "r2": "R²",
    "balanced_accuracy": "Balanced accuracy",
}
SCOPE_NAMES = {"id": "ID", "ood": "OOD", "worst": "Worst cohort"}
_IN = {"id": "ID", "ood": "OOD", "worst": "worst cohort"}
_DIGITS = {"mae": 1, "r2": 2}


def number(value: float | None, metric: str, *, sign: bool = False) -> str:
    """A value with the digits its metric deserves; a dash where there is none."""
    if value is None:
        return "–"
    rounded = round(value, _DIGITS.get(metric, 3)) or 0.0
    text = f"{rounded:{'+' if sign and rounded else ''}.{_DIGITS.get(metric, 3)}f}"
    return text.replace("-", "−")


def interval(estimate: Estimate, *, sign: bool = False) -> str:
    """``low–high``, or ``low to high`` where a sign would meet the dash; empty where there is no value."""
    if estimate.point is None or estimate.low is None:
        return ""
    low, high = (number(value, estimate.metric, sign=sign) for value in (estimate.low, estimate.high))
    return f"{low} to {high}" if sign or estimate.low < 0 else f"{low}–{high}"


def p_text(p: float) -> str:
    """A p-value with two digits that matter."""
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def headline(view: View) -> list[str]:
    """The result in a few sentences made from the numbers; the first one stands alone."""
    first = view.methods[0]
    sentences = list(_level(first, view.results[first].summary["auroc"]))
    others = [(method, first) for method in view.methods[1:]] or [(first, baseline) for baseline in view.baselines]
    for method, reference in others:
        sentences.extend(_difference(view, method, reference))
    sentences.extend(_artefacts(view))
    return sentences or ["No task has enough patients in these cohorts: there is no number to show."]


def _level(method: str, summary: Summary) -> Iterator[str]:
    one = len(summary.tasks) == 1
    mean, over = ("an", f"for {summary.tasks[0]}") if one else ("a mean", f"over {len(summary.tasks)} tasks")
    if summary.ood:
        yield (
            f"In cohorts that took no part in training, a linear probe on {method} reaches {mean} AUROC of "
            f"{_value(summary.ood)} {over}."
        )
    if summary.id:
        again = "over the same tasks" if summary.ood and not one else over
        worst = f"; in the worst cohort, {summary.worst.cohort}, {_value(summary.worst)}" if summary.worst else ""
        yield f"In test patients of the cohorts it was trained on it is {_value(summary.id)} {again}{worst}."


def _difference(view: View, method: str, reference: str) -> Iterator[str]:
    """OOD with its interval, then ID and the worst cohort; ID first where there is no OOD cohort."""
    found = {
        entry.scope: entry
        for entry in view.differences
        if (entry.method, entry.reference, entry.task, entry.metric) == (method, reference, "mean", "auroc")
    }
    scopes = [scope for scope in ("ood", "id", "worst") if scope in found]
    if scopes:
        rest = [f"{_IN[scope]} {number(found[scope].point, 'auroc', sign=True)}" for scope in scopes[1:]]
        beside = f"; {', '.join(rest)}" if rest else ""
        yield f"{_IN[scopes[0]]}, on the same patients, {method} is {_gap(found[scopes[0]], reference)}{beside}."


def _gap(entry: Difference, reference: str) -> str:
    """``0.046 (0.030–0.061) above X``, or that the interval leaves both signs open."""
    point, low, high = entry.point or 0.0, entry.low or 0.0, entry.high or 0.0
    if low <= 0 <= high:
        return f"not told apart from {reference} ({number(point, 'auroc', sign=True)}, {interval(entry, sign=True)})"
    near, far = sorted((abs(low), abs(high)))
    side = "above" if point > 0 else "below"
    return f"{number(abs(point), 'auroc')} ({number(near, 'auroc')}–{number(far, 'auroc')}) {side} {reference}"


def _artefacts(view: View) -> Iterator[str]:
    probes = {name: view.results[name].artefact_probe for name in view.methods}
    known = {name: probe for name, probe in probes.items() if probe.point is not None}
    if not known:
        return
    shares = [f"{probe.point:.0%} from {name}" for name, probe in known.items()]
    probe = next(iter(known.values()))
    beside = probe.demographics.point if probe.demographics else None
    demographics = f", and age and sex alone give {beside:.0%}" if beside is not None else ""
    yield (
        f"How often a linear model names the cohort of a recording: {', '.join(shares)}; "
        f"chance is {probe.chance:.0%}{demographics}. Less is better."
    )


def _value(value: SummaryValue) -> str:
    return f"{number(value.point, value.metric)} ({interval(value)})"
