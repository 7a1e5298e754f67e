"""Packages that only some commands need, and that an image of a coordinator or site leaves out."""

from __future__ import annotations

from importlib.util import find_spec

from cape_fed.errors import InputError


def require_ray(what: str) -> None:
    """InputError where Ray, which ``what`` runs on, is not installed."""
    if find_spec("ray") is None:
        raise InputError(f"{what} runs on Ray, which is not installed: pip install 'cape-fed[ray]'")
