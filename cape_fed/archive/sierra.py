"""Philips Sierra: one ``restingecgdata`` document a file, versions 1.03 to 1.04.02, plain or XLI-compressed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cape_fed.archive.base import RecordError
from cape_fed.archive.kit import KitTree
from cape_fed.archive.recording import Description
from cape_fed.archive.xli import require_bounded
from cape_fed.signal.leads import LEADS

if TYPE_CHECKING:
    from ecgdatakit.models import ECGRecord, Lead
    from ecgdatakit.parsing.parser import Parser

_LIMB = list(LEADS[:6])


class Sierra(KitTree):
    """Reader of format ``sierra``."""

    name = "sierra"
    expected = "Philips Sierra XML files (restingecgdata)"

    def parser(self) -> Parser:
        """See ``KitTree``."""
        return _bounded_parser()

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


def _bounded_parser() -> Parser:
    """The package's parser, which decompresses nothing that would fill the memory."""
    from ecgdatakit.parsing.parsers import sierra_xml as kit

    class BoundedParser(kit.SierraXMLParser):  # type: ignore[misc,unused-ignore]
        def _read_leads(self, parsed: Any, signal_node: Any) -> list[Lead]:
            if kit._compression(parsed):
                stated = kit._attr(parsed, "samplespersecond"), kit._text(kit._get(signal_node, "samplingrate"))
                rate = next(filter(None, map(kit._to_int, stated)), 0)
                samples = rate * (kit._to_float(kit._attr(parsed, "durationperchannel")) or 0) / 1000
                require_bounded(kit._decode_base64(kit._text(parsed), "parsedwaveforms"), math.ceil(samples))
            leads: list[Lead] = super()._read_leads(parsed, signal_node)
            return leads

    return BoundedParser()
