"""Names, numbers and sentences of a study's report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cape_fed.report.numbers import decimal, p_text
from cape_fed.study.config import Claim
from cape_fed.study.leave_out import FEWEST
from cape_fed.study.results import SIGNIFICANT, Answer, Contrast, Panel, Pooled, PooledPanel, Value, Verdict

_SCOPES = {"id": "ID", "ood": "OOD", "worst": "worst cohort", "within": "OOD, own probe", "every": "OOD, every task"}
_METRICS = {"auroc": "AUROC", "auprc": "AUPRC", "mae": "age error, years", "r2": "age R²"}
_NAMES = {
    "probe/linear": "cohort named",
    "probe/neighbours": "cohort named, neighbours",
    "probe/matched": "cohort named, matched",
    "probe/matched_neighbours": "cohort named, matched, neighbours",
    "projection/linear": "cohort named, projection",
    "fact/drift": "client drift",
    "fact/cosine": "cosine of updates",
    "fact/cka": "CKA to the reference",
    "fact/seconds": "seconds a trial",
}
_YEARS = ("mae", "age")


def measure_name(measure: str) -> str:
    """A measure as a heading."""
    if measure in _NAMES:
        return _NAMES[measure]
    first, _, scope = measure.partition("/")
    return f"{_METRICS.get(first, first)}, {_SCOPES.get(scope, scope)}"


def number(value: float | None, measure: str, *, sign: bool = False) -> str:
    """A value with the digits its measure deserves."""
    digits = 2 if measure.partition("/")[0] in _YEARS or measure.startswith("fact/") else 3
    return decimal(value, digits, sign=sign)


def interval(value: Value, measure: str, *, sign: bool = False) -> str:
    """``low to high``; empty where there is none."""
    if value.low is None or value.high is None:
        return ""
    return f"{number(value.low, measure, sign=sign)} to {number(value.high, measure, sign=sign)}"


def estimate(value: Value, measure: str, *, sign: bool = False) -> str:
    """``value (low to high)``; the value alone where there is no interval, as of one seed."""
    found = interval(value, measure, sign=sign)
    return f"{number(value.point, measure, sign=sign)}{f' ({found})' if found else ''}"


def sentences(answer: Answer, headline: str) -> Iterator[str]:
    """What the measure ``headline`` says about a question, panel by panel, or pooled over the cohorts left out."""
    for pooled in answer.pooled:
        yield from _pooled_sentences(pooled, answer, headline)
    for panel in () if answer.left_out else answer.panels:
        if headline in panel.contrasts:
            yield _sentence(panel, answer.reference, headline)
    for level, contrasts in answer.carried.items():
        yield _carried_sentence(level, contrasts)


def verdict_text(verdict: Verdict) -> str:
    """A claim's outcome with the numbers behind it."""
    contrast, measure = verdict.contrast, verdict.claim.measure
    where = f" ({verdict.panel})" if verdict.panel else ", pooled" if verdict.pooled else ""
    tested = f", {p_text(contrast.p_holm)}{'' if contrast.primary else ' after correction'}"
    return (
        f"{measure_name(measure)}{where}: {contrast.level} − {contrast.reference} = "
        f"{estimate(contrast, measure, sign=True)}{'' if contrast.p_holm is None else tested}"
    )


def unmeasured_text(claim: Claim) -> str:
    """Why nothing is said about a claim."""
    return (
        f"{measure_name(claim.measure)}: no number for both {claim.level} and {claim.reference}; it needs other "
        "cohorts, more patients or the trials that failed."
    )


def pooled_text(contrast: Pooled, measure: str) -> str:
    """What a pooled contrast says of cohorts in general, and what it rests on."""
    point, cohorts = number(contrast.point, measure, sign=True), len(contrast.cohorts)
    return (
        f"{measure_name(measure)}: {contrast.level} − {contrast.reference} = {point} "
        f"({interval(contrast, measure, sign=True)}), {p_text(contrast.p_holm)}, over {cohorts} cohorts left out "
        f"in turn ({', '.join(contrast.cohorts)}). Between cohorts it varies by {number(contrast.tau, measure)} "
        f"(one standard deviation; I² {100 * contrast.i2:.0f} %); in one further cohort, "
        f"{prediction(contrast, measure)} is to be expected"
    )


def prediction(contrast: Pooled, measure: str) -> str:
    """Where the contrast of one further cohort is expected."""
    low, high = contrast.predicted_low, contrast.predicted_high
    return f"{number(low, measure, sign=True)} to {number(high, measure, sign=True)}"


def missing_text(contrast: Pooled) -> str:
    """Which cohorts a pooled contrast is without, and why; empty where it has all."""
    if not contrast.missing:
        return ""
    why = "no task with enough patients there, fewer than two seeds, or no encoder of both levels"
    return f"Without {', '.join(contrast.missing)}: {why}."


def _pooled_sentences(pooled: PooledPanel, answer: Answer, headline: str) -> Iterator[str]:
    start = f"{pooled.name}: " if pooled.name else ""
    for contrast in pooled.contrasts.get(headline, []):
        yield f"{start}{pooled_text(contrast, headline)}. {missing_text(contrast)}".rstrip()
    if headline not in pooled.contrasts:
        yield (
            f"{start}{measure_name(headline)} is not pooled: fewer than {FEWEST} of the cohorts left out "
            f"({', '.join(answer.left_out)}) have a contrast over two seeds or more."
        )


def _carried_sentence(level: str, contrasts: Sequence[Contrast]) -> str:
    if all(contrast.p_holm is None for contrast in contrasts):
        return f"{level}: one seed cannot tell which artefacts it carries."
    found = [contrast.level for contrast in contrasts if contrast.significant and contrast.point > 0]
    if not found:
        return f"{level}: no artefact shows significantly more than the control; that does not prove that none does."
    return f"{level} carries {', '.join(found)}."


def _sentence(panel: Panel, reference: str, headline: str) -> str:
    corrected: list[str] = []
    uncorrected: list[str] = []
    for contrast in panel.contrasts[headline]:
        if contrast.significant:
            corrected.append(_gap(contrast, headline))
        elif contrast.p is not None and contrast.p < SIGNIFICANT:
            uncorrected.append(_gap(contrast, headline))
    base = panel.levels[reference].get(headline)  # none where only some of the replicates have it
    shown = f" {number(base.point, headline)}" if base else ""
    start = f"{panel.name}: against" if panel.name else "Against"
    significant = "; ".join(corrected) or "no level differs significantly after correction"
    rest = f". Significant without correction only: {'; '.join(uncorrected)}" if uncorrected else ""
    return f"{start} {reference} ({_in_words(headline)}{shown}), {significant}{rest}."


def _in_words(measure: str) -> str:
    """A measure within a sentence: ``OOD AUROC``."""
    name, _, scope = measure_name(measure).partition(", ")
    return f"{scope} {name}".strip()


def _gap(contrast: Contrast, measure: str) -> str:
    return f"{contrast.level} {estimate(contrast, measure, sign=True)}"
