"""Numbers and sentences of the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cape_fed.evaluate.report.view import View
from cape_fed.evaluate.results import Difference, Estimate, Summary, SummaryValue
from cape_fed.evaluate.targets.registry import unit_of
from cape_fed.report.numbers import decimal, span

METRIC_NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "mae": "Mean absolute error",
    "r2": "R²",
    "balanced_accuracy": "Balanced accuracy",
    "brier": "Brier score",
    "ece": "Calibration error",
}
SCOPE_NAMES = {"id": "ID", "ood": "OOD", "worst": "Worst cohort"}
_IN = {"id": "ID", "ood": "OOD", "worst": "worst cohort"}
_DIGITS = {"mae": 1, "r2": 2}
_IN_UNITS = ("mae",)


def metric_name(metric: str, tasks: Sequence[str] = ()) -> str:
    """A metric as a heading, with the unit that ``tasks`` have in common where it is in their unit."""
    unit = unit_of(tasks[0]) if tasks and metric in _IN_UNITS else ""
    return f"{METRIC_NAMES[metric]}, {unit}" if unit else METRIC_NAMES[metric]


def number(value: float | None, metric: str, *, sign: bool = False) -> str:
    """A value with the digits its metric deserves; a dash where there is none."""
    return decimal(value, _DIGITS.get(metric, 3), sign=sign)


def interval(estimate: Estimate, *, sign: bool = False) -> str:
    """The interval with the digits of its metric; empty where there is none."""
    return span(estimate.low, estimate.high, _DIGITS.get(estimate.metric, 3), sign=sign)


def headline(view: View) -> list[str]:
    """The result in a few sentences made from the numbers; the first one stands alone.

    Of one method it is what it reaches, of several which of them reaches most.
    """
    first = view.methods[0]
    if len(view.methods) == 1:
        sentences = list(_level(first, view.results[first].summary["auroc"], view.known))
        for baseline in view.baselines:
            sentences.extend(_difference(view, first, baseline, ("ood", "id", "worst")))
    else:
        sentences = list(_verdict(view))
        told = _verdict_scope(view) if len(view.methods) == 2 else None
        for method in view.methods[1:]:
            scopes = [scope for scope in ("ood", "id", "worst") if scope != told]
            sentences.extend(_difference(view, method, first, scopes))
    sentences.extend(_artefacts(view))
    sentences.extend(_unknown(view))
    return sentences or ["No task has enough patients in these cohorts: there is no number to show."]


def _verdict_scope(view: View) -> str:
    return "ood" if any(view.results[method].summary["auroc"].ood for method in view.methods) else "id"


def _verdict(view: View) -> Iterator[str]:
    """Which method has the highest mean, and whether it differs significantly from the reference.

    Where the reference itself is highest, from the next one.
    """
    scope = _verdict_scope(view)
    summaries = {method: view.results[method].summary["auroc"] for method in view.methods}
    reached = {method: value for method, summary in summaries.items() if (value := getattr(summary, scope))}
    ranked = sorted(reached, key=lambda method: -reached[method].point)
    if len(ranked) < 2:
        return
    best = ranked[0]
    other = ranked[1] if best == view.methods[0] else view.methods[0]
    entry = _between(view, best, other, scope)
    if entry is None:
        return
    where = f"In {_place(scope, view.known)}"
    mean, over = _over(summaries[best])
    if _is_significant(entry):
        yield f"{where}, {best} has the highest {mean} {over}, {_value(reached[best])}: {_gap(entry, other)}."
    else:
        highest = f", the highest of {len(ranked)} methods," if len(ranked) > 2 else ""
        yield (
            f"{where}, {best}{highest} and {other} do not differ significantly: {mean} {over} of "
            f"{_value(reached[best])} and "
            f"{_value(reached[other])}, on the same patients a difference of "
            f"{number(entry.point, 'auroc', sign=True)} ({interval(entry, sign=True)})."
        )


def _between(view: View, method: str, reference: str, scope: str) -> Difference | None:
    """The difference of the summaries, turned round where only the reverse is there."""
    for entry in view.differences:
        if (entry.task, entry.metric, entry.scope) == ("mean", "auroc", scope):
            if (entry.method, entry.reference) == (method, reference):
                return entry
            if (entry.method, entry.reference) == (reference, method):
                point, low, high = (None if x is None else -x for x in (entry.point, entry.high, entry.low))
                turned = {"method": method, "reference": reference, "point": point, "low": low, "high": high}
                return entry.model_copy(update=turned)
    return None


def _place(scope: str, known: bool) -> str:
    """What OOD and ID cohorts are; of an encoder of somebody else's it is known only what the probe was fitted on."""
    if scope == "ood":
        return "cohorts that took no part in training" if known else "cohorts on which the probe was not fitted"
    return "test patients of the training cohorts" if known else "test patients of the cohorts of the probe"


