"""Every class of finding that the doctor knows, with its remedy."""

from __future__ import annotations

from typing import Literal, NamedTuple

from cape_fed.signal.quality import REMEDY, Quality

Severity = Literal["error", "warning", "info"]
"""error: ingest leaves the records out. warning: look at it before training. info: good to know."""
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


class Kind(NamedTuple):
    """One class of finding."""

    severity: Severity
    meaning: str
    remedy: str


_INGEST_SKIPS = "ingest counts it and goes on"

CATALOGUE: dict[str, Kind] = {
    "ROW_WIDTH": Kind(
        "error",
        "rows of a table have another number of cells than its heading; none of their cells is used",
        "correct these rows (unquoted decimal commas, stray delimiters), or copy the table again if it was cut off",
    ),
    "ROW_DAMAGED": Kind(
        "error",
        "rows of a table have quotes that do not fit or bytes that are no text; none of their cells is used",
        "correct these rows, or export the table again",
    ),
    "CRASHED": Kind("error", "reading the record ends the process that reads it", f"report it; {_INGEST_SKIPS}"),
    "TIMED_OUT": Kind("error", "reading the record comes to no end", f"look at its files; {_INGEST_SKIPS}"),
    "FAULT": Kind("error", "cape-fed itself fails at the record", f"report it with the example; {_INGEST_SKIPS}"),
    "MISSING_FILE": Kind("error", "a listed file is not there", f"copy the missing files; {_INGEST_SKIPS}"),
    "UNREADABLE": Kind("error", "the signal cannot be decoded", f"copy or export the file again; {_INGEST_SKIPS}"),
    "BAD_HEADER": Kind("error", "the header is malformed", f"export the header again; {_INGEST_SKIPS}"),
    "BAD_RATE": Kind("error", "the sampling rate is missing or impossible", "correct the rate where it is stated"),
    "BAD_GAIN": Kind("error", "the gain or baseline is impossible", "correct the calibration in the header"),
    "NO_LEADS": Kind("error", "no signal is one of the twelve leads", "name the signals I, II, III, aVR ... V6"),
    "TRUNCATED": Kind("error", "the signal file ends before the header says", f"copy it again; {_INGEST_SKIPS}"),
    "TOO_LONG": Kind("error", "the header declares more samples than any ECG has", "correct the header's length"),
    "TOO_LARGE": Kind("error", "the file is larger than any ECG of its format", f"look at the file; {_INGEST_SKIPS}"),
    "NO_UNIT": Kind(
        "error",
        "a lead states no voltage for its values, so that they cannot be mV",
        "export it with gain and unit; nothing is assumed for them",
    ),
    "NO_RHYTHM": Kind(
        "error", "the file holds no rhythm strip, only beats or reports", f"export the rhythm strip; {_INGEST_SKIPS}"
    ),
    "UNSAFE_XML": Kind("error", "the file declares entities, which no export needs", f"look at it; {_INGEST_SKIPS}"),
    "NO_SIGNAL": Kind("error", "every lead is missing or flat", REMEDY[Quality.NO_SIGNAL]),
    "SHORT": Kind("error", "shorter than 2 s", REMEDY[Quality.SHORT]),
    "MOSTLY_NON_FINITE": Kind("error", "most samples are missing", REMEDY[Quality.MOSTLY_NON_FINITE]),
    "MISSING_LEAD": Kind("warning", "some of the twelve leads are not there", REMEDY[Quality.MISSING_LEAD]),
    "FLAT_LEAD": Kind("warning", "a lead shows no signal", REMEDY[Quality.FLAT_LEAD]),
    "NON_FINITE": Kind("warning", "single samples are missing", REMEDY[Quality.NON_FINITE]),
    "SATURATED": Kind("warning", "a lead stays at the end of its range or is cut off", REMEDY[Quality.SATURATED]),
    "LIMB_IDENTITY": Kind(
        "warning", "the limb leads contradict II = I + III or aVR, aVL, aVF", REMEDY[Quality.LIMB_IDENTITY]
    ),
    "GAIN": Kind("warning", "the amplitude cannot be an ECG in mV", REMEDY[Quality.GAIN]),
    "CLIPPED": Kind("warning", "the amplitude exceeds ±32.767 mV", REMEDY[Quality.CLIPPED]),
    "GAIN_COHORT": Kind(
        "warning",
        "the median amplitude of all records is not that of ECGs in mV",
        "check gain and unit of the export against a recording on paper; the whole cohort is off by one factor",
    ),
    "ARMS_EXCHANGED": Kind(
        "warning",
        "lead I is V6 upside down: arm electrodes exchanged, or dextrocardia",
        "kept as it is; ask who made the recording",
    ),
    "DUPLICATE": Kind("info", "the same signal again under the same patient", REMEDY[Quality.DUPLICATE]),
    "DUPLICATE_ACROSS": Kind(
        "warning",
        "the same signal under another or no patient id",
        "find out whose it is; splits keep such records on one side",
    ),
    "SEVERAL_PEOPLE": Kind(
        "warning",
        "a patient id stands for several people: its records differ in sex, by 50 years or in who gave the id",
        "ingest the records of each source apart, with a --patient-namespace of its own, or correct the ids",
    ),
    "REPEATED_RECORD": Kind(
        "warning", "the archive lists a record again under the same name", "the first one counts; look at the listing"
    ),
    "TABLE_MISMATCH": Kind(
        "warning",
        "a table names few or none of the archive's records, so that what it says about them is lost",
        "compare the identifiers of both sides: they have to be the same text or number",
    ),
    "NOT_IN_TABLE": Kind("info", "a table that could tell more does not name the record", "nothing to do"),
    "ID_MISSING": Kind("warning", "no identifier where one belongs", "supply it; nothing is joined to that row"),
    "ID_ROUNDED": Kind(
        "warning",
        "identifiers that lost digits in a floating-point number, so that several may have become one",
        "export them as text or whole numbers; they are taken as not known",
    ),
    "OPEN_END": Kind(
        "info",
        "the last line of a table has no end",
        "compare the table's size with its source: if it was cut off, its last cell may be too short",
    ),
    "LINKED_FOLDER": Kind(
        "info", "a linked folder is or holds one that is listed already", "nothing to do: its records are listed once"
    ),
    "BROKEN_LINK": Kind("warning", "a link leads nowhere", "mount or copy what it leads to if it holds records"),
    "NO_PATIENT": Kind(
        "warning",
        "no patient id",
        "supply ids in the table or the header; without, each record, or file of several, counts as a patient",
    ),
    "BAD_PATIENT": Kind(
        "warning",
        "free text stands where a patient id is looked for",
        "supply ids in the table or as 'Patient ID'; the text is taken as no id",
    ),
    "NO_AGE": Kind("info", "no age", "supply it in the table or the header if it is known"),
    "AGE_IMPLAUSIBLE": Kind("warning", "the age cannot be one", "correct it; it is taken as not known"),
    "BAD_SEX": Kind("warning", "the sex is not understood", "write F or M; it is taken as not known"),
    "BAD_FOLD": Kind("warning", "the fold is not understood", "write a number from 1 to 10; it is taken as none"),
    "BAD_DATE": Kind("warning", "a date is not understood", "write the year first; the age is taken as not known"),
    "NO_SEX": Kind("info", "no sex", "supply it in the table or the header if it is known"),
    "NO_LABELS": Kind("info", "no diagnosis statement at all", "nothing to do: pretraining needs none"),
    "BAD_LABELS": Kind("warning", "the diagnosis cells cannot be understood", "correct them; they are taken as empty"),
    "UNMAPPED_STATEMENT": Kind("info", "statements that the vocabulary has no word for", "nothing to do"),
    "UNKNOWN_COLUMN": Kind(
        "info", "columns that are neither a field nor a label", "check their spelling if they matter"
    ),
    "MIXED_RATES": Kind(
        "info", "several sampling rates", "nothing to do: ingest resamples; several devices are likely"
    ),
    "MIXED_LENGTHS": Kind("info", "recordings of several lengths", "nothing to do: short ones are padded and masked"),
    "LENGTH_MISMATCH": Kind(
        "warning", "header and signal file disagree on the length", "export or copy the record again"
    ),
    "CHECKSUM": Kind("warning", "the checksum of the header does not fit the signal", "copy the record again"),
    "ZERO_PADDED": Kind("info", "zeros or missing samples pad the ends", "nothing to do: they are cut off"),
    "LATE_START": Kind(
        "info", "the first window with enough signal begins later", "nothing to do: the store says where it begins"
    ),
    "LONG": Kind(
        "info", "longer than a minute", "nothing to do: a store takes the first window that has enough signal"
    ),
    "LEAD_RATES": Kind(
        "info", "leads sampled at several rates", "nothing to do: all are brought to that of the fastest"
    ),
    "GAIN_PER_LEAD": Kind(
        "warning",
        "the gains of the header break II = I + III, and one common gain for all leads mends it",
        "compare a recording with its print on paper, then ingest with --common-gain and the number named here",
    ),
    "GAIN_MISSING": Kind(
        "warning", "the header gives no gain; WFDB's default of 200 per mV is used", "supply the gain"
    ),
    "GAIN_NEGATIVE": Kind("warning", "a gain is negative, which turns the lead over", "check the sign in the export"),
    "UNIT_SPELLING": Kind("info", "a unit other than mV", "nothing to do: it is understood"),
    "UNIT_UNKNOWN": Kind(
        "warning", "a unit that is no voltage; values are taken as mV", "correct the unit in the header"
    ),
    "LEAD_SPELLING": Kind("info", "leads spelled in another way", "nothing to do: they are understood"),
    "REPEATED_LEAD": Kind(
        "warning", "two signals have the name of one lead; the first one counts", "check the lead names in the export"
    ),
    "EXTRA_SIGNAL": Kind("info", "signals in addition to the twelve leads", "nothing to do: they are not used"),
    "OTHER_FILE": Kind("info", "files that are no ECG of this format", "nothing to do: they are passed over"),
    "DERIVED_LEADS": Kind(
        "info",
        "limb leads that are not stored, computed from I and II",
        "nothing to do: III = II - I, and aVR, aVL and aVF by definition",
    ),
    "MORE_WAVEFORMS": Kind(
        "warning",
        "the file holds a further rhythm strip that is not read",
        "compare with the system it comes from, and report it if that strip matters",
    ),
    "OFFSET_IGNORED": Kind(
        "info",
        "a lead states an offset that its vendor does not explain; it is not added",
        "nothing to do: a constant does not change an ECG",
    ),
    "STRAY_LINES": Kind(
        "warning", "the header ends with lines that are neither signal nor comment", "begin comments with '#'"
    ),
    "NON_UTF8": Kind(
        "info",
        "text in another encoding than UTF-8",
        "nothing to do if umlauts and accents look right: read as Latin-1 or Windows-1252",
    ),
}
"""Code → what it means. The codes are those of ``RecordError``, ``Notice``, ``Misread``, ``Quality`` and the doctor."""

SHOWING_VALUES = ("AGE_IMPLAUSIBLE", "BAD_SEX", "BAD_LABELS", "BAD_FOLD", "BAD_DATE", "ID_ROUNDED")
"""Codes of cells that were not understood; the doctor shows what they hold."""
OF_TABLES = ("ROW_WIDTH", "ROW_DAMAGED", "TABLE_MISMATCH", "ID_MISSING")
"""Codes of what is wrong with a table as such."""
