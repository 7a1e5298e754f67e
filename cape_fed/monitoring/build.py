"""Which versions run here."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from cape_fed.monitoring.families import Families, Spec

BUILD = Spec(
    "cape_fed_build_info", "Versions of cape-fed and of what it rests on.", ("version", "python", "flower", "torch")
)


def versions() -> dict[str, str]:
    """Installed versions by the label that they have in metrics; nothing is imported for it."""
    return {
        "version": _version("cape-fed"),
        "python": platform.python_version(),
        "flower": _version("flwr"),
        "torch": _version("torch"),
    }


def add_build(families: Families) -> None:
    """The versions as a metric."""
    families.add(BUILD.name, 1.0, **versions())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
