"""Names and sentences of a fine-tuning's report."""

from __future__ import annotations

from collections.abc import Iterator

from cape_fed.evaluate.report.words import interval, metric_name, number
from cape_fed.evaluate.statistics.metrics import HIGHER_IS_BETTER
from cape_fed.evaluate.targets.registry import unit_of
from cape_fed.finetune.results import FinetuneResults, FitFacts, Gain
from cape_fed.report.numbers import p_text

_MODES = {
    "scratch": "from scratch",
    "linear": "linear",
    "full": "full",
    "decayed": "layer-decayed",
}
_SCOPES = ("id", "ood", "worst")
_AMOUNTS = {"auroc": "a mean AUROC of {}", "mae": "a mean absolute error of {}"}


def mode_name(mode: str) -> str:
    """A mode as it is called in tables."""
    return _MODES[mode]


def metric_label(results: FinetuneResults) -> str:
    """What the picture and the first table show."""
    metric = results.metrics[0]
    name = metric_name(metric, results.tasks)
    return f"Mean {name}" if metric == "auroc" else name


def share(fraction: float) -> str:
    """``0.01`` as ``1 %``."""
    return f"{100 * fraction:g} %"


def penalties_text(facts: FitFacts) -> str:
    """``0.01``, or ``0.001 to 0.1`` where tasks differ; empty where no linear layer was solved for."""
    chosen = sorted({penalty for penalty in facts.penalties.values() if penalty is not None})
    return " to ".join(f"{penalty:g}" for penalty in dict.fromkeys((chosen[0], chosen[-1]))) if chosen else ""


def patients_of(results: FinetuneResults, fraction: float) -> int:
    """Patients whose labels a share of them is."""
    return next(cell.patients for cell in results.cells if cell.fraction == fraction)


def scopes_of(results: FinetuneResults) -> list[str]:
    """Scopes that have a mean; the worst cohort only where there are several."""
    shown = [scope for scope in _SCOPES if any(s.scope == scope and s.task == "mean" for s in results.scores)]
    return shown if len(results.cohorts) > 1 else [scope for scope in shown if scope != "worst"]


def tasks_in_mean(results: FinetuneResults) -> list[str]:
    """Tasks that means are over: those with a number on every side that has one."""
    sides = [scope for scope in scopes_of(results) if scope != "worst"]
    known = {(score.task, score.scope) for score in results.scores}
    return [task for task in results.tasks if all((task, side) in known for side in sides)]


def headline(results: FinetuneResults) -> list[str]:
    """For each share of the labels, the best mode and what it gains over training from scratch."""
    return [text for fraction in sorted(results.options.fractions) for text in _sentence(results, fraction)]


def _sentence(results: FinetuneResults, fraction: float) -> Iterator[str]:
    found = {mode: results.score(mode, fraction, "id") for mode in results.options.modes}
    scored = {mode: score for mode, score in found.items() if score is not None and score.point is not None}
    scratch = results.score("scratch", fraction, "id")
    if not scored or scratch is None:
        return
    metric = results.metrics[0]
    pick = max if HIGHER_IS_BETTER[metric] else min
    best = pick(scored, key=lambda mode: scored[mode].point or 0.0)
    gain = results.gain(best, fraction, "id")
    told = f", {_gap(gain)}" if gain is not None else ""
    outside = results.gain(best, fraction, "ood")
    beyond = f" In cohorts that gave no label the difference is {_numbers(outside)}." if outside is not None else ""
    value = f"{number(scored[best].point, metric)} {unit_of(results.tasks[0])}".rstrip()
    amount = _AMOUNTS[metric].format(value)
    yield (
        f"With {share(fraction)} of the labels ({patients_of(results, fraction)} patients) the best mode of "
        f"fine-tuning is {mode_name(best)}, with {amount}{told}.{beyond}"
    )


def _gap(gain: Gain) -> str:
    if gain.p is None or gain.p >= 0.05:
        return f"not significantly different from training from scratch: {_numbers(gain)}"
    better = ((gain.point or 0.0) > 0) == HIGHER_IS_BETTER[gain.metric]
    return f"{'better' if better else 'worse'} than training from scratch: {_numbers(gain)}"


def _numbers(gain: Gain) -> str:
    return f"{number(gain.point, gain.metric, sign=True)} ({interval(gain, sign=True)}, {p_text(gain.p)})"
