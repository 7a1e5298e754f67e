"""Philips Sierra: one ``restingecgdata`` document a file, versions 1.03 to 1.04.02, plain or XLI-compressed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cape_fed.archive.base import RecordError
from cape_fed.archive.kit import KitTree
from cape_fed.archive.recording import Description
from cape_fed.signal.leads import LEADS

if TYPE_CHECKING:
    from ecgdatakit.models import ECGRecord
    from ecgdatakit.parsing.parser import Parser

_LIMB = list(LEADS[:6])


class Sierra(KitTree):
    """Reader of format ``sierra``."""

    name = "sierra"
    expected = "Philips Sierra XML files (restingecgdata)"

    def parser(self) -> Parser:
        """See ``KitTree``."""
        from ecgdatakit.parsing.parsers.sierra_xml import SierraXMLParser

        return SierraXMLParser()

    def oddities(self, record: ECGRecord) -> set[str]:
        """Compressed limb leads are differences from I and II, which can be undone in the usual order alone."""
        compression = record.recording.acquisition.signal.compression
        if compression.upper() == "XLI" and [lead.label for lead in record.leads[:6]] != _LIMB:
            raise RecordError("UNREADABLE", "compressed leads are in an order in which they cannot be restored")
        return super().oddities(record)

    def describe(self, record: ECGRecord) -> Description:
        """See ``KitTree``; whether an ECG is normal stands in its severity, so that nothing is known without one."""
        told = super().describe(record)
        if told.labels.get("NORM") is False and "normal" not in record.interpretation.severity.lower():
            return replace(told, labels={label: value for label, value in told.labels.items() if label != "NORM"})
        return told
