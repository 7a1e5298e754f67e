"""From what sites tell of a private run to what its bundle says."""

from __future__ import annotations

from collections.abc import Mapping

from cape_fed.privacy.accounting import Charge, epsilon_prv, epsilon_rdp
from cape_fed.privacy.config import PrivacyConfig
from cape_fed.privacy.numbers import PATIENTS
from cape_fed.release.protection import Protection, SiteProtection


def protection_of(privacy: PrivacyConfig, spending: Mapping[str, Mapping[str, float]]) -> Protection:
    """What protects the patients of each site; ``spending`` holds the `PRIVATE_NUMBERS` of their last replies."""
    sites = {name: _site(privacy, numbers) for name, numbers in sorted(spending.items())}
    return Protection(block=privacy.block, clip=privacy.clip, views=privacy.views, sites=sites)


def _site(privacy: PrivacyConfig, numbers: Mapping[str, float]) -> SiteProtection:
    """The ε are computed here from σ, q and steps, by the same accountants as at the site."""
    charge = Charge(numbers["noise_multiplier"], numbers["sample_rate"], int(numbers["steps"]))
    patients = int(numbers[PATIENTS])
    delta = privacy.delta_for(patients)
    return SiteProtection(
        patients=patients,
        **charge._asdict(),
        delta=delta,
        epsilon=epsilon_rdp([charge], delta),
        epsilon_prv=epsilon_prv([charge], delta),
    )
