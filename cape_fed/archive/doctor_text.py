"""The doctor's report as text for people."""

from __future__ import annotations

from collections.abc import Iterator

from cape_fed.archive.doctor import Report
from cape_fed.archive.survey import Finding

_MOST = 8
"""Rates, lengths and statements on a line; the rest are counted together."""


def render(report: Report) -> str:
    """Lay out a report: what is there, how it is labelled, what was found."""
    return "\n".join([*_summary(report), *_labels(report), *_findings(report)])


def _summary(report: Report) -> Iterator[str]:
    extent = "" if report.complete else " (the first ones only)"
    yield f"{report.archive}: {report.records} records{extent}, {report.unreadable} of them unreadable"
    yield f"  patients   {report.patients} with an id; {report.records_without_patient} records without one"
    yield f"  rates      {_counts(report.rates, 'Hz')}"
    yield f"  lengths    {_counts(report.lengths, 's')}"
    if report.amplitude_mv is not None:
        yield f"  amplitude  {report.amplitude_mv:.2f} mV within a second, median of the records"
    known = report.age["known"]
    spread = f", median {report.age['median']}, {report.age['min']} to {report.age['max']}" if known else ""
    yield f"  age        known for {known}{spread}"
    yield f"  sex        {_counts(report.sex, '')}"


def _labels(report: Report) -> Iterator[str]:
    used = {label: count for label, count in report.labels.items() if label not in report.unused_labels}
    if used:
        yield f"\n{'label':8} {'positive':>9} {'negative':>9} {'not annotated':>14}"
    for label, count in used.items():
        unknown = report.records - report.unreadable - count.positive - count.negative
        yield f"{label:8} {count.positive:9} {count.negative:9} {unknown:14}"
    if report.unused_labels:
        yield f"carried by no record, hence not annotated here: {', '.join(report.unused_labels)}"
    if report.statements:
        yield f"outside the vocabulary: {_counts(report.statements, '')}"


def _findings(report: Report) -> Iterator[str]:
    yield f"\n{len(report.findings)} classes of findings" if report.findings else "\nno findings"
    for finding in report.findings:
        yield from _finding(finding)


def _finding(finding: Finding) -> Iterator[str]:
    yield f"{finding.severity:8} {finding.code}: {finding.count} — {finding.meaning}"
    if finding.examples:
        yield f"         e.g. {', '.join(finding.examples)}"
    yield f"         {finding.remedy}"


def _counts(counts: dict[str, int], unit: str) -> str:
    """``500 Hz: 90, 257 Hz: 3, 4 others: 7``, the most frequent first."""
    if not counts:
        return "none known"
    items = sorted(counts.items(), key=lambda item: -item[1])
    shown = [f"{' '.join(filter(None, (value, unit)))}: {count}" for value, count in items[:_MOST]]
    if len(items) > _MOST:
        shown.append(f"{len(items) - _MOST} others: {sum(count for _, count in items[_MOST:])}")
    return ", ".join(shown)
