"""The beats of one recording by neurokit2: where they are, how a typical one looks, where its waves begin and end."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cape_fed.signal.leads import LEAD_INDEX
from cape_fed.signal.quality import FLAT_MV, MIN_SECONDS, amplitudes
from cape_fed.signal.resample import resample

Floats = NDArray[np.float64]

FS = 500
"""Hz at which beats are measured: 10 ms between the samples of a small profile are too coarse for a QRS duration."""
BEFORE, AFTER = int(0.36 * FS), int(0.56 * FS)
"""Samples of a beat before and after the middle of its QRS complex."""
FEWEST = 3
"""Beats without which neither rhythm nor a typical beat is measured."""
WANDER_HZ = 0.5
"""What is slower is taken for baseline wander."""
_SHARE_BEFORE = 0.42
"""Of a fast beat, the share of the RR interval that lies before the middle of QRS."""
_REPEATED = 4
_SMOOTH = 0.012 * FS
"""Width of the smoothing, in samples, before the end of T is sought: it is so flat that a lowest sample of noise beside
the peak would be taken for it."""
_QRS = {"qrs_onset": "ECG_R_Onsets", "qrs_end": "ECG_R_Offsets"}
_T_WAVE = {"t_end": "ECG_T_Offsets"}
_P_WAVE = {"p_onset": "ECG_P_Onsets", "p_end": "ECG_P_Offsets"}


class DelineationError(Exception):
    """neurokit2 failed on a recording."""


@dataclass(frozen=True)
class Beats:
    """What there is to be measured in a recording; samples are of `FS`."""

    peaks: NDArray[np.int64]
    """Middle of each QRS complex, ``[K]``."""
    single: Floats
    """Every beat that lies in the recording as a whole, ``[k, 12, BEFORE + AFTER]`` mV; NaN in leads without signal."""
    typical: Floats
    """Their median, ``[12, BEFORE + AFTER]``."""
    waves: dict[str, float]
    """Place of each beginning and end in the typical beat, in samples from the middle of QRS; NaN for none."""


def find_beats(ecg_mv: NDArray[np.float32], fs: float) -> Beats | None:
    """The beats of ``[12, n]`` mV; None where it is too short or flat, or where fewer than `FEWEST` are seen.

    Raises DelineationError where neurokit2 fails.

    Beats are found, and their waves delimited, on the root mean square of all leads that have a signal. There every
    wave points up, whatever the axis of the heart, and one lead that is noisy or off does not decide.
    """
    alive = amplitudes(ecg_mv, fs) > FLAT_MV
    if ecg_mv.shape[1] < MIN_SECONDS * fs or not alive.any():
        return None
    clean = _without_wander(resample(ecg_mv.astype(np.float64), fs, FS))
    clean[~alive] = np.nan
    found = _by_library("ecg_findpeaks", _size(clean), sampling_rate=FS)
    peaks = np.asarray(found["ECG_R_Peaks"], np.int64)
    whole = peaks[(peaks >= BEFORE) & (peaks + AFTER <= clean.shape[1])]
    if len(peaks) < FEWEST or not len(whole):
        return None
    single = np.stack([clean[:, peak - BEFORE : peak + AFTER] for peak in whole])
    typical = np.median(single, axis=0)
    return Beats(peaks, single, typical, _delimit(typical, int(np.median(np.diff(peaks)))))


def _delimit(typical: Floats, rr: int) -> dict[str, float]:
    """Where the waves of a typical beat ``[12, BEFORE + AFTER]`` begin and end, ``rr`` samples being between beats.

    QRS and T on the size of all leads, P on minus aVR: where everything points up, a Q wave passes for a P wave.
    """
    size = _size(typical)
    waves = _delineate(size, rr, _QRS) | _delineate(_smooth(size), rr, _T_WAVE)
    one, two = typical[LEAD_INDEX["I"]], typical[LEAD_INDEX["II"]]
    known = [lead for lead in (one, two) if np.isfinite(lead).all()]
    found = _delineate(np.mean(known, axis=0), rr, _P_WAVE) if known else dict.fromkeys(_P_WAVE, float("nan"))
    return waves | found


def _delineate(beat: Floats, rr: int, names: Mapping[str, str]) -> dict[str, float]:
    """Places of some waves in a beat ``[BEFORE + AFTER]``.

    A typical beat has little noise, but neurokit2 reads recordings. So it is given one in which the beat is repeated.
    """
    before = min(BEFORE, int(_SHARE_BEFORE * rr))
    part = beat[BEFORE - before : BEFORE + min(AFTER, rr - before)]
    level = part - np.linspace(part[0], part[-1], len(part))  # so that one meets the next without a step
    period = np.pad(level, (0, max(0, rr - len(level))))
    middles = before + len(period) * np.arange(_REPEATED)
    repeated = np.tile(period, _REPEATED)
    _, found = _by_library("ecg_delineate", repeated, middles, sampling_rate=FS, method="prominence")
    return {name: _median_place(found[key], middles) for name, key in names.items()}


def _median_place(places: Any, middles: NDArray[np.int64]) -> float:
    """Median distance of one kind of place from the middle of its beat; NaN where most beats have none."""
    distances = np.asarray(places, np.float64)
    if len(distances) != len(middles):
        return float("nan")
    known = (distances - middles)[np.isfinite(distances)]
    return float(np.median(known)) if 2 * len(known) >= len(middles) else float("nan")


def _smooth(beat: Floats) -> Floats:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(beat, _SMOOTH))


def _size(leads: Floats) -> Floats:
    """Root mean square ``[n]`` over the leads ``[12, n]`` that have a signal."""
    alive = np.isfinite(leads).all(axis=1)
    return np.asarray(np.sqrt(np.mean(np.square(leads[alive]), axis=0)))


def _without_wander(ecg: Floats) -> Floats:
    from scipy.signal import sosfiltfilt

    return np.asarray(sosfiltfilt(_highpass(), ecg, axis=1))


@lru_cache(maxsize=1)
def _highpass() -> Floats:
    from scipy.signal import butter

    return np.asarray(butter(2, WANDER_HZ, "highpass", fs=FS, output="sos"))


def _by_library(name: str, *arguments: Any, **options: Any) -> Any:
    """What a function of neurokit2 returns; DelineationError where it fails, as it does on what is hardly an ECG.

    It warns of recordings in which nothing is found, or waves of no height; NaN follows, and is expected.
    """
    import neurokit2 as nk  # seconds that other evaluations do without

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nk.misc.NeuroKitWarning)
        for expected in ("some peaks have a prominence of 0", "Mean of empty slice", "invalid value encountered"):
            warnings.filterwarnings("ignore", expected, RuntimeWarning)
        try:
            return getattr(nk, name)(*arguments, **options)
        except Exception as error:  # of many kinds, by where in it the signal is not what it expects
            raise DelineationError from error
