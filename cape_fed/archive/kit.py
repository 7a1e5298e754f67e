"""What ecgdatakit reads of a vendor's file, as a recording in mV and a description without free text.

Only its parsers are imported, each by name; its weights and plots are never loaded. It leaves values as counts where a
unit is missing, which is refused here, and it warns where it leaves something out, which becomes a finding here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cape_fed.archive.base import RecordError
from cape_fed.archive.calibration import GAIN_RANGE, INVALID_16
from cape_fed.archive.exports import ExportTree
from cape_fed.archive.leads import Strip, assembled
from cape_fed.archive.person import person
from cape_fed.archive.phrases import annotate_report
from cape_fed.archive.recording import Description, Recording, as_millivolts
from cape_fed.signal.units import millivolts_per

if TYPE_CHECKING:
    from ecgdatakit.models import ECGRecord, Lead
    from ecgdatakit.parsing.parser import Parser

_ENTITIES = "entity declarations are not allowed"
_LEFT_OUT = ("additional rhythm", "sequence sets in the rhythm")
"""Beginnings or parts of its warnings that say that not every recording of the file was read."""


class KitTree(ExportTree):
    """A format that ecgdatakit parses; a subclass names the parser and says what is particular."""

    needs = "ecgdatakit"

    def parser(self) -> Parser:
        """The parser of this format."""
        raise NotImplementedError

    def recognises(self, head: bytes) -> bool:
        """See ``ExportTree``."""
        return bool(self.parser().can_parse(Path(), head))

    def parse(self, path: Path, number: int, seconds: float | None) -> tuple[Recording, Description]:
        """See ``ExportTree``."""
        record, notes = parsed(self.parser(), path)
        return recording_of(record, self.rate(record), seconds, notes | self.oddities(record)), self.describe(record)

    def rate(self, record: ECGRecord) -> float:
        """Exact sampling rate in Hz."""
        rates = {float(lead.sampling_rate) for lead in record.leads}
        if len(rates) != 1:
            raise RecordError("BAD_RATE", "the leads have several sampling rates")
        return rates.pop()

    def oddities(self, record: ECGRecord) -> set[str]:
        """Findings that are particular to the format; raises RecordError where the signal cannot be trusted."""
        return {"CHECKSUM"} if record.raw_metadata.get("checksum_valid") is False else set()

    def describe(self, record: ECGRecord) -> Description:
        """Patient, age, sex and what the statements mean."""
        told = record.patient
        said = [" ".join(part for part in parts if part) for parts in record.interpretation.statements]
        return person(told.patient_id, told.age, told.sex, annotate_report([*said, _verdict(record)]))


def parsed(parser: Parser, path: Path) -> tuple[ECGRecord, set[str]]:
    """Parse a file; RecordError where it declares entities. Returns findings for what was left out as well."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            record = parser.parse(path)
        except Exception as error:
            if _ENTITIES in str(error):
                raise RecordError("UNSAFE_XML", "the file declares entities") from None
            raise
    said = [str(warning.message).lower() for warning in warned]
    return record, {"MORE_WAVEFORMS"} if any(part in text for text in said for part in _LEFT_OUT) else set()


def recording_of(record: ECGRecord, fs: float, seconds: float | None, notes: Iterable[str] = ()) -> Recording:
    """The rhythm leads of a file as one recording, at most its first ``seconds``; the median beat is left out."""
    strips = [Strip(lead.label, _start(lead), _millivolts(lead)) for lead in record.leads]
    return assembled(strips, fs, seconds, notes)


def _verdict(record: ECGRecord) -> str:
    """The severity that stands beside the statements, as the statement that other devices make of it."""
    severity = record.interpretation.severity.strip(" -*.")
    return severity if not severity or severity.upper().endswith("ECG") else f"{severity} ECG"


def _start(lead: Lead) -> int:
    """Samples before the first one of this lead (SCP-ECG counts from 1)."""
    return int(lead.annotations.get("start_sample", "1")) - 1


def _millivolts(lead: Lead) -> NDArray[np.float32]:
    unit = millivolts_per(lead.resolution_unit) if lead.resolution_unit else None
    if unit is None or not lead.adc_resolution:
        raise RecordError("NO_UNIT", "a lead states no voltage for its values")
    step = lead.resolution * unit
    if not math.isfinite(step) or step <= 0 or not GAIN_RANGE[0] <= 1 / step <= GAIN_RANGE[1]:
        raise RecordError("BAD_GAIN", "the gain of a lead is impossible")
    values = as_millivolts(lead.samples * step + lead.offset * unit)
    values[lead.samples == INVALID_16] = np.nan
    return values
