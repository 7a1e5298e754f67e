"""One small cohort of a faultless device that most tests look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from cape_fed.synthetic.cohort import Batch, CohortSpec, make_cohort
from cape_fed.synthetic.device import Device
from cape_fed.synthetic.flaws import FlawRates
from cape_fed.synthetic.population import Population

QUIET = Device("quiet", fs=500, highpass=0.05, hum=0.01, wander=1, muscle=0.5, floor=0.5, gain_spread=0, adc_step=1)
CLEAN = FlawRates(0, 0, 0, 0)


@dataclass(frozen=True)
class Sample:
    """Records of a cohort as an analyst gets them, and the truth about each."""

    truth: pd.DataFrame
    ecg: NDArray[np.float32]
    """``[n, 12, 5000]`` in mV at 500 Hz."""


@pytest.fixture(scope="session")
def quiet() -> Sample:
    """384 patients of all ages and illnesses on a device that adds next to nothing."""
    spec = CohortSpec("quiet", "train", Population(58, 17, 0.5), (QUIET,), flaws=CLEAN)
    batches = list(make_cohort(spec, 384, seed=0))
    return Sample(pd.concat([b.truth for b in batches], ignore_index=True), np.stack(list(_millivolts(batches))))


def _millivolts(batches: list[Batch]) -> Iterator[NDArray[np.float32]]:
    for batch in batches:
        for counts, device in zip(batch.signals, batch.devices, strict=True):
            yield counts.T.astype(np.float32) * (device.adc_step / 1000)
