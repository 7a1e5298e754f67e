"""Errors of a site's own; of their texts nothing leaves it."""

from __future__ import annotations


class PolicyError(Exception):
    """The coordinator asked for what the site does not do, or a reply holds what may not leave it."""