def _unknown(view: View) -> Iterator[str]:
    names = [name for name in view.names if name in view.foreign]
    if names:
        were, them = ("was", "it") if len(names) == 1 else ("were", "them")
        yield (
            f"On which patients {' and '.join(names)} {were} trained is not known: those tested here may be among "
            f"them, which would flatter {them}."
        )


def _level(method: str, summary: Summary, known: bool) -> Iterator[str]:
    mean, over = _over(summary)
    article = "an" if mean.startswith("A") else "a"
    if summary.ood:
        yield (
            f"In {_place('ood', known)}, a linear probe on {method} reaches {article} "
            f"{mean} of {_value(summary.ood)} {over}."
        )
    if summary.id:
        again = "over the same tasks" if summary.ood and len(summary.tasks) > 1 else over
        worst = f"; in the worst cohort, {summary.worst.cohort}, {_value(summary.worst)}" if summary.worst else ""
        where = "test patients of the cohorts it was trained on" if known else _place("id", known)
        yield f"In {where} it is {_value(summary.id)} {again}{worst}."


def _difference(view: View, method: str, reference: str, scopes: Sequence[str]) -> Iterator[str]:
    """The first of ``scopes`` that has one with its interval, then the others."""
    found = {scope: entry for scope in scopes if (entry := _between(view, method, reference, scope))}
    if found:
        (leading, gap), *others = found.items()
        rest = [f"{_IN[scope]} {number(entry.point, 'auroc', sign=True)}" for scope, entry in others]
        others_text = f"; {', '.join(rest)}" if rest else ""
        yield f"{_IN[leading]}, on the same patients, {method} is {_gap(gap, reference)}{others_text}."


def _over(summary: Summary) -> tuple[str, str]:
    """What the number of a summary is, and over which tasks."""
    if len(summary.tasks) == 1:
        return "AUROC", f"for {summary.tasks[0]}"
    return "mean AUROC", f"over {len(summary.tasks)} tasks"


def _is_significant(entry: Difference) -> bool:
    return not (entry.low or 0.0) <= 0 <= (entry.high or 0.0)


def _gap(entry: Difference, reference: str) -> str:
    """``0.046 (0.030–0.061) above X``, or that the interval leaves both signs open."""
    point, low, high = entry.point or 0.0, entry.low or 0.0, entry.high or 0.0
    if not _is_significant(entry):
        gap = f"{number(point, 'auroc', sign=True)}, {interval(entry, sign=True)}"
        return f"not significantly different from {reference} ({gap})"
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
    share = probe.demographics.point if probe.demographics else None
    demographics = f", and age and sex alone give {share:.0%}" if share is not None else ""
    yield (
        f"How often a linear model names the cohort of a recording: {', '.join(shares)}; "
        f"chance is {probe.chance:.0%}{demographics}. Less is better."
    )


def _value(value: SummaryValue) -> str:
    return f"{number(value.point, value.metric)} ({interval(value)})"
