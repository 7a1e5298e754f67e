"""The rate of members found, counted by hand and with an interval that covers it."""

from __future__ import annotations

import numpy as np
import pytest

from cape_fed.errors import InputError
from cape_fed.evaluate.attacks.rate import found, true_positive_rate


def test_one_in_a_hundred_others_may_be_above_the_threshold() -> None:
    others = np.arange(200.0)  # two may be above: the threshold is 197
    assert true_positive_rate(np.array([197.0, 197.5, 198.0, 3.0]), others) == 0.5
    assert true_positive_rate(np.full(10, 197.0), others) == 0.0


def test_ties_are_no_members_found() -> None:
    assert true_positive_rate(np.zeros(50), np.zeros(100)) == 0.0


def test_too_few_others_are_refused() -> None:
    with pytest.raises(InputError, match="50 members and 99 patients who are none"):
        true_positive_rate(np.zeros(50), np.zeros(99))
    with pytest.raises(InputError, match="0 members"):
        true_positive_rate(np.zeros(0), np.zeros(100))


def test_the_interval_covers_the_rate_of_the_population() -> None:
    """Members are shifted by 2 standard deviations: Φ(2 − 2.326) = 0.372 of them are above the others' 99th centile."""
    rng, covered = np.random.default_rng(0), 0
    for seed in range(20):
        rate = found(2 + rng.standard_normal(300), rng.standard_normal(600), seed)
        assert rate.low <= rate.rate <= rate.high
        covered += rate.low <= 0.372 <= rate.high
    assert covered >= 16
