"""Names, numbers and sentences of a study's report."""

from __future__ import annotations

from collections.abc import Iterator

from cape_fed.report.numbers import decimal, p_text
from cape_fed.study.config import Claim
from cape_fed.study.results import SIGNIFICANT, Answer, Contrast, Panel, Value, Verdict

_SCOPES = {"id": "ID", "ood": "OOD", "worst": "worst cohort", "within": "OOD, own probe"}
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
HEADLINE = "auroc/ood"
"""The measure that a question's sentence is about."""


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


def sentences(answer: Answer) -> Iterator[str]:
    """What the OOD numbers say about a question, panel by panel."""
    for panel in answer.panels:
        if HEADLINE in panel.contrasts:
            yield _sentence(panel, answer.reference)
    for level, contrasts in answer.carried.items():
        found = [contrast.level for contrast in contrasts if contrast.significant and contrast.point > 0]
        yield f"{level} carries {', '.join(found) if found else 'none of the artefacts that it was asked for'}."


def verdict_text(verdict: Verdict) -> str:
    """A claim's outcome with the numbers behind it."""
    contrast, measure = verdict.contrast, verdict.claim.measure
    where = f" ({verdict.panel})" if verdict.panel else ""
    return (
        f"{measure_name(measure)}{where}: {contrast.level} − {contrast.reference} = "
        f"{number(contrast.point, measure, sign=True)} ({interval(contrast, measure, sign=True)}), "
        f"{p_text(contrast.p_holm)}{'' if contrast.primary else ' after correction'}"
    )


def unmeasured_text(claim: Claim) -> str:
    """Why nothing is said about a claim."""
    return (
        f"{measure_name(claim.measure)}: no number for both {claim.level} and {claim.reference}; it needs other "
        "cohorts, more patients or the trials that failed."
    )


def _sentence(panel: Panel, reference: str) -> str:
    corrected: list[str] = []
    uncorrected: list[str] = []
    for contrast in panel.contrasts[HEADLINE]:
        if contrast.significant:
            corrected.append(_gap(contrast))
        elif contrast.p is not None and contrast.p < SIGNIFICANT:
            uncorrected.append(_gap(contrast))
    base = number(panel.levels[reference][HEADLINE].point, HEADLINE)
    start = f"{panel.name}: against" if panel.name else "Against"
    significant = "; ".join(corrected) or "no level differs significantly after correction"
    rest = f". Significant without correction only: {'; '.join(uncorrected)}" if uncorrected else ""
    return f"{start} {reference} (OOD AUROC {base}), {significant}{rest}."


def _gap(contrast: Contrast) -> str:
    return f"{contrast.level} {number(contrast.point, HEADLINE, sign=True)} ({interval(contrast, HEADLINE, sign=True)})"
