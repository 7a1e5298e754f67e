"""Running counts over the records of an archive, in memory that does not grow with their signals."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from cape_fed.archive.base import Misread, Notice, RawRecord, Sex
from cape_fed.archive.common_gain import COHORT_MV, CommonGain
from cape_fed.archive.findings import CATALOGUE, SEVERITIES, SHOWING_VALUES, Severity
from cape_fed.signal.electrodes import arms_look_exchanged
from cape_fed.signal.quality import DROP, Quality, amplitude, assess

EXAMPLES = 5
MAX_STATEMENTS = 10_000
"""Different unmapped statements that are counted; free text would otherwise fill the memory."""
LONG_SECONDS = 60.0
APART_YEARS = 50.0
"""Between two ages of one person in an archive: nobody has kept ECGs in files for longer."""
_DECIBEL = 20.0


class _Known(NamedTuple):
    """What the records of one patient id said first."""

    sex: Sex | None
    age: float | None
    issuer: int | None
    """Hash of who gave the id."""


@dataclass
class Finding:
    """One class of finding in one archive."""

    code: str
    severity: Severity
    meaning: str
    remedy: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class LabelCount:
    """Coverage of one label."""

    positive: int = 0
    negative: int = 0


@dataclass
class Survey:
    """Counts of everything the report shows; ``add`` takes one record, ``fail`` one that cannot be read."""

    records: int = 0
    unreadable: int = 0
    rates: Counter[float] = field(default_factory=Counter)
    lengths: Counter[float] = field(default_factory=Counter)
    ages: Counter[int] = field(default_factory=Counter)
    sexes: Counter[str] = field(default_factory=Counter)
    labels: dict[str, LabelCount] = field(default_factory=dict)
    statements: Counter[str] = field(default_factory=Counter)
    findings: dict[str, Finding] = field(default_factory=dict)
    without_patient: int = 0
    _patients: dict[int, _Known] = field(default_factory=dict)
    _signals: dict[bytes, int | None] = field(default_factory=dict)
    _decibels: Counter[int] = field(default_factory=Counter)
    _gains: CommonGain = field(default_factory=CommonGain)
    _misread: dict[str, Counter[str]] = field(default_factory=dict)
    _named: dict[Misread, str] = field(default_factory=dict)

    @property
    def patients(self) -> int:
        """Patients with an id."""
        return len(self._patients)

    def find(self, code: str, *examples: str, count: int = 1) -> None:
        """Count a finding, keeping the first few examples."""
        if code not in self.findings:
            self.findings[code] = Finding(code, *CATALOGUE[code])
        finding = self.findings[code]
        finding.count += count
        finding.examples += examples[: EXAMPLES - len(finding.examples)]

    def fail(self, code: str, record: str) -> None:
        """Count a record that cannot be read."""
        self.records += 1
        self.unreadable += 1
        self.find(code, record)

    def add(self, raw: RawRecord) -> None:
        """Count one record."""
        self.records += 1
        for code in dict.fromkeys(raw.notes):
            self.find(code, *(() if code in SHOWING_VALUES and raw.misread else (raw.record,)))
        self._add_misread(raw)
        self._add_person(raw)
        self._add_labels(raw)
        self._add_signal(raw)

    def close(self) -> list[Finding]:
        """Add what only all records together show; return the findings, the gravest and most frequent first."""
        if len(self.rates) > 1:
            self.find("MIXED_RATES", *(f"{fs:g} Hz" for fs, _ in self.rates.most_common()), count=self.rates.total())
        if len(self.lengths) > 1:
            self.find("MIXED_LENGTHS", *(f"{s:g} s" for s, _ in self.lengths.most_common()), count=self.lengths.total())
        if self.statements:
            unmapped = (statement for statement, _ in self.statements.most_common(EXAMPLES))
            self.find("UNMAPPED_STATEMENT", *unmapped, count=self.statements.total())
        for code, values in self._misread.items():
            shown = ((Misread(code, value), count) for value, count in values.most_common(EXAMPLES))
            self.find(code, *(f"{it.shown} ({count} records, e.g. {self._named[it]})" for it, count in shown), count=0)
        self._explain()
        typical = self.amplitude_mv
        if typical is not None and not COHORT_MV[0] <= typical <= COHORT_MV[1]:
            self.find("GAIN_COHORT", f"{typical:.2g} mV", count=self._decibels.total())
        return sorted(self.findings.values(), key=lambda found: (SEVERITIES.index(found.severity), -found.count))

    @property
    def amplitude_mv(self) -> float | None:
        """Median over the records of the range within a second, to 6 %; None without any."""
        middle = median(self._decibels)
        return None if middle is None else float(10 ** (middle / _DECIBEL))

    def notice(self, found: Notice) -> None:
        """Count what the listing of the archive found."""
        self.find(found.code, *found.examples, count=found.count)

    def _explain(self) -> None:
        """Replace remedies that do not help where another finding is their cause."""
        violated = self.findings.get("LIMB_IDENTITY")
        judged = self._decibels.total()
        if violated is not None and (gain := self._gains.mends(violated.count, judged)):
            named = f"{gain:g} ADC units per mV for all leads"
            self.find("GAIN_PER_LEAD", named, *self._gains.examples, count=self._gains.mended)
            violated.remedy = "see GAIN_PER_LEAD, which is the cause"
        if "TABLE_MISMATCH" in self.findings:
            for code in ("NO_PATIENT", "NO_AGE", "NO_SEX", "NO_LABELS", "NOT_IN_TABLE"):
                if code in self.findings:
                    self.findings[code].remedy = "see TABLE_MISMATCH first: a table that could tell names other records"

    def _add_misread(self, raw: RawRecord) -> None:
        for found in raw.misread:
            values = self._misread.setdefault(found.code, Counter())
            if found.shown in values or len(values) < MAX_STATEMENTS:
                values[found.shown] += 1
                self._named.setdefault(found, raw.record)

    def _add_person(self, raw: RawRecord) -> None:
        if raw.patient is None:
            self.without_patient += 1
            self.find("NO_PATIENT", raw.record)
        else:
            self._compare(raw, hash(raw.patient))
        if raw.age is not None:
            self.ages[round(raw.age)] += 1
        elif "AGE_IMPLAUSIBLE" not in raw.notes:
            self.find("NO_AGE", raw.record)
        if raw.sex is not None:
            self.sexes[raw.sex] += 1
        elif "BAD_SEX" not in raw.notes:
            self.find("NO_SEX", raw.record)

    def _compare(self, raw: RawRecord, patient: int) -> None:
        """Find that a record cannot be of the person that others with its patient id are of."""
        said = _Known(raw.sex, raw.age, None if raw.issuer is None else hash(raw.issuer))
        before = self._patients.get(patient, said)
        first = _Known(
            before.sex or said.sex,
            said.age if before.age is None else before.age,
            said.issuer if before.issuer is None else before.issuer,
        )
        apart = first.age is not None and said.age is not None and abs(first.age - said.age) > APART_YEARS
        if apart or said.sex not in (None, first.sex) or said.issuer not in (None, first.issuer):
            self.find("SEVERAL_PEOPLE", raw.record)
        self._patients[patient] = first

    def _add_labels(self, raw: RawRecord) -> None:
        if not raw.labels:
            self.find("NO_LABELS", raw.record)
        for label, value in raw.labels.items():
            count = self.labels.setdefault(label, LabelCount())
            count.positive += value
            count.negative += not value
        for statement in raw.unmapped:
            if statement in self.statements or len(self.statements) < MAX_STATEMENTS:
                self.statements[statement] += 1

    def _add_signal(self, raw: RawRecord) -> None:
        seconds = (raw.declared_samples or raw.signal_mv.shape[1]) / raw.fs
        self.rates[raw.fs] += 1
        self.lengths[round(seconds, 1)] += 1
        if seconds > LONG_SECONDS:
            self.find("LONG", raw.record)
        flags = assess(raw.signal_mv, raw.fs, raw.saturated_leads)
        for flag in flags:
            self.find(str(flag.name), raw.record)
        if flags & DROP:
            return
        if flags & Quality.LIMB_IDENTITY:
            self._gains.add(raw)
        self._decibels[round(_DECIBEL * math.log10(amplitude(raw.signal_mv, raw.fs)))] += 1
        if arms_look_exchanged(raw.signal_mv, raw.fs):
            self.find("ARMS_EXCHANGED", raw.record)
        self._add_digest(raw)

    def _add_digest(self, raw: RawRecord) -> None:
        digest = hashlib.blake2b(raw.signal_mv.tobytes(), digest_size=8).digest()
        patient = None if raw.patient is None else hash(raw.patient)
        if digest not in self._signals:
            self._signals[digest] = patient
        elif patient is not None and self._signals[digest] == patient:
            self.find("DUPLICATE", raw.record)
        else:
            self.find("DUPLICATE_ACROSS", raw.record)


def median(counts: Counter[int]) -> int | None:
    """Lower median of counted values, None without any."""
    middle = (counts.total() + 1) // 2
    for value in sorted(counts):
        middle -= counts[value]
        if middle <= 0:
            return value
    return None
