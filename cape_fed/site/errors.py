"""Errors of a site's own; of their texts nothing leaves it."""

from __future__ import annotations

from cape_fed.errors import RunError
from cape_fed.federation.failures import SiteFailure


class PolicyError(Exception):
    """The coordinator asked for what the site does not do, or a reply holds what may not leave it."""

    def __init__(self, reason: str, code: SiteFailure = SiteFailure.POLICY) -> None:
        """``reason`` is for the site's own log; ``code`` is what the coordinator sees."""
        super().__init__(reason)
        self.code = code


class AuditError(RunError):
    """What a site does or lets out cannot be put down in its audit log: then it must not happen."""
