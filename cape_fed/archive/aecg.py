"""HL7 annotated ECG: one or several series a file; representative beats are not taken for recordings."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cape_fed.archive.base import RecordError
from cape_fed.archive.kit import KitTree, parsed, recording_of
from cape_fed.archive.recording import Description, Recording

if TYPE_CHECKING:
    from ecgdatakit.models import ECGRecord
    from ecgdatakit.parsing.parser import Parser

_SERIES = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?series[\s>]")
_SUBJECT_ID = "componentOf/timepointEvent/componentOf/subjectAssignment/subject/trialSubject/id"
_ASSIGNED = re.compile(r"[0-2](\.[0-9]+)+")
"""The root of an id where it is somebody's: a UUID may be made anew for each file."""
_BEAT = "REPRESENTATIVE_BEAT"


class Aecg(KitTree):
    """Reader of format ``aecg``: every rhythm series of a file is a record."""

    name = "aecg"
    expected = "HL7 aECG files (AnnotatedECG)"

    def parser(self) -> Parser:
        """See ``KitTree``."""
        parser: Parser = _series_parser(0)
        return parser

    def count(self, path: Path) -> int:
        """See ``ExportTree``; only a file with several series is parsed for it."""
        raw = path.read_bytes()
        if len(_SERIES.findall(raw.replace(b"\0", b""))) < 2:  # UTF-16 has a zero in every letter of a tag
            return 1
        from ecgdatakit.parsing.helpers.xml import parse_xml_root

        return len(_rhythms(parse_xml_root(raw)))

    def parse(self, path: Path, number: int, seconds: float | None) -> tuple[Recording, Description]:
        """See ``ExportTree``."""
        parser = _series_parser(number)
        record, notes = parsed(parser, path)
        described = replace(self.describe(record), issuer=parser.issuer or None)
        return recording_of(record, self.rate(record), seconds, notes), described

    def rate(self, record: ECGRecord) -> float:
        """See ``KitTree``; the file states the time between samples."""
        exact = record.raw_metadata["rhythm_time"].get("sampling_rate_exact")
        if not exact:
            raise RecordError("BAD_RATE", "the time between samples is missing")
        return float(exact)


def _rhythms(root: Any) -> list[Any]:
    """The series of a document that are recordings."""
    series = root.findall("component/series")
    return [one for one in series if (one.find("code") is None or one.find("code").get("code", "").upper() != _BEAT)]


def _series_parser(number: int) -> Any:
    """The parser for one of the recordings of a file; the package's own takes the first and no root of the id."""
    from ecgdatakit.parsing.parsers.hl7_aecg import HL7aECGParser

    class SeriesParser(HL7aECGParser):  # type: ignore[misc,unused-ignore]
        issuer = ""

        def _select_series(self, root: Any, file_path: Path) -> tuple[Any, None]:
            subject = root.find(_SUBJECT_ID)
            stated = "" if subject is None else subject.get("root", "")
            self.issuer = stated if _ASSIGNED.fullmatch(stated) else ""
            found = _rhythms(root)
            if number >= len(found):
                raise RecordError("NO_RHYTHM", "the file holds no rhythm strip")
            return found[number], None

    return SeriesParser()
