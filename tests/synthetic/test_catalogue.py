"""The list of cohorts that ``cape-fed synth`` writes."""

from __future__ import annotations

import numpy as np
import pytest

from cape_fed.errors import InputError
from cape_fed.synthetic.catalogue import MOST_COHORTS, SPECS, default_cohorts
from cape_fed.synthetic.cohort import make_cohort


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
