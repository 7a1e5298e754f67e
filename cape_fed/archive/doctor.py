"""What an archive holds and what is wrong with it, without changing anything."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cape_fed.archive.base import Entry, Notice, Reader, RecordError
from cape_fed.archive.paths import printable
from cape_fed.archive.survey import Finding, LabelCount, Survey, median
from cape_fed.archive.window import MAX_SECONDS, read_window
from cape_fed.signal.profile import MARGIN_SECONDS, PROFILES
from cape_fed.vocabulary import VOCABULARY

log = logging.getLogger(__name__)

JUDGED_SECONDS = max(profile.seconds for profile in PROFILES.values()) + MARGIN_SECONDS
"""What is judged of a recording is what ingest would take of it."""


@dataclass(frozen=True)
class Report:
    """What the doctor found; ``findings`` has the gravest first."""

    archive: str
    format: str
    records: int
    unreadable: int
    patients: int
    """Patients with an id."""
    records_without_patient: int
    rates: dict[str, int]
    """Hz → records."""
    lengths: dict[str, int]
    """Seconds → records."""
    amplitude_mv: float | None
    """Median range within one second."""
    age: dict[str, int]
    """``known``, and where any is known ``median``, ``min``, ``max``."""
    sex: dict[str, int]
    labels: dict[str, LabelCount]
    """Labels that at least one record annotates, in the order of the vocabulary."""
    unused_labels: list[str]
    """Those of them that no record carries, so that ingest takes them as not annotated."""
    statements: dict[str, int]
    """The most frequent statements that the vocabulary has no word for."""
    findings: list[Finding]
    complete: bool
    """Whether the whole archive was looked at."""

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values for JSON."""
        return asdict(self)


def diagnose(
    root: Path, reader: Reader, limit: int | None = None, progress: Callable[[int], None] | None = None
) -> Report:
    """Read every record of an archive, or the first ``limit``, and report; nothing is written.

    Memory grows by about a hundred bytes a record, for repeats to be found. ``progress`` is called with the number of
    records done. Raises InputError where the archive is not there or of another format.
    """
    survey = Survey()
    seen: set[int] = set()
    complete = True
    for entry in reader.entries(root):
        if isinstance(entry, Notice):
            survey.notice(entry)
        elif survey.records == limit:
            complete = False
            break
        elif hash(entry.record) in seen:
            survey.find("REPEATED_RECORD", entry.record)
        else:
            seen.add(hash(entry.record))
            _examine(root, reader, entry, survey)
            if progress is not None:
                progress(survey.records)
    return _report(root, reader, survey, complete)


def _examine(root: Path, reader: Reader, entry: Entry, survey: Survey) -> None:
    before = survey.records
    try:
        survey.add(read_window(reader, root, entry, JUDGED_SECONDS, first=MAX_SECONDS))
    except RecordError as error:
        survey.fail(error.code, entry.record)
    except Exception as error:  # the doctor goes on where cape-fed itself fails, and says so
        log.debug("record %s", entry.record, exc_info=True)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}"
        survey.records = before
        survey.fail("FAULT", f"{entry.record}: {what}: {str(error)[:80]}")


def _report(root: Path, reader: Reader, survey: Survey, complete: bool) -> Report:
    ages = {"known": survey.ages.total()}
    middle = median(survey.ages)
    if middle is not None:
        ages |= {"median": middle, "min": min(survey.ages), "max": max(survey.ages)}
    labels = {label: survey.labels[label] for label in VOCABULARY if label in survey.labels}
    return Report(
        archive=printable(str(root)),
        format=reader.name,
        records=survey.records,
        unreadable=survey.unreadable,
        patients=survey.patients,
        records_without_patient=survey.without_patient,
        rates={f"{fs:g}": count for fs, count in survey.rates.most_common()},
        lengths={f"{seconds:g}": count for seconds, count in survey.lengths.most_common()},
        amplitude_mv=survey.amplitude_mv,
        age=ages,
        sex=dict(survey.sexes.most_common()),
        labels=labels,
        unused_labels=[
            name for name, count in labels.items() if not count.positive and name not in reader.explicit_labels
        ],
        statements=dict(survey.statements.most_common(20)),
        findings=survey.close(),
        complete=complete,
    )
