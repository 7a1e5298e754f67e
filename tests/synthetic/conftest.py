"""A cohort recorded by a device that adds almost nothing, and a group of patients before any device."""

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
from cape_fed.synthetic.physiology import Visits, draw_physiology, draw_visits
from cape_fed.synthetic.population import Patients, Population, draw_patients
from cape_fed.synthetic.waves import Kernels, draw_kernels

QUIET = Device("quiet", fs=500, highpass=0.05, hum=0.01, wander=1, muscle=0.5, floor=0.5, gain_spread=0, adc_step=1)
CLEAN = FlawRates(0, 0, 0, 0)


@dataclass(frozen=True)
class Sample:
    """The records of a cohort as an analyst receives them, and the truth about each."""

    truth: pd.DataFrame
    ecg: NDArray[np.float32]
    """``[n, 12, 5000]`` in mV at 500 Hz."""


@pytest.fixture(scope="session")
def quiet() -> Sample:
    """384 patients of all ages and illnesses, recorded by a device that adds almost nothing."""
    spec = CohortSpec("quiet", "train", Population(58, 17, 0.5), (QUIET,), flaws=CLEAN)
    batches = list(make_cohort(spec, 384, seed=0))
    return Sample(pd.concat([b.truth for b in batches], ignore_index=True), np.stack(list(_millivolts(batches))))


@dataclass(frozen=True)
class People:
    """Patients, their visits and the kernels of their beats."""

    patients: Patients
    visits: Visits
    kernels: Kernels


@pytest.fixture(scope="session")
def people() -> People:
    """40 patients, many of them in atrial fibrillation."""
    rng = np.random.default_rng(1)
    patients = draw_patients(Population(65, 15, 0.5, {"AF": 2.0}), 40, rng)
    visits = draw_visits(patients, draw_physiology(patients, rng), rng)
    return People(patients, visits, draw_kernels(patients, visits))


def _millivolts(batches: list[Batch]) -> Iterator[NDArray[np.float32]]:
    for batch in batches:
        for counts, device in zip(batch.signals, batch.devices, strict=True):
            yield counts.T.astype(np.float32) * (device.adc_step / 1000)
