"""SCP-ECG (EN 1064, ISO 11073-91064): binary sections with a CRC each, plain, Huffman-coded or as differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cape_fed.archive.base import RecordError
from cape_fed.archive.codes import SCP
from cape_fed.archive.kit import KitTree
from cape_fed.archive.person import person
from cape_fed.archive.recording import Description

if TYPE_CHECKING:
    from ecgdatakit.models import ECGRecord
    from ecgdatakit.parsing.parser import Parser


class ScpEcg(KitTree):
    """Reader of format ``scp``: the rhythm of section 6; reference beats are added back where they were subtracted."""

    name = "scp"
    expected = "SCP-ECG files (*.scp)"
    suffixes = (".scp",)

    def parser(self) -> Parser:
        """See ``KitTree``."""
        from ecgdatakit.parsing.parsers.scp_ecg import SCPECGParser

        return SCPECGParser()

    def rate(self, record: ECGRecord) -> float:
        """See ``KitTree``; the file states the microseconds between samples."""
        interval = float(record.raw_metadata["rhythm_sample_interval_us"])
        if interval <= 0:
            raise RecordError("BAD_RATE", "the time between samples is impossible")
        return 1e6 / interval

    def describe(self, record: ECGRecord) -> Description:
        """See ``KitTree``; universal statement codes count before texts where the vocabulary knows all of them."""
        told = record.patient
        for lines in (
            record.raw_metadata.get("universal_statements", []),  # section 11, where section 8 is there as well
            [line for line, _ in record.interpretation.statements],
        ):
            codes = [code for line in lines for code in line.split()]
            if codes and all(code in SCP.meanings for code in codes):
                return person(told.patient_id, told.age, told.sex, SCP.annotate(codes).labels)
        return super().describe(record)
