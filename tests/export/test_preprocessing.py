"""Preprocessing in a graph is the profile's, missing samples and leads included."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cape_fed.export.preprocessing import Preprocessing
from cape_fed.signal.profile import apply_profile, get_profile
from tests.export.helpers import recording


@pytest.mark.parametrize("profile", ["compact100", "cape400"])
@pytest.mark.parametrize("fs", [100, 360, 500, 257.5])
def test_it_is_the_profile(profile: str, fs: float) -> None:
    module = Preprocessing(get_profile(profile), fs)
    for seconds in (1, 3.3, 10.003, 10.4, 12):
        ecg = recording(int(seconds * fs))
        ecg[4] = np.nan
        ecg[:3, 40:90] = np.nan
        row, valid = apply_profile(ecg, fs, get_profile(profile))
        got = module(torch.from_numpy(ecg[None])).numpy()[0]
        assert got.shape == (12, valid)
        np.testing.assert_array_equal(np.rint(got * 1000), row[:, :valid])
        assert not got[4].any()


@pytest.mark.parametrize("step", [1, 5, 125])
def test_values_half_way_between_two_steps_fall_to_the_same_side(step: int) -> None:
    """As in recordings of whole microvolts and few distinct values, whose median is the mean of two of them."""
    counts = np.random.default_rng(step).integers(-20, 20, (8, 12, 1000)) * step
    ecg = (counts / 1000).astype(np.float32)
    rows = np.stack([apply_profile(one, 100, get_profile("compact100"))[0] for one in ecg])
    got = Preprocessing(get_profile("compact100"), 100)(torch.from_numpy(ecg)).numpy()
    np.testing.assert_array_equal(np.rint(got * 1000), rows)
    medians = np.median(counts, axis=-1)
    assert step == 5 or (medians % 1 != 0).any()
