"""Records as WFDB files: a signal in format 16, and a header with comments as in the PhysioNet Challenges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cape_fed.signal.leads import LEADS
from cape_fed.synthetic.device import Device


def write_record(folder: Path, name: str, counts: NDArray[np.int16], device: Device, comments: dict[str, str]) -> None:
    """Write ``folder/name.hea`` and ``folder/name.dat`` from ``counts`` ``[samples, 12]`` in the order of ``LEADS``."""
    (folder / f"{name}.dat").write_bytes(np.ascontiguousarray(counts, "<i2").data)
    (folder / f"{name}.hea").write_text(header(name, counts, device, comments), encoding="ascii")


def header(name: str, counts: NDArray[np.int16], device: Device, comments: dict[str, str]) -> str:
    """The text of a header, as specified in https://physionet.org/physiotools/wag/header-5.htm."""
    gain = f"{1000 / device.adc_step:.6g}(0)/mV"
    checksums = counts.sum(axis=0, dtype=np.int64).astype(np.int16)  # the low 16 bits, as the format demands
    lines = [f"{name} {len(LEADS)} {device.fs:g} {len(counts)}"]
    lines += [
        f"{name}.dat 16 {gain} 16 0 {first} {checksum} 0 {lead}"
        for first, checksum, lead in zip(counts[0], checksums, lead_names(device), strict=True)
    ]
    lines += [f"# {key}: {value}" for key, value in comments.items()]
    return "\n".join(lines) + "\n"


def lead_names(device: Device) -> list[str]:
    """The names of the twelve leads in the spelling of ``device``."""
    spelling = {lead: lead for lead in LEADS}
    for lead in ("aVR", "aVL", "aVF"):
        spelling[lead] = (
            lead.upper() if device.augmented == "AVR" else lead.lower() if device.augmented == "avr" else lead
        )
    return list(spelling.values())
