"""Archives on disk for tests: plausible ECGs, written as WFDB by hand so that every field can be bent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cape_fed.signal.leads import LEADS


def ecg(seed: int = 0, fs: float = 500.0, seconds: float = 10.0) -> np.ndarray:
    """``[12, n]`` mV: a beat each 0.8 s, limb leads that obey Einthoven and Goldberger, a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(fs * seconds)) / fs
    phase = (time + rng.uniform(0, 0.8)) % 0.8 - 0.4
    beat = np.exp(-((phase / 0.015) ** 2)) + 0.25 * np.exp(-(((phase - 0.25) / 0.05) ** 2))
    one, two = 0.7 * beat, 1.1 * beat + 0.02 * np.sin(7 * time)
    chest = np.outer(rng.uniform(0.6, 1.5, 6), beat)
    limb = np.stack((one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2))
    return np.concatenate((limb, chest + rng.normal(0, 0.005, chest.shape))).astype(np.float32)


def signal_line(file: str, name: str, *, spec: str = "16", calibration: str = "1000(0)/mV", checksum: int = 0) -> str:
    return f"{file} {spec} {calibration} 16 0 0 {checksum} 0 {name}"


def write_wfdb(
    stem: Path,
    digital: np.ndarray,
    *,
    fs: float = 500.0,
    names: Sequence[str] = LEADS,
    comments: Sequence[str] = (),
    calibration: str = "1000(0)/mV",
    spec: str = "16",
    offset: int = 0,
    samples: int | None = None,
) -> Path:
    """Write ``[signals, n]`` ADC values in format 16 with right checksums; returns the stem."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    file = f"{stem.name}.dat"
    (stem.parent / file).write_bytes(bytes(offset) + np.ascontiguousarray(digital.T, "<i2").tobytes())
    declared = digital.shape[1] if samples is None else samples
    lines = [f"{stem.name} {len(digital)} {fs:g} {declared}"]
    for row, name in zip(digital, names, strict=True):
        checksum = int(np.sum(row, dtype=np.int64)) & 0xFFFF
        lines.append(signal_line(file, name, spec=spec, calibration=calibration, checksum=checksum))
    lines += [f"#{comment}" for comment in comments]
    stem.with_name(f"{stem.name}.hea").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return stem


def counts(ecg_mv: np.ndarray, gain: float = 1000.0) -> np.ndarray:
    return np.rint(ecg_mv * gain).astype(np.int16)
