"""Where a site keeps what its patients have spent of their privacy; nothing here imports PyTorch."""

from __future__ import annotations

from cape_fed.privacy.ledger import Ledger
from cape_fed.site.config import LEDGER, SiteConfig


def ledger_of(site: SiteConfig) -> Ledger:
    """The ledger of a site's patients."""
    return Ledger(site.state / LEDGER, site.name, site.ledger_head_file)
