"""DICOM ECG objects: 12-lead, general (also of 32 bits) and ambulatory ECG waveform storage.

Patient id, age and sex come from the standard's attributes; private ones, names, comments and annotations are not read.
"""

from __future__ import annotations

import re
import warnings
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cape_fed.archive.base import RecordError
from cape_fed.archive.dicom_groups import rhythms, strips_of
from cape_fed.archive.exports import ExportTree
from cape_fed.archive.leads import assembled
from cape_fed.archive.person import age_between, person
from cape_fed.archive.recording import Description, Recording

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_PREFIX = slice(128, 132)
_MAGIC = b"DICM"
_TWELVE_LEADS = b"1.2.840.10008.5.1.4.1.1.9.1.1"
_CLASS = re.compile(rb"\x02\x00\x02\x00UI..(1\.2\.840\.10008\.5\.1\.4\.1\.1\.9\.1\.[1-4])[\0 ]?(?![0-9.])", re.DOTALL)
"""Media storage SOP class in the file's meta information, which is always explicit and little-endian."""
_WAVEFORM_DATA = b"\x00\x54\x10\x10"
"""The tag (5400,1010) as it stands in a little-endian file."""
_PLAIN = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
"""Transfer syntaxes of uncompressed objects; a deflated one could expand to anything."""
_TAGS = (
    "PatientID", "IssuerOfPatientID", "PatientAge", "PatientSex", "PatientBirthDate", "AcquisitionDateTime",
    "AcquisitionDate", "StudyDate", "WaveformSequence", "SpecificCharacterSet",
)  # fmt: skip
_NO_AGE = re.compile(r"0+Y?", re.IGNORECASE)
"""What devices fill in where no age was entered; infants have an age in days, weeks or months."""
_DAYS = ("AcquisitionDateTime", "AcquisitionDate", "StudyDate")


class Dicom(ExportTree):
    """Reader of format ``dicom``; other DICOM objects in the tree are passed over."""

    name = "dicom"
    expected = "DICOM ECG waveform files"
    suffixes = (".dcm", ".dicom")
    needs = "pydicom"
    largest = 1 << 30

    def recognises(self, head: bytes) -> bool:
        """See ``ExportTree``."""
        return head[_PREFIX] == _MAGIC and _CLASS.search(head) is not None

    def passes_over(self, head: bytes) -> bool:
        """See ``ExportTree``: DICOM objects of other classes."""
        return head[_PREFIX] == _MAGIC

    def count(self, path: Path) -> int:
        """See ``ExportTree``; most 12-lead objects hold a rhythm strip and its median beat and are not parsed."""
        raw = path.read_bytes()
        found = _CLASS.search(raw[: 16 << 10])
        usual = 2 if found and found[1] == _TWELVE_LEADS else 1
        return 1 if 0 < raw.count(_WAVEFORM_DATA) <= usual else len(rhythms(_dataset(path)))

    def parse(self, path: Path, number: int, seconds: float | None) -> tuple[Recording, Description]:
        """See ``ExportTree``."""
        dataset = _dataset(path)
        recordings = rhythms(dataset)
        groups = recordings[number]
        is_little_endian = bool(dataset.original_encoding[1])
        notes = {"MORE_WAVEFORMS"} if len(recordings) > 1 and self.count(path) == 1 else set()
        recording = assembled(strips_of(groups, is_little_endian), groups[0].fs, seconds, notes)
        return recording, _describe(dataset)


def _dataset(path: Path) -> Dataset:
    from pydicom import dcmread
    from pydicom.filereader import read_file_meta_info

    if read_file_meta_info(path).get("TransferSyntaxUID") not in _PLAIN:
        raise RecordError("UNREADABLE", "the object is compressed as a whole, which is not read")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        dataset = dcmread(path, specific_tags=list(_TAGS))
    if any("end of file" in str(warning.message).lower() for warning in warned):
        raise RecordError("TRUNCATED", "the object ends in the middle of an element")
    return dataset


def _describe(dataset: Dataset) -> Description:
    age: Any = dataset.get("PatientAge") or None
    if age is None or _NO_AGE.fullmatch(str(age).strip()):
        on = next(filter(None, (_day(dataset.get(tag)) for tag in _DAYS)), None)
        age = age_between(_day(dataset.get("PatientBirthDate")), on)
    patient, sex, issuer = (str(dataset.get(tag) or "") for tag in ("PatientID", "PatientSex", "IssuerOfPatientID"))
    return person(patient, age, sex, issuer=issuer)


def _day(value: object) -> date | None:
    """The day at the beginning of a DICOM date or time, None where there is none."""
    try:
        return date.fromisoformat(str(value or "")[:8])
    except ValueError:
        return None
