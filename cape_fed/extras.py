"""Packages that only some commands need: which extra of cape-fed brings them, said in one line where it is missing."""

from __future__ import annotations

from importlib.util import find_spec

from cape_fed.errors import InputError

BROUGHT_BY = {
    **dict.fromkeys(("hydra", "omegaconf", "opacus", "sklearn"), "studies"),
    **dict.fromkeys(("cryptography", "flwr", "grpc", "prometheus_client"), "federation"),
    "statsmodels": "meta-analysis",
    "optuna": "search",
    "neurokit2": "baseline",
    "onnx": "onnx",
    "huggingface_hub": "hf",
}
"""The extra that brings a module, for modules that are imported without ``require`` in front of them."""


def require(extra: str, module: str, what: str) -> None:
    """InputError that names the ``extra`` where the top-level ``module``, which ``what`` needs, is not installed."""
    if find_spec(module) is None:
        raise InputError(missing(what, module, extra))


def missing(what: str, module: str, extra: str) -> str:
    """The line that says which ``extra`` brings the ``module`` that something needs."""
    return f"{what} needs {module}, which is not installed: pip install 'cape-fed[{extra}]'"


def explain(error: ModuleNotFoundError) -> str | None:
    """What to install where an import failed for want of an extra; None where something else is wrong."""
    module = (error.name or "").partition(".")[0]
    if module not in BROUGHT_BY:
        return None
    return missing("this", module, BROUGHT_BY[module])
