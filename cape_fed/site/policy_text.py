"""A site's policy as a value: what of its settings decides what it does and lets out; a change of it is put down."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from cape_fed.site.audit import read_entries, record_from
from cape_fed.site.config import SiteConfig

_DECIDING = {"name", "role", "stores", "limits", "privacy"}


def policy_of(site: SiteConfig) -> dict[str, Any]:
    """Name, role, stores and all limits, those of privacy too."""
    return site.model_dump(mode="json", include=_DECIDING)


def policy_digest(site: SiteConfig) -> str:
    """SHA-256 of `policy_of`, the first 16 characters in hexadecimal."""
    return hashlib.sha256(json.dumps(policy_of(site), sort_keys=True).encode()).hexdigest()[:16]


def note_policy(site: SiteConfig) -> None:
    """Put the policy into the audit log where it is not the one that was put down last.

    AuditError where that fails.
    """
    digest = policy_digest(site)

    def change() -> dict[str, Any] | None:
        try:
            noted = [entry["digest"] for entry, _ in read_entries(site) if entry.get("kind") == "policy"]
        except ValueError:  # the log ends as it was left, and something before was changed: `audit verify` says what
            noted = []
        if noted and noted[-1] == digest:
            return None
        return {"digest": digest, "before": noted[-1] if noted else "", "policy": policy_of(site)}

    record_from(site, "policy", change)
