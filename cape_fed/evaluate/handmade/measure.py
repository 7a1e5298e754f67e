"""Intervals, amplitudes, axes and rhythm of one recording as a row of numbers, NaN where one cannot be measured."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.handmade.beats import BEFORE, FS, Beats, Floats, find_beats
from cape_fed.signal.leads import LEAD_INDEX, LEADS

VERSION = 2
"""Of what is measured; it changes with any number."""
PER_LEAD = ("P", "Q", "R", "S", "ST", "T")
"""Amplitudes in mV against the PR segment; ST at 60 ms after the end of QRS."""
RHYTHM = ("rate", "rr_spread", "rr_steps", "rr_longest", "rr_shortest", "alike", "p_alike")
INTERVALS = ("p", "pr", "qrs", "qt", "qtc")
AXES = ("p_axis", "qrs_axis", "t_axis", "qrs_t_angle")
SHAPE = ("sokolow", "cornell", "v1_r_share", "v1_end", "i_end", "v6_end", "v1_r_time", "v6_r_time")
NAMES = (*RHYTHM, *INTERVALS, *AXES, *SHAPE, *(f"{lead} {wave}" for lead in LEADS for wave in PER_LEAD))
"""What each column is."""
_BASE = slice(-int(0.034 * FS), -int(0.014 * FS))
"""The PR segment, from the onset of QRS, which is found a little late where a Q wave comes first."""


def measure(ecg_mv: NDArray[np.float32], fs: float) -> NDArray[np.float32]:
    """`NAMES` of a recording ``[12, n]`` in mV; NaN where there is nothing to see.

    In beats per minute, ms, degrees and mV. Of the rhythm: standard deviation of the RR interval, and root mean square
    of its steps, over its mean; longest and shortest over the median; and how alike beats, and the stretches before
    QRS, are to the typical one (correlation). Raises DelineationError where neurokit2 fails.
    """
    beats = find_beats(ecg_mv, fs)
    known = {} if beats is None else {**dict(_rhythm(beats)), **dict(_waves(beats))}
    return np.array([known.get(name, np.nan) for name in NAMES], np.float32)


def _rhythm(beats: Beats) -> Iterator[tuple[str, float]]:
    rr = np.diff(beats.peaks) / FS
    yield "rate", 60 / float(np.median(rr))
    yield "rr_spread", float(rr.std() / rr.mean())
    if len(rr) > 2:
        yield "rr_steps", float(np.sqrt(np.mean(np.square(np.diff(rr)))) / rr.mean())
    yield "rr_longest", float(rr.max() / np.median(rr))
    yield "rr_shortest", float(rr.min() / np.median(rr))
    yield "alike", _alike(beats.single, beats.typical)
    onset = beats.waves["qrs_onset"]
    if np.isfinite(onset):
        end = BEFORE + int(onset) - int(0.02 * FS)
        stretch = slice(max(0, end - int(0.2 * FS)), end)
        if stretch.start < stretch.stop:
            yield "p_alike", _alike(beats.single[..., stretch], beats.typical[:, stretch])


def _alike(single: Floats, typical: Floats) -> float:
    """Median correlation of beats ``[k, 12, n]`` with the typical one ``[12, n]``, over all leads with a signal."""
    alive = np.isfinite(typical).all(axis=1)
    flat = single[:, alive] - single[:, alive].mean(axis=2, keepdims=True)
    model = typical[alive] - typical[alive].mean(axis=1, keepdims=True)
    norms = np.sqrt(np.square(flat).sum(axis=(1, 2)) * np.square(model).sum())
    return float(np.median((flat * model).sum(axis=(1, 2)) / norms)) if (norms > 0).all() else float("nan")


def _waves(beats: Beats) -> Iterator[tuple[str, float]]:
    at = beats.waves
    ms = 1000 / FS
    yield "p", (at["p_end"] - at["p_onset"]) * ms
    yield "pr", (at["qrs_onset"] - at["p_onset"]) * ms
    yield "qrs", (at["qrs_end"] - at["qrs_onset"]) * ms
    yield "qt", (qt := (at["t_end"] - at["qrs_onset"]) * ms)
    yield "qtc", qt / float(np.cbrt(np.median(np.diff(beats.peaks)) / FS))
    if not np.isfinite([at["qrs_onset"], at["qrs_end"]]).all() or at["qrs_end"] <= at["qrs_onset"]:
        return
    onset, end = BEFORE + round(at["qrs_onset"]), BEFORE + round(at["qrs_end"])
    if onset + _BASE.start < 0 or end >= beats.typical.shape[1]:
        return  # what was taken for QRS fills the beat
    beat = beats.typical - beats.typical[:, onset + _BASE.start : onset + _BASE.stop].mean(axis=1, keepdims=True)
    p_wave = _stretch(beat, at["p_onset"], at["p_end"])
    t_wave = _stretch(beat, at["qrs_end"] + 0.06 * FS, at["t_end"])
    parts = {"P": _extreme(p_wave), "T": _extreme(t_wave), **_qrs(beat[:, onset : end + 1])}
    later = end + int(0.06 * FS)
    parts["ST"] = beat[:, later] if later < beat.shape[1] else np.full(len(LEADS), np.nan)
    for wave, values in parts.items():
        yield from ((f"{lead} {wave}", float(values[row])) for row, lead in enumerate(LEADS))
    yield from _axes(p_wave.sum(axis=1), beat[:, onset : end + 1].sum(axis=1), t_wave.sum(axis=1))
    yield from _shape(parts, beat[:, onset : end + 1])


def _stretch(beat: Floats, first: float, last: float) -> Floats:
    """The samples ``[12, n]`` between two places from the middle of QRS; one of NaN where there are none."""
    if not np.isfinite([first, last]).all():
        return np.full((len(beat), 1), np.nan)
    found = beat[:, max(0, BEFORE + round(first)) : BEFORE + round(last) + 1]
    return found if found.shape[1] else np.full((len(beat), 1), np.nan)


def _extreme(wave: Floats) -> Floats:
    """The value ``[12]`` that is furthest from 0, with its sign."""
    place = np.argmax(np.abs(np.nan_to_num(wave)), axis=1)
    return np.asarray(wave[np.arange(len(wave)), place])


def _qrs(qrs: Floats) -> dict[str, Floats]:
    """The positive wave ``[12]`` of each lead, and the negative ones before and after it; 0 where there is none."""
    peak = np.argmax(np.nan_to_num(qrs), axis=1)
    before = np.arange(qrs.shape[1]) <= peak[:, None]
    return {
        "R": np.maximum(qrs.max(axis=1), 0.0),
        "Q": np.minimum(np.where(before, qrs, np.inf).min(axis=1), 0.0),
        "S": np.minimum(np.where(before, np.inf, qrs).min(axis=1), 0.0),
    }


def _axes(p_area: Floats, qrs_area: Floats, t_area: Floats) -> Iterator[tuple[str, float]]:
    """Frontal axes in degrees, from the net areas ``[12]`` in I and aVF."""
    angles = {name: _angle(area) for name, area in (("p", p_area), ("qrs", qrs_area), ("t", t_area))}
    for name, angle in angles.items():
        yield f"{name}_axis", angle
    yield "qrs_t_angle", abs((angles["qrs"] - angles["t"] + 180) % 360 - 180)


def _angle(area: Floats) -> float:
    return float(np.rad2deg(np.arctan2(2 / np.sqrt(3) * area[LEAD_INDEX["aVF"]], area[LEAD_INDEX["I"]])))


def _shape(parts: dict[str, Floats], qrs: Floats) -> Iterator[tuple[str, float]]:
    """Voltages of hypertrophy, and the last third of QRS, by which blocks of a bundle branch differ."""
    r, s = ({lead: float(parts[wave][row]) for row, lead in enumerate(LEADS)} for wave in ("R", "S"))
    yield "sokolow", max(r["V5"], r["V6"]) - s["V1"]
    yield "cornell", r["aVL"] - s["V3"]
    whole = r["V1"] - s["V1"]
    yield "v1_r_share", r["V1"] / whole if whole > 0 else float("nan")
    last = qrs[:, -max(1, qrs.shape[1] // 3) :].mean(axis=1)
    for name, lead in (("v1_end", "V1"), ("i_end", "I"), ("v6_end", "V6")):
        yield name, float(last[LEAD_INDEX[lead]])
    for name, lead in (("v1_r_time", "V1"), ("v6_r_time", "V6")):
        row = qrs[LEAD_INDEX[lead]]
        yield name, float(np.argmax(row)) * 1000 / FS if np.isfinite(row).all() else float("nan")
