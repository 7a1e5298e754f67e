"""Multiplex groups of a DICOM waveform: which are one recording, and their samples in mV.

Source: DICOM PS3.3 C.10.9 (Waveform Module), A.34 (Waveform IODs); lead codes of PS3.16 CID 3001.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cape_fed.archive.base import RecordError
from cape_fed.archive.calibration import GAIN_RANGE
from cape_fed.archive.leads import Strip
from cape_fed.archive.recording import as_millivolts
from cape_fed.signal.leads import canonical_lead
from cape_fed.signal.quality import MIN_SECONDS
from cape_fed.signal.units import millivolts_per

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_BEATS = re.compile(r"median|average|represent|template|typical", re.IGNORECASE)
"""Labels of groups that hold one beat computed from many."""
_TYPES = {"SB": "i1", "UB": "u1", "SS": "i2", "US": "u2", "SL": "i4", "UL": "u4"}
"""Sample interpretation → type; the µ-law and A-law of voice recordings are no ECG."""
_NUMBERS = {1: "I", 2: "II", 61: "III", 62: "aVR", 63: "aVL", 64: "aVF"} | {n + 2: f"V{n}" for n in range(1, 7)}
"""Number of a lead in SCP-ECG and in ISO 11073-10101."""
_CODES = re.compile(r"(?:5\.6\.3-9-|2:)(\d{1,3})")
_MDC_BASE = 2 << 16 | 256
"""ISO 11073 numbers leads from partition 2, code 256, in the form with one number."""


class Group(NamedTuple):
    """One multiplex group: leads sampled together."""

    item: Dataset
    fs: float
    offset: float
    """Seconds after the beginning of the acquisition."""
    leads: frozenset[str]


def rhythms(dataset: Dataset) -> list[list[Group]]:
    """The recordings of an object, each the groups that make it up; beats and derived groups are left out.

    A group with other leads at the same rate belongs to the recording before it; one with the same leads is a
    recording of its own. Raises RecordError where there is none.
    """
    items = list(dataset.get("WaveformSequence") or ())
    for item in items:
        _data(item)
    groups = [_group(item) for item in items]
    strips = [group for group in groups if not _is_beat(group)]
    measured = [group for group in strips if group.item.get("WaveformOriginality") != "DERIVED"] or strips
    recordings: list[list[Group]] = []
    for group in (group for group in measured if group.leads):
        last = recordings[-1] if recordings else []
        if last and last[0].fs == group.fs and all(group.leads.isdisjoint(other.leads) for other in last):
            last.append(group)
        else:
            recordings.append([group])
    if not recordings:
        raise RecordError(
            *(("NO_LEADS", "no channel is a standard lead") if measured else ("NO_RHYTHM", "no rhythm strip"))
        )
    return recordings


def strips_of(groups: list[Group], is_little_endian: bool) -> list[Strip]:
    """The leads of one recording, each where it begins; raises RecordError where a value would be a guess."""
    first = min(group.offset for group in groups)
    return [
        Strip(name, start + round((group.offset - first) * group.fs), values)
        for group in groups
        for name, start, values in _channels(group, is_little_endian)
    ]


def _group(item: Dataset) -> Group:
    fs = float(item.get("SamplingFrequency") or 0)
    if not fs > 0:
        raise RecordError("BAD_RATE", "a group of channels states no sampling rate")
    leads = (canonical_lead(_lead_name(channel)) for channel in item.get("ChannelDefinitionSequence") or ())
    offset = float(item.get("MultiplexGroupTimeOffset") or 0) / 1000
    return Group(item, fs, offset, frozenset(lead for lead in leads if lead))


def _is_beat(group: Group) -> bool:
    label = str(group.item.get("MultiplexGroupLabel") or "")
    samples = int(group.item.get("NumberOfWaveformSamples") or 0)
    return bool(_BEATS.search(label)) or samples < MIN_SECONDS * group.fs


def _channels(group: Group, is_little_endian: bool) -> Iterator[Strip]:
    definitions = list(group.item.ChannelDefinitionSequence)
    digital = _digital(group.item, len(definitions), is_little_endian)
    missing = _padding(group.item, digital.dtype)
    for channel, values in zip(definitions, digital.T, strict=True):
        name = _lead_name(channel)
        if canonical_lead(name) is None:
            yield Strip(name, 0, np.empty(0, np.float32))
            continue
        step, baseline = _calibration(channel)
        signal = as_millivolts(values * step + baseline)
        if missing is not None:
            signal[values == missing] = np.nan
        yield Strip(name, _skew(channel, group.fs), signal)


def _digital(item: Dataset, channels: int, is_little_endian: bool) -> NDArray[Any]:
    """The samples as stored, ``[n, channels]``."""
    kind = _TYPES.get(str(item.get("WaveformSampleInterpretation")))
    if kind is None:
        raise RecordError("UNREADABLE", "the samples are of a kind that no ECG has")
    if int(item.get("WaveformBitsAllocated") or 0) != 8 * int(kind[1]):
        raise RecordError("BAD_HEADER", "bits allocated and sample interpretation disagree")
    samples = int(item.get("NumberOfWaveformSamples") or 0)
    if int(item.get("NumberOfWaveformChannels") or 0) != channels:
        raise RecordError("BAD_HEADER", "number of channels and their definitions disagree")
    data, expected = _data(item), samples * channels * int(kind[1])
    if len(data) > expected + 1:  # a padding byte makes the length even
        raise RecordError("BAD_HEADER", f"{len(data)} bytes of samples are there, {expected} are declared")
    return np.frombuffer(data[:expected], ("<" if is_little_endian else ">") + kind).reshape(samples, channels)


def _data(item: Dataset) -> bytes:
    """The bytes of the samples; of an object that was cut off they are fewer than declared, without another sign."""
    data = item.get("WaveformData")
    if not isinstance(data, bytes):
        raise RecordError("BAD_HEADER", "the samples are not stored as bytes")
    declared = [int(item.get(f"NumberOfWaveform{what}") or 0) for what in ("Channels", "Samples")]
    expected = math.prod(declared) * int(item.get("WaveformBitsAllocated") or 0) // 8
    if len(data) < expected:
        raise RecordError("TRUNCATED", f"{len(data)} of {expected} bytes of samples are there")
    return data


def _padding(item: Dataset, dtype: np.dtype[Any]) -> int | None:
    """The value that stands for "no sample", None without one."""
    value = item.get("WaveformPaddingValue")
    if value is None or value == b"":
        return None
    if isinstance(value, bytes) and len(value) >= dtype.itemsize:
        return int(np.frombuffer(value[: dtype.itemsize], dtype)[0])
    raise RecordError("BAD_HEADER", "the padding value is malformed")


def _calibration(channel: Dataset) -> tuple[float, float]:
    """mV a unit of the samples, and mV of a sample of 0: the standard gives the baseline in physical units."""
    units = channel.get("ChannelSensitivityUnitsSequence")
    unit = millivolts_per(str(units[0].get("CodeValue") or "")) if units else None
    sensitivity = channel.get("ChannelSensitivity")
    if unit is None or sensitivity is None:
        raise RecordError("NO_UNIT", "a lead states no voltage for its values")
    factor = channel.get("ChannelSensitivityCorrectionFactor")
    step = float(sensitivity) * (1.0 if factor is None else float(factor)) * unit
    baseline = float(channel.get("ChannelBaseline") or 0) * unit
    if not step > 0 or not GAIN_RANGE[0] <= 1 / step <= GAIN_RANGE[1] or not np.isfinite(baseline):
        raise RecordError("BAD_GAIN", "sensitivity or baseline of a lead is impossible")
    return step, baseline


def _skew(channel: Dataset, fs: float) -> int:
    """Samples by which a channel begins later than its group."""
    skew = channel.get("ChannelSampleSkew")
    return round(float(channel.get("ChannelTimeSkew") or 0) * fs if skew is None else float(skew))


def _lead_name(channel: Dataset) -> str:
    """Name of a channel's lead: by its code, else by the code's meaning (``Lead I (Einthoven)``) or its label."""
    sources = channel.get("ChannelSourceSequence")
    source: Any = sources[0] if sources else {}
    if named := _by_code(str(source.get("CodeValue") or "")):
        return named
    texts = (str(source.get("CodeMeaning") or ""), str(channel.get("ChannelLabel") or ""))
    names = [re.split(r"[,(]", text)[0] for text in texts]
    return next(filter(canonical_lead, names), "")


def _by_code(code: str) -> str | None:
    if match := _CODES.fullmatch(code):
        return _NUMBERS.get(int(match[1]))
    return _NUMBERS.get(int(code) - _MDC_BASE) if code.isascii() and code.isdigit() and len(code) < 10 else None
