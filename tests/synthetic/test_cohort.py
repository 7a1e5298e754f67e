"""Cohorts as streams: determinism, prefixes, flaws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cape_fed.errors import InputError
from cape_fed.synthetic.catalogue import MOST_COHORTS, SPECS, default_cohorts
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


def test_labels_agree_with_each_other() -> None:
    truth = all_truth(records(SPECS[2], 128))
    ill = truth[["AF", "SBRAD", "STACH", "AVB1", "LBBB", "MI", "LVH"]].any(axis=1)
    assert (truth.NORM ^ ill).all()
    assert (truth.SINUS ^ truth.AF).all()
    assert truth.pr.isna().equals(truth.AF)
    assert (truth[truth.SBRAD].rate < 60).all()
    assert (truth[truth.STACH].rate > 100).all()
    assert ((truth.mi_territory != "") == truth.MI).all()


@pytest.mark.parametrize(("patients", "seed"), [(0, 0), (-3, 0), (5, -1)])
def test_impossible_numbers_are_refused_at_once(patients: int, seed: int) -> None:
    with pytest.raises(InputError):
        make_cohort(SPEC, patients, seed)


def test_default_cohorts_have_roles_and_keep_their_names() -> None:
    six = default_cohorts(6, 0)
    assert [spec.name for spec in six] == [f"synth-{letter}" for letter in "abcdef"]
    assert [spec.role for spec in six] == ["train"] * 4 + ["evaluate"] * 2
    assert [spec.name for spec in default_cohorts(3, 0)] == ["synth-a", "synth-b", "synth-e"]
    assert [spec.role for spec in default_cohorts(1, 0)] == ["train"]
    nine, forty = default_cohorts(9, 7), default_cohorts(40, 7)
    assert nine == forty[:9]
    assert nine[:6] == six
    assert len({spec.name for spec in forty}) == 40
    assert forty[26].name == "synth-aa"
    assert default_cohorts(9, 8)[6:] != nine[6:]


def test_evaluation_cohorts_have_devices_of_their_own() -> None:
    trained = {device for spec in SPECS if spec.role == "train" for device in spec.devices}
    held_out = {device for spec in SPECS if spec.role == "evaluate" for device in spec.devices}
    assert not trained & held_out


@pytest.mark.parametrize("count", [0, -1, MOST_COHORTS + 1])
def test_impossible_numbers_of_cohorts_are_refused(count: int) -> None:
    with pytest.raises(InputError):
        default_cohorts(count, 0)


def test_drawn_cohorts_can_be_made() -> None:
    for spec in default_cohorts(14, 3)[6:]:
        batch = next(make_cohort(spec, 2, 3))
        assert all(
            signal.shape == (device.samples, 12) for signal, device in zip(batch.signals, batch.devices, strict=True)
        )
        assert np.abs(batch.signals[0]).max() > 10
