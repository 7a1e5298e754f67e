"""The tables of a study in Markdown, to be put into a paper's supplement or a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cape_fed.report.numbers import p_text
from cape_fed.study.report.words import (
    estimate,
    interval,
    measure_name,
    number,
    prediction,
    unmeasured_text,
    verdict_text,
)
from cape_fed.study.results import Answer, Contrast, Panel, PooledPanel, StudyResults


def to_markdown(results: StudyResults) -> str:
    """Claims, and for every question each panel's levels with what they differ by from the reference."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: StudyResults) -> Iterator[str]:
    yield f"# {results.study.title}"
    for verdict in results.verdicts:
        yield f"\n- **{verdict.outcome}**: {verdict.claim.text} {verdict_text(verdict)}"
    for claim in results.unmeasured:
        yield f"\n- **not measured**: {claim.text} {unmeasured_text(claim)}"
    for name, why in results.absent.items():
        yield f"\nThere is no level {name}: {why}."
    for name, answer in results.answers.items():
        yield f"\n## {answer.title}"
        question = results.study.questions[name]
        for pooled in answer.pooled:
            yield ""
            yield from _pooled(pooled, [*question.shown, *question.listed])
        for panel in answer.panels:
            yield ""
            if panel.name:
                tasks = f": {', '.join(panel.tasks)}" if panel.tasks else ""
                yield f"**{panel.name}**{tasks}\n"
            yield from _panel(panel, answer.reference, [*question.shown, *question.listed])
        if answer.carried:
            yield from _carried(answer)


def _panel(panel: Panel, reference: str, measures: Sequence[str]) -> Iterator[str]:
    """A row a level: the mean over seeds, then the difference from the reference with its corrected p."""
    known = [m for m in measures if m in panel.contrasts or any(m in values for values in panel.levels.values())]
    yield f"| level | {' | '.join(measure_name(measure) for measure in known)} |"
    yield "|---" * (len(known) + 1) + "|"
    for level, values in panel.levels.items():
        cells = [(estimate(values[m], m) if m in values else "–") + _gap(panel, level, m) for m in known]
        yield f"| {level}{' (reference)' if level == reference else ''} | {' | '.join(cells)} |"


def _pooled(pooled: PooledPanel, measures: Sequence[str]) -> Iterator[str]:
    """A row a measure and level: the contrast pooled over the cohorts left out, and how much these differ."""
    if pooled.name:
        yield f"**{pooled.name}**\n"
    yield "| pooled over cohorts left out | difference | p | cohorts | τ | I² | one further cohort |"
    yield "|---" * 7 + "|"
    for measure in measures:
        for found in pooled.contrasts.get(measure, []):
            name = f"{measure_name(measure)}: {found.level} − {found.reference}"
            difference = estimate(found, measure, sign=True)
            without = f", without {', '.join(found.missing)}" if found.missing else ""
            yield (
                f"| {name} | {difference} | {p_text(found.p_holm)} | "
                f"{', '.join(found.cohorts)}{without} | {number(found.tau, measure)} | {100 * found.i2:.0f} % | "
                f"{prediction(found, measure)} |"
            )


def _gap(panel: Panel, level: str, measure: str) -> str:
    """The difference from the reference, where there is one."""
    for contrast in panel.contrasts.get(measure, []):
        if contrast.level == level:
            gap = (number(contrast.point, measure, sign=True), interval(contrast, measure, sign=True))
            return "<br>" + "; ".join(filter(None, (", ".join(filter(None, gap)), p_text(contrast.p_holm))))
    return ""


def _carried(answer: Answer) -> Iterator[str]:
    yield f"\n| cohort named, above control | {' | '.join(answer.artefacts)} |"
    yield "|---" * (len(answer.artefacts) + 1) + "|"
    for level, found in answer.carried.items():
        by_artefact = {contrast.level: contrast for contrast in found}
        yield f"| {level} | {' | '.join(_above_control(by_artefact.get(name)) for name in answer.artefacts)} |"


def _above_control(found: Contrast | None) -> str:
    if found is None:
        return "–"
    between = "; ".join(filter(None, (interval(found, "probe", sign=True), p_text(found.p_holm))))
    return f"{number(found.point, 'probe', sign=True)}{f' ({between})' if between else ''}"
