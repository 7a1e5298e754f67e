"""Federated contrastive pretraining of ECG encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cape_fed import plot as plot
    from cape_fed.release.bundle import load_encoder as load_encoder
    from cape_fed.store.store import open_store as open_store

__all__ = ["load_encoder", "open_store", "plot"]

_HOMES = {"load_encoder": "cape_fed.release.bundle", "open_store": "cape_fed.store.store"}


def __getattr__(name: str) -> Any:
    """Import on first use: a reader of stores need not wait for PyTorch."""
    from importlib import import_module

    if name == "plot":
        return import_module("cape_fed.plot")
    if name not in _HOMES:
        raise AttributeError(f"module 'cape_fed' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
