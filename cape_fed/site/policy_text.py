"""A site's policy as a value: what of its settings decides what it does and lets out, and the hash of that."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from cape_fed.site.config import SiteConfig

_LEFT_OUT = {"superlink", "device", "threads", "own_process", "audit_head", "state"}
"""Where a site computes and connects, and where its files lie."""


def policy_of(site: SiteConfig) -> dict[str, Any]:
    """Name, role, stores, limits and whatever else decides what the site does."""
    return site.model_dump(mode="json", exclude=_LEFT_OUT)


def policy_digest(site: SiteConfig) -> str:
    """SHA-256 of `policy_of`, the first 16 characters in hexadecimal."""
    return hashlib.sha256(json.dumps(policy_of(site), sort_keys=True).encode()).hexdigest()[:16]
