"""Cohorts as streams: what the seed determines, how a longer cohort begins, flaws, devices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cape_fed.errors import InputError
from cape_fed.synthetic.catalogue import SPECS
from cape_fed.synthetic.cohort import Batch, CohortSpec, make_cohort
from cape_fed.synthetic.flaws import FlawRates

SPEC = SPECS[4]


def records(spec: CohortSpec, patients: int, seed: int = 0) -> list[Batch]:
    return list(make_cohort(spec, patients, seed))


def all_truth(batches: list[Batch]) -> pd.DataFrame:
    return pd.concat([batch.truth for batch in batches], ignore_index=True)


def test_more_patients_leave_the_first_ones_as_they_are() -> None:
    few, many = records(SPEC, 10), records(SPEC, 90)
    count = len(few[0].signals)
    assert len(many) == 2
    assert all_truth(many).patient.nunique() == 90
    pd.testing.assert_frame_equal(few[0].truth, all_truth(many)[:count])
    for one, other in zip(few[0].signals, many[0].signals[:count], strict=True):
        np.testing.assert_array_equal(one, other)


def test_seed_and_name_change_everything() -> None:
    base = records(SPEC, 3)[0].signals[0]
    assert not np.array_equal(base, records(SPEC, 3, seed=1)[0].signals[0])
    assert not np.array_equal(base, records(replace(SPEC, name="other"), 3)[0].signals[0])


def test_flaws_come_in_the_shares_asked_for() -> None:
    spec = replace(SPEC, flaws=FlawRates(no_age=0.3, no_patient=0.2, flat_lead=0.15, duplicate=0.1))
    batches = records(spec, 128)
    truth = all_truth(batches)
    assert (~truth.age_known).mean() == pytest.approx(0.3, abs=0.1)
    assert (~truth.patient_known).mean() == pytest.approx(0.2, abs=0.1)
    assert (truth.flat_lead != "").mean() == pytest.approx(0.15, abs=0.08)
    assert truth.duplicate.mean() == pytest.approx(0.1 / 1.1, abs=0.06)
    for batch in batches:
        for row in np.flatnonzero(batch.truth.duplicate):
            np.testing.assert_array_equal(batch.signals[row], batch.signals[row - 1])
        flat = [int((np.ptp(signal, axis=0) == 0).sum()) for signal in batch.signals]
        np.testing.assert_array_equal(flat, batch.truth.flat_lead != "")


def test_a_cohort_may_use_two_devices() -> None:
    batch = records(SPECS[0], 60)[0]
    assert batch.truth.device.nunique() == 2
    assert [device.name for device in batch.devices] == batch.truth.device.tolist()


@pytest.mark.parametrize(("patients", "seed"), [(0, 0), (-3, 0), (5, -1)])
def test_impossible_numbers_are_refused_at_once(patients: int, seed: int) -> None:
    with pytest.raises(InputError):
        make_cohort(SPEC, patients, seed)
