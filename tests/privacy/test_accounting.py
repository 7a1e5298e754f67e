"""ε is Opacus', agrees with the closed form where there is one, and composes whatever the order."""

from __future__ import annotations

import math

import pytest
from opacus.accountants import PRVAccountant, RDPAccountant

from cape_fed.errors import InputError
from cape_fed.privacy.accounting import Charge, epsilon_prv, epsilon_rdp, merged, noise_for
from cape_fed.privacy.config import PrivacyConfig

KNOWN = Charge(1.0, 0.05, 500)


def test_the_known_case() -> None:
    assert epsilon_prv([KNOWN], 1e-5) == pytest.approx(7.53, abs=0.01)
    assert epsilon_rdp([KNOWN], 1e-5) == pytest.approx(8.30, abs=0.01)


@pytest.mark.parametrize("charge", [Charge(0.7, 0.01, 300), Charge(2.0, 0.2, 50), Charge(1.3, 1.0, 3)])
def test_equal_to_opacus(charge: Charge) -> None:
    rdp, prv = RDPAccountant(), PRVAccountant()
    rdp.history = prv.history = [tuple(charge)]
    assert epsilon_rdp([charge], 1e-5) == pytest.approx(rdp.get_epsilon(1e-5), rel=1e-9)
    assert epsilon_prv([charge], 1e-5) == pytest.approx(min(prv.get_epsilon(1e-5), rdp.get_epsilon(1e-5)), rel=1e-9)


def test_without_subsampling_the_closed_form_holds() -> None:
    """T steps with q = 1 are one Gaussian mechanism with sensitivity √T / σ (Balle and Wang 2018)."""
    steps, noise, delta = 7, 4.0, 1e-5
    mu = math.sqrt(steps) / noise

    def phi(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))

    def delta_at(epsilon: float) -> float:
        return phi(mu / 2 - epsilon / mu) - math.exp(epsilon) * phi(-mu / 2 - epsilon / mu)

    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if delta_at(middle) > delta else (low, middle)
    charge = [Charge(noise, 1.0, steps)]
    assert high <= epsilon_prv(charge, delta) <= high + 0.02
    assert epsilon_rdp(charge, delta) >= high


def test_equal_steps_are_merged_and_order_does_not_matter() -> None:
    parts = [Charge(1.0, 0.05, 100), Charge(2.0, 0.05, 10), Charge(1.0, 0.05, 400)]
    assert merged(parts) == [KNOWN, Charge(2.0, 0.05, 10)]
    assert epsilon_rdp(parts, 1e-5) == epsilon_rdp(parts[::-1], 1e-5)
    assert epsilon_rdp(parts[::2], 1e-5) == epsilon_rdp([KNOWN], 1e-5)
    assert epsilon_rdp([], 1e-5) == epsilon_prv([], 1e-5) == 0.0


@pytest.mark.parametrize("epsilon", [1.0, 200.0])
def test_the_least_noise_for_an_epsilon(epsilon: float) -> None:
    noise = noise_for(epsilon, 1e-5, 0.05, 500)
    assert epsilon_rdp([Charge(noise, 0.05, 500)], 1e-5) <= epsilon
    assert epsilon_rdp([Charge(noise - 1e-3, 0.05, 500)], 1e-5) > epsilon


def test_an_epsilon_that_no_noise_gives() -> None:
    with pytest.raises(InputError, match="no noise gives"):
        noise_for(0.05, 1e-5, 0.05, 10)


def test_delta_falls_with_the_number_of_patients() -> None:
    assert PrivacyConfig().delta_for(100) == 1e-5
    assert PrivacyConfig().delta_for(200_000) == pytest.approx(5e-7)
    assert PrivacyConfig(delta=1e-8).delta_for(100) == 1e-8
