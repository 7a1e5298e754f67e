"""Named preprocessing: from a recording in millivolts at any rate to a fixed int16 window."""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from cape_fed.errors import InputError, VersionError
from cape_fed.signal.resample import ratio, resample

MICROVOLTS_PER_MV = 1000.0
INT16_LIMIT = 32767
ARITHMETIC = 2
"""Version of the computation in `apply_profile`; 1 computed in float32."""
MARGIN_SECONDS = 0.5
"""Read beyond the window, so that the resampling filter meets signal and not an edge where there is more."""


class Profile(BaseModel):
    """A preprocessing recipe as data; two stores can be mixed when their hashes agree.

    The window is the first ``samples`` samples after resampling of what ``first_window`` chose. Shorter recordings are
    padded with zeros on the right; how many samples are valid is kept with the signal. The median of each lead over
    its valid samples is taken off, so that a DC shift is not a feature; nothing is scaled.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int = Field(default=ARITHMETIC, description="of the arithmetic; 1 computed in float32")
    fs: int = Field(gt=0, description="Hz after resampling")
    samples: int = Field(gt=0, description="window length in samples")
    resampler: Literal["polyphase-kaiser5"] = "polyphase-kaiser5"
    offset: Literal["lead-median"] = "lead-median"
    pad: Literal["zero-right"] = "zero-right"

    @property
    def hash(self) -> str:
        """Twelve hex digits that change with any field."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    @property
    def seconds(self) -> float:
        """Window length in seconds."""
        return self.samples / self.fs


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(name="compact100", fs=100, samples=1000),
        Profile(name="canonical500", fs=500, samples=5000),
        Profile(name="cape400", fs=400, samples=4096),
    )
}


def get_profile(name: str) -> Profile:
    """Look a profile up by name; raises InputError naming the known ones."""
    if name not in PROFILES:
        raise InputError(f"unknown profile '{name}': choose one of {', '.join(PROFILES)}")
    return PROFILES[name]


def check_arithmetic(version: object, encoder: str) -> None:
    """VersionError where an encoder was trained on what another version of profile arithmetic computed."""
    if version != ARITHMETIC:
        is_later = isinstance(version, int) and version > ARITHMETIC
        remedy = "use a later version of cape-fed" if is_later else "train it again"
        raise VersionError(
            f"{encoder} was trained with version {version} of profile arithmetic, this version of cape-fed computes "
            f"version {ARITHMETIC}: {remedy}"
        )


def apply_profile(ecg_mv: NDArray[np.float32], fs: float, profile: Profile) -> tuple[NDArray[np.int16], int]:
    """Turn one recording into a store row.

    ``ecg_mv`` is ``[12, n]`` in mV, NaN where a sample or lead is missing; what is missing is stored as 0. Returns
    ``([12, samples] int16 at 1 µV a step, valid samples)``. Values beyond ±32.767 mV are clipped.

    Computed in float64, and without a mean where the rate stays: otherwise the order of a sum would decide to which
    side a value near half a step is rounded, and a graph of the same profile would give other rows.
    """
    out = np.zeros((len(ecg_mv), profile.samples), np.int16)
    window = np.asarray(ecg_mv[:, : int(np.ceil((profile.seconds + MARGIN_SECONDS) * fs))], np.float64)
    if not window.shape[1]:
        return out, 0
    finite = np.isfinite(window)
    complete = bool(finite.all())
    if not complete:
        window = _filled(window, finite)
    resampled = window
    if ratio(fs, profile.fs) != (1, 1):
        # a rough level is taken off first: the filter's gain at 0 Hz differs a little between its phases
        resampled = resample(window - window.mean(axis=1, keepdims=True), fs, profile.fs)
    resampled = resampled[:, : profile.samples]
    microvolts = (resampled - _median(resampled)) * MICROVOLTS_PER_MV
    valid = resampled.shape[1]
    out[:, :valid] = np.clip(np.rint(microvolts), -INT16_LIMIT, INT16_LIMIT)
    if not complete:
        nearest = np.minimum(np.rint(np.arange(valid) * fs / profile.fs).astype(int), window.shape[1] - 1)
        out[:, :valid] *= finite[:, nearest]
    return out, valid


def _filled(ecg_mv: NDArray[np.float64], finite: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Put the lead's median where a sample is missing, and 0 throughout a lead that has none."""
    known = np.where(finite, ecg_mv, np.nan)
    known[~finite.any(axis=1)] = 0.0
    return np.where(finite, known, np.nanmedian(known, axis=1, keepdims=True))


def _median(ecg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of each row, ``[rows, 1]``; twice as fast as np.median, which looks for NaN as well."""
    middle = ecg.shape[1] // 2
    parts = np.partition(ecg, middle, axis=1)
    upper = parts[:, middle, None]
    return upper if ecg.shape[1] % 2 else (upper + parts[:, :middle].max(axis=1, keepdims=True)) / 2
