"""Preprocessing in a graph is the profile's, missing samples and leads included."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cape_fed.export.preparation import Preparation
from cape_fed.signal.profile import apply_profile, get_profile
from tests.export.helpers import recording


@pytest.mark.parametrize("profile", ["compact100", "cape400"])
@pytest.mark.parametrize("fs", [100, 360, 500, 257.5])
def test_it_is_the_profile(profile: str, fs: float) -> None:
    module = Preparation(get_profile(profile), fs)
    for seconds in (1, 3.3, 10.003, 10.4, 12):
        ecg = recording(int(seconds * fs))
        ecg[4] = np.nan
        ecg[:3, 40:90] = np.nan
        row, valid = apply_profile(ecg, fs, get_profile(profile))
        got = module(torch.from_numpy(ecg[None])).numpy()[0]
        assert got.shape == (12, valid)
        steps = np.abs(got * 1000 - row[:, :valid])
        assert steps.max() <= 1 + 1e-2  # where a value is half-way between two steps, either is right
        assert np.mean(steps > 0.5) < 1e-2
        assert not got[4].any()
