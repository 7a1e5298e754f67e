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
    "MISSING_FILE": Kind("error", "a listed file is not there", f"copy the missing files; {_INGEST_SKIPS}"),
    "UNREADABLE": Kind("error", "the signal cannot be decoded", f"copy or export the file again; {_INGEST_SKIPS}"),
    "BAD_HEADER": Kind("error", "the header is malformed", f"export the header again; {_INGEST_SKIPS}"),
    "BAD_RATE": Kind("error", "the sampling rate is missing or impossible", "correct the rate where it is stated"),
    "BAD_GAIN": Kind("error", "the gain or baseline is impossible", "correct the calibration in the header"),
    "NO_LEADS": Kind("error", "no signal is one of the twelve leads", "name the signals I, II, III, aVR ... V6"),
    "TRUNCATED": Kind("error", "the signal file ends before the header says", f"copy it again; {_INGEST_SKIPS}"),
    "TOO_LONG": Kind("error", "the header declares more samples than any ECG has", "correct the header's length"),
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
    "NO_PATIENT": Kind(
        "warning",
        "no patient id",
        "supply ids in the table or the header; without, each record counts as a patient of its own",
    ),
    "BAD_PATIENT": Kind(
        "warning",
        "free text stands where a patient id is looked for",
        "supply ids in the table or as 'Patient ID'; the text is taken as no id",
    ),
    "NO_AGE": Kind("info", "no age", "supply it in the table or the header if it is known"),
    "AGE_IMPLAUSIBLE": Kind("warning", "the age cannot be one", "correct it; it is taken as not known"),
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
    "ZERO_PADDED": Kind("info", "zeros pad the ends", "nothing to do: they are cut off"),
    "LONG": Kind("info", "longer than a minute", "nothing to do: a store takes the profile's window from the start"),
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
        "warning", "a lead is there twice; the first one counts", "check the lead names in the export"
    ),
    "EXTRA_SIGNAL": Kind("info", "signals besides the twelve leads", "nothing to do: they are not used"),
    "STRAY_LINES": Kind(
        "warning", "the header ends with lines that are neither signal nor comment", "begin comments with '#'"
    ),
    "NON_UTF8": Kind("info", "header comments in another encoding than UTF-8", "nothing to do: read as Latin-1"),
}
"""Code → what it means. The codes are those of ``RecordError``, ``RawRecord.notes``, ``Quality`` and the doctor."""
