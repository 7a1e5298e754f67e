"""Mortara, Welch Allyn and Hillrom ELI: one ``ECG`` document a file with base64 leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cape_fed.archive.kit import KitTree

if TYPE_CHECKING:
    from ecgdatakit.models import ECGRecord
    from ecgdatakit.parsing.parser import Parser


class Mortara(KitTree):
    """Reader of format ``mortara``."""

    name = "mortara"
    expected = "Mortara ELI XML files"

    def parser(self) -> Parser:
        """See ``KitTree``."""
        from ecgdatakit.parsing.parsers.mortara_el250 import MortaraEL250Parser

        return MortaraEL250Parser()

    def oddities(self, record: ECGRecord) -> set[str]:
        """See ``KitTree``."""
        return super().oddities(record) | ({"OFFSET_IGNORED"} if record.raw_metadata.get("channel_offsets") else set())
