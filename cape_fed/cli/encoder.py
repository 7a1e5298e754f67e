"""The first argument of evaluate and finetune: a bundle, or ``encoder=`` in its place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

BUNDLE = "Bundle that a run wrote, or encoder=package.module:factory for an encoder of somebody else's."
"""Help of the argument."""


def bundle_or_encoder(first: Path, overrides: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The bundle, None where an encoder is named in its place, and the overrides."""
    if str(first).startswith("encoder="):
        return None, [str(first), *overrides]
    return first, list(overrides)
