"""Flaws of an archive: as frequent as asked for, and independent of each other."""

from __future__ import annotations

import numpy as np
import pytest

from cape_fed.synthetic.flaws import FlawRates, draw_flaws

RATES = FlawRates(no_age=0.1, no_patient=0.2, flat_lead=0.3, duplicate=0.4)
COUNT = 20_000


def test_flaws_have_their_rates() -> None:
    flaws = draw_flaws(RATES, COUNT, np.random.default_rng(0))
    shares = [flaws.no_age.mean(), flaws.no_patient.mean(), (flaws.flat_lead >= 0).mean(), flaws.duplicate.mean()]
    assert shares == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.015)


def test_flaws_are_independent() -> None:
    flaws = draw_flaws(RATES, COUNT, np.random.default_rng(1))
    drawn = np.array([flaws.no_age, flaws.no_patient, flaws.flat_lead >= 0, flaws.duplicate], float)
    correlation = np.corrcoef(drawn)
    assert np.abs(correlation - np.eye(4)).max() < 0.03


def test_any_lead_may_be_flat() -> None:
    flaws = draw_flaws(RATES, COUNT, np.random.default_rng(2))
    counts = np.bincount(flaws.flat_lead[flaws.flat_lead >= 0], minlength=12)
    assert len(counts) == 12
    assert counts.min() > 0.8 * counts.mean()


def test_without_rates_there_are_no_flaws() -> None:
    flaws = draw_flaws(FlawRates(0, 0, 0, 0), 1000, np.random.default_rng(3))
    assert not (flaws.no_age | flaws.no_patient | flaws.duplicate).any()
    assert (flaws.flat_lead == -1).all()
