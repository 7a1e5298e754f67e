"""What a profile makes of a recording."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import resample_poly

from cape_fed.errors import InputError
from cape_fed.signal.profile import PROFILES, apply_profile, get_profile

COMPACT = PROFILES["compact100"]


def ecg(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.4, (12, samples)).astype(np.float32)


def test_equals_the_plain_way() -> None:
    recording = ecg(6000) + 3
    window = recording[:, :5250].astype(np.float64)
    centred = window - window.mean(axis=1, keepdims=True)
    slow = resample_poly(centred, 1, 5, axis=-1, padtype="edge")[:, :1000]
    slow = np.rint((slow - np.median(slow, axis=1, keepdims=True)) * 1000)
    row, valid = apply_profile(recording, 500, COMPACT)
    assert valid == 1000
    np.testing.assert_array_equal(row, slow)


@pytest.mark.parametrize("name", sorted(PROFILES))
@pytest.mark.parametrize(("fs", "samples"), [(100, 1000), (257, 3000), (500, 1501), (1000, 12000), (128, 5000)])
def test_offset_does_not_matter_and_padding_is_zero(name: str, fs: int, samples: int) -> None:
    profile = PROFILES[name]
    row, valid = apply_profile(ecg(samples), fs, profile)
    shifted, _ = apply_profile(ecg(samples) + np.arange(12, dtype=np.float32)[:, None], fs, profile)
    assert row.shape == (12, profile.samples)
    assert valid == min(profile.samples, -(-samples * profile.fs // fs))
    assert not row[:, valid:].any()
    assert np.abs(row.astype(int) - shifted).max() <= 1
    assert np.abs(np.median(row[:, :valid], axis=1)).max() <= 1


def test_missing_samples_and_leads_are_zero() -> None:
    recording = ecg(5000) + 2
    recording[3] = np.nan
    recording[5, 1000:2000] = np.nan
    recording[6, 10] = np.inf
    row, _ = apply_profile(recording, 500, COMPACT)
    assert not row[3].any()
    assert not row[5, 200:400].any()
    assert row[5, :200].any()
    assert np.abs(row[6]).max() < 2000


def test_clips_at_the_limit_of_int16() -> None:
    recording = ecg(1000)
    recording[0, 500] = 80.0
    recording[1, 500] = -80.0
    row, _ = apply_profile(recording, 100, COMPACT)
    assert row[0].max() == 32767
    assert row[1].min() == -32767


def test_empty_recording_has_no_valid_sample() -> None:
    row, valid = apply_profile(ecg(0), 100, COMPACT)
    assert valid == 0
    assert not row.any()


def test_hash_follows_the_content() -> None:
    assert len({profile.hash for profile in PROFILES.values()}) == len(PROFILES)
    assert COMPACT.model_copy(update={"version": 1}).hash != COMPACT.hash


def test_unknown_profile_names_the_known() -> None:
    with pytest.raises(InputError, match="compact100"):
        get_profile("compact")
