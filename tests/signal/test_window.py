"""Where a window begins: at the first part of a recording that has enough signal."""

from __future__ import annotations

import numpy as np
import pytest

from cape_fed.signal.quality import DROP, assess, is_usable
from cape_fed.signal.window import first_window
from tests.archive.files import ecg

FS = 100
GAPS = {"missing": np.nan, "zeros": 0.0, "a constant": 0.4}


def with_gap(before: float, gap: float, after: float, kind: str) -> np.ndarray:
    hole = np.full((12, round(gap * FS)), GAPS[kind], np.float32)
    return np.concatenate((ecg(1, FS, before), hole, ecg(2, FS, after)), axis=1)


@pytest.mark.parametrize("kind", GAPS)
@pytest.mark.parametrize("gap", [13, 60, 1900])
def test_signal_after_a_gap(kind: str, gap: int) -> None:
    signal = with_gap(0, gap, 14, kind)
    start, stop = first_window(signal, FS, 10)
    # the steps in which a signal is looked for are a second long
    assert gap * FS - FS < start <= gap * FS if kind == "a constant" else start == gap * FS
    assert stop == start + 10 * FS


@pytest.mark.parametrize("kind", ["missing", "a constant"])
def test_a_blip_before_the_gap_is_not_enough(kind: str) -> None:
    signal = with_gap(1, 20, 14, kind)
    start, _ = first_window(signal, FS, 10)
    assert 20 * FS <= start <= 21 * FS


def test_the_first_window_that_will_do_is_taken_and_not_the_best() -> None:
    signal = with_gap(6, 4, 30, "missing")
    assert first_window(signal, FS, 10) == (0, 600)
    assert first_window(ecg(1, FS, 30), FS, 10) == (0, 1000)


def test_leads_that_are_missing_throughout_do_not_matter() -> None:
    signal = with_gap(0, 13, 14, "missing")
    signal[4:] = np.nan
    assert first_window(signal, FS, 10)[0] == 1300


@pytest.mark.parametrize("signal", [np.zeros((12, 2000)), np.full((12, 2000), np.nan), np.zeros((12, 0))])
def test_nothing_is_taken_as_it_is(signal: np.ndarray) -> None:
    assert first_window(signal.astype(np.float32), FS, 10) == (0, min(1000, signal.shape[1]))


@pytest.mark.parametrize("seed", range(40))
def test_usable_is_what_assess_keeps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signal = ecg(seed, FS, float(rng.choice([1, 3, 10])))
    signal[rng.random(12) < rng.choice([0, 0.5, 1])] *= rng.choice([0, 1e-3])
    signal[:, rng.random(signal.shape[1]) < rng.choice([0, 0.3, 0.7])] = np.nan
    signal[rng.random(12) < rng.choice([0, 0.5, 1])] = np.nan
    assert is_usable(signal, FS) == (not assess(signal, FS) & DROP)
