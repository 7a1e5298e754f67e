"""GE MUSE: one ``RestingECG`` document a file, base64 waveforms with a CRC of each lead, mostly of eight leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cape_fed.archive.kit import KitTree

if TYPE_CHECKING:
    from ecgdatakit.models import ECGRecord
    from ecgdatakit.parsing.parser import Parser


class Muse(KitTree):
    """Reader of format ``muse``."""

    name = "muse"
    expected = "GE MUSE XML files (RestingECG)"

    def parser(self) -> Parser:
        """See ``KitTree``."""
        from ecgdatakit.parsing.parsers.ge_muse_xml import GEMuseXMLParser

        return GEMuseXMLParser()

    def oddities(self, record: ECGRecord) -> set[str]:
        """See ``KitTree``."""
        offsets = {"FirstSampleBaseline", "LeadOffsetFirstSample"} & record.raw_metadata.keys()
        return super().oddities(record) | ({"OFFSET_IGNORED"} if offsets else set())
