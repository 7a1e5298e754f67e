"""Preprocessing in a graph is the profile's, missing samples and leads included."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cape_fed.export.preprocessing import Preprocessing
from cape_fed.release.recordings import checked_window
from cape_fed.signal.flat import store_row
from cape_fed.signal.profile import MARGIN_SECONDS, apply_profile, get_profile
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


@pytest.mark.parametrize("fs", [50, 100, 360, 500, 257.5])
def test_flat_leads_are_those_of_a_store(fs: float) -> None:
    """Noise around the limit, so that some leads are flat before the filter and not after it, and the reverse."""
    profile, found = get_profile("compact100"), set()
    module = Preprocessing(profile, fs)
    for seed, seconds in enumerate((1.01, 1.7, 2, 3.3, 10.003, 10.4, 12) * 3):
        draw = np.random.default_rng(seed)
        ecg = recording(int(seconds * fs), seed)
        ecg[:6] = draw.normal(0, draw.choice([0.0015, 0.0022, 0.003, 0.0045, 0.006], (6, 1)), (6, ecg.shape[1]))
        ecg[6] = 0
        ecg[7] = np.nan
        ecg[:3, 20:40] = np.nan
        if seed % 3 == 0:  # no lead is flat that is there
            ecg[:7] = recording(ecg.shape[1], seed)[:7]
        window = checked_window(ecg, fs, profile.seconds + MARGIN_SECONDS, "it")
        assert window.signal_mv.shape[1] == min(ecg.shape[1], module.read)
        row, valid = store_row(window.signal_mv, fs, profile, window.has_flat_lead)
        got = module(torch.from_numpy(ecg[None]).repeat(2, 1, 1)).numpy()
        np.testing.assert_array_equal(np.rint(got * 1000), np.stack([row[:, :valid]] * 2))
        found.add((window.has_flat_lead, int((~row[:6].any(axis=1)).sum())))
    assert len(found) > 3


def test_less_than_a_second_is_prepared() -> None:
    assert Preprocessing(get_profile("compact100"), 500)(torch.ones(1, 12, 20)).shape == (1, 12, 4)


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
