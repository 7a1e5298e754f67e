"""Mortara, Welch Allyn and Hillrom ELI: one ``ECG`` document a file with base64 leads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cape_fed.archive.kit import KitTree

if TYPE_CHECKING:
    from ecgdatakit.models import ECGRecord, PatientInfo
    from ecgdatakit.parsing.parser import Parser


class Mortara(KitTree):
    """Reader of format ``mortara``."""

    name = "mortara"
    expected = "Mortara ELI XML files"

    def parser(self) -> Parser:
        """See ``KitTree``."""
        from ecgdatakit.parsing.parsers.mortara_el250 import MortaraEL250Parser

        class WordsParser(MortaraEL250Parser):  # type: ignore[misc,unused-ignore]
            """Takes the whole word of the sex and not its first letter, which is that of men in "Mujer"."""

            def _read_patient(self, root: Any, *others: Any) -> PatientInfo:
                info: PatientInfo = super()._read_patient(root, *others)
                subject = root.find("SUBJECT")
                info.sex = ("" if subject is None else subject.get("GENDER", "").strip()) or info.sex
                return info

        parser: Parser = WordsParser()
        return parser

    def oddities(self, record: ECGRecord) -> set[str]:
        """See ``KitTree``."""
        return super().oddities(record) | ({"OFFSET_IGNORED"} if record.raw_metadata.get("channel_offsets") else set())
