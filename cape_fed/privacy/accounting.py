"""What private steps cost: Opacus' accountants over what a ledger holds. RDP decides, PRV reports."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cape_fed.errors import InputError

_UNITS = 1000
_MOST_NOISE = 300


class Charge(NamedTuple):
    """Steps of the Poisson-subsampled Gaussian mechanism."""

    noise_multiplier: float
    sample_rate: float
    steps: int


def merged(charges: Iterable[Charge]) -> list[Charge]:
    """Charges with equal noise and rate as one, in a fixed order: composition takes seconds otherwise."""
    steps: Counter[tuple[float, float]] = Counter()
    for charge in charges:
        steps[charge.noise_multiplier, charge.sample_rate] += charge.steps
    return [Charge(*key, count) for key, count in sorted(steps.items()) if count]


def epsilon_rdp(charges: Iterable[Charge], delta: float) -> float:
    """ε at ``delta`` of all charges together by Rényi differential privacy (Mironov et al. 2019), an upper bound."""
    together = merged(charges)
    if not together:
        return 0.0
    from opacus.accountants.analysis.rdp import get_privacy_spent  # imports of Opacus take a second

    curve = sum(charge.steps * _step(charge.noise_multiplier, charge.sample_rate) for charge in together)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # that another order might give a lower ε: what it gives is a bound all the same
        spent, _ = get_privacy_spent(orders=list(_orders()), rdp=curve, delta=delta)
    return max(0.0, float(spent))


def epsilon_prv(charges: Iterable[Charge], delta: float) -> float:
    """ε at ``delta`` by privacy loss random variables (Gopi et al. 2021), upper end; RDP's where that is lower."""
    together = merged(charges)
    bound = epsilon_rdp(together, delta)
    if not together:
        return 0.0
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    accountant.history = [tuple(charge) for charge in together]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = float(accountant.get_epsilon(delta=delta))
    except (ValueError, RuntimeError, ArithmeticError, MemoryError):  # its grid does not reach extreme noise
        return bound
    return min(found, bound) if math.isfinite(found) else bound


@lru_cache(maxsize=64)
def noise_for(epsilon: float, delta: float, sample_rate: float, steps: int) -> float:
    """The least σ, in steps of 0.001, whose ``steps`` cost at most ``epsilon`` by RDP; InputError where none is."""

    def enough(units: int) -> bool:
        return epsilon_rdp([Charge(units / _UNITS, sample_rate, steps)], delta) <= epsilon

    high = _UNITS  # σ = 1, then twice as much until it is enough: the accountant is slow where σ is large
    while not enough(high):
        high *= 2
        if high > _MOST_NOISE * _UNITS:
            raise InputError(f"no noise gives ε = {epsilon:g} at δ = {delta:g}: raise privacy.epsilon")
    low = high // 2
    while low and enough(low):
        low, high = low // 2, low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high / _UNITS


@lru_cache(maxsize=256)
def _step(noise_multiplier: float, sample_rate: float) -> NDArray[np.float64]:
    """Rényi divergence of one step at every order."""
    from opacus.accountants.analysis.rdp import compute_rdp

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        curve = compute_rdp(q=sample_rate, noise_multiplier=noise_multiplier, steps=1, orders=list(_orders()))
    finite: NDArray[np.float64] = np.nan_to_num(np.asarray(curve, np.float64), nan=np.inf, posinf=np.inf)
    return finite


@lru_cache(maxsize=1)
def _orders() -> Sequence[float]:
    from opacus.accountants import RDPAccountant

    orders: Sequence[float] = tuple(RDPAccountant.DEFAULT_ALPHAS)
    return orders
