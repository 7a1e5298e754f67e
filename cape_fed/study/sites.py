"""The stores of a study by role."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cape_fed.section import Section


class Sites(Section):
    """Stores by role."""

    train: tuple[Path, ...]
    evaluate: tuple[Path, ...] = ()


Planted = Mapping[str, Sites]
"""Planted cohorts by artefact."""
