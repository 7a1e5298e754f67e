"""Whether the gains of an archive's headers were made for display, so that one gain for all leads is the right one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median_low

import numpy as np

from cape_fed.archive.base import RawRecord
from cape_fed.signal.quality import Quality, amplitude, assess

USUAL_GAINS = ((1000.0, 200.0), (100.0, 400.0, 500.0, 250.0, 204.8, 409.6), (10.0, 1e4, 1e5, 1e6))
"""ADC units per mV as devices have them, the most common ones first."""
COHORT_MV = (0.35, 2.5)
"""Bounds for the median amplitude of a cohort; public cohorts lie at 0.9 (PTB-XL, CPSC 2018) to 1.6 mV (CODE-15%)."""
NEARLY_ALL = 0.5
"""A gain is common where it mends more than this share of what is wrong, in more than this share of the archive."""
_EXAMPLES = 2


@dataclass
class CommonGain:
    """Counts records whose ADC values obey II = I + III with one gain while their millivolts do not."""

    mended: int = 0
    examples: list[str] = field(default_factory=list)
    _decibels: list[int] = field(default_factory=list)

    def add(self, raw: RawRecord) -> None:
        """Look at one record whose limb leads contradict each other."""
        gains = np.array(raw.gains or (), np.float32)
        known = gains[np.isfinite(gains)]
        if not known.size or known.min() == known.max():
            return
        units = raw.signal_mv * np.where(np.isfinite(gains), gains, 1)[:, None]
        size = amplitude(units / np.abs(known).max(), raw.fs) * float(np.abs(known).max())
        if not size > 0 or assess(units / np.float32(size), raw.fs) & Quality.LIMB_IDENTITY:
            return
        self.mended += 1
        self._decibels.append(round(20 * math.log10(size)))
        if len(self.examples) < _EXAMPLES:
            self.examples.append(raw.record)

    def mends(self, violated: int, judged: int) -> float | None:
        """The gain in ADC units per mV that mends ``violated`` records of ``judged``; None where none does."""
        if not self.mended or self.mended <= NEARLY_ALL * max(violated, judged):
            return None
        return likely_gain(10 ** (median_low(self._decibels) / 20))


def likely_gain(units: float) -> float:
    """The usual gain that makes an amplitude of ``units`` that of an ECG; a power of ten where none does."""
    for gains in USUAL_GAINS:
        fitting = [gain for gain in gains if COHORT_MV[0] <= units / gain <= COHORT_MV[1]]
        if fitting:
            return min(fitting, key=lambda gain: abs(math.log(units / gain)))
    return float(10 ** round(math.log10(units)))
