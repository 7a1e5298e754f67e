"""ECG machines: how each model changes what the electrodes pick up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, freqs


@dataclass(frozen=True)
class Device:
    """One model of ECG machine. Rates in Hz, amplitudes in µV RMS at one electrode, times in s."""

    name: str
    fs: float
    seconds: float = 10.0
    """Length of the stored record, padding included."""
    pad_before: float = 0.0
    pad_after: float = 0.0
    """Seconds of zeros at the start and at the end that replace the signal."""
    highpass: float = 0.05
    highpass_order: int = 1
    lowpass: float = 150.0
    lowpass_order: int = 2
    mains: Literal[50, 60] = 50
    hum: float = 6.0
    wander: float = 60.0
    wander_hz: float = 0.25
    """Corner frequency of the baseline wander."""
    muscle: float = 6.0
    floor: float = 2.0
    floor_colour: float = 0.0
    """Exponent of the amplitude spectrum of the electronic noise: 0 is white noise, 0.5 is pink noise."""
    spread: float = 0.35
    """Standard deviation between records of the logarithm of each noise amplitude."""
    gain: float = 1.0
    """Amplification that the header does not mention: what is recorded in place of 1 mV."""
    gain_spread: float = 0.02
    """Relative standard deviation between the amplifiers of the leads."""
    adc_step: float = 5.0
    """µV per count, as the header states."""
    swapped: bool = False
    """Whether the arm electrodes are exchanged in every record."""
    augmented: Literal["aVR", "AVR", "avr"] = "aVR"
    """How the header spells the augmented leads."""

    @property
    def samples(self) -> int:
        """Samples per record."""
        return round(self.seconds * self.fs)

    @property
    def recorded_samples(self) -> int:
        """Samples per record without padding."""
        return self.samples - sum(self.padding)

    @property
    def padding(self) -> tuple[int, int]:
        """Samples of zeros before and after the signal."""
        return round(self.pad_before * self.fs), round(self.pad_after * self.fs)

    @property
    def levels(self) -> NDArray[np.float32]:
        """Typical amplitudes of wander, muscle noise, electronic noise and mains hum, in this order."""
        return np.array([self.wander, self.muscle, self.floor, self.hum], np.float32)

    def response(self, hz: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Complex frequency response of the analogue amplifier: Butterworth filters at both ends, gain 1 between."""
        total = np.full(len(hz), 1, np.complex128)
        for kind, corner, order in (
            ("highpass", self.highpass, self.highpass_order),
            ("lowpass", self.lowpass, self.lowpass_order),
        ):
            numerator, denominator = butter(order, 2 * np.pi * corner, kind, analog=True)
            total *= freqs(numerator, denominator, 2 * np.pi * hz)[1]
        return total.astype(np.complex64)
