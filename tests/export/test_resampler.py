"""The convolution is the polyphase filter, at every ratio and length."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cape_fed.errors import InputError
from cape_fed.export.resampler import Resampler
from cape_fed.signal.resample import resample


@pytest.mark.parametrize(
    ("fs", "target"), [(500, 100), (257, 100), (360, 400), (250, 500), (1000, 400), (128, 100), (100, 500)]
)
def test_it_is_resample(fs: float, target: float) -> None:
    resampler = Resampler(fs, target)
    for samples in (1, 2, 5, 100, 257, 1001, 2500):
        x = np.random.default_rng(samples).normal(2, 1, (2, samples))
        expected = resample(x, fs, target)
        got = resampler(torch.from_numpy(x)).numpy()
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, atol=1e-13)


def test_a_ratio_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match=r"resampling by 10000/33333 does not fit into a graph"):
        Resampler(333.33, 100)
