"""HL7 annotated ECG: one or several series a file; representative beats are not taken for recordings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cape_fed.archive.base import RecordError
from cape_fed.archive.kit import KitTree, parsed, recording_of
from cape_fed.archive.recording import Description, Recording

if TYPE_CHECKING:
    from ecgdatakit.models import ECGRecord
    from ecgdatakit.parsing.parser import Parser

_SERIES = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?series[\s>]")
_BEAT = "REPRESENTATIVE_BEAT"


class Aecg(KitTree):
    """Reader of format ``aecg``: every rhythm series of a file is a record."""

    name = "aecg"
    expected = "HL7 aECG files (AnnotatedECG)"

    def parser(self) -> Parser:
        """See ``KitTree``."""
        return _series_parser(0)

    def count(self, path: Path) -> int:
        """See ``ExportTree``; only a file with several series is parsed for it."""
        raw = path.read_bytes()
        if len(_SERIES.findall(raw)) < 2:
            return 1
        from ecgdatakit.parsing.helpers.xml import parse_xml_root

        return len(_rhythms(parse_xml_root(raw)))

    def parse(self, path: Path, number: int, seconds: float | None) -> tuple[Recording, Description]:
        """See ``ExportTree``."""
        record, notes = parsed(_series_parser(number), path)
        return recording_of(record, self.rate(record), seconds, notes), self.describe(record)

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


def _series_parser(number: int) -> Parser:
    """The parser for one of the recordings of a file; the package's own takes the first."""
    from ecgdatakit.parsing.parsers.hl7_aecg import HL7aECGParser

    class SeriesParser(HL7aECGParser):  # type: ignore[misc,unused-ignore]
        def _select_series(self, root: Any, file_path: Path) -> tuple[Any, None]:
            found = _rhythms(root)
            if number >= len(found):
                raise RecordError("NO_RHYTHM", "the file holds no rhythm strip")
            return found[number], None

    return SeriesParser()
