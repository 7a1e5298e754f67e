"""Federated methods by name: a new method is one file and its line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from cape_fed.errors import InputError
from cape_fed.federation.config import FederationConfig
from cape_fed.methods.base import Method
from cape_fed.methods.cyclic import Cyclic
from cape_fed.methods.fedadam import FedAdam
from cape_fed.methods.fedavg import FedAvg
from cape_fed.methods.fedavgm import FedAvgM
from cape_fed.methods.fedbn import FedBN
from cape_fed.methods.fedema import FedEMA
from cape_fed.methods.fedprox import FedProx
from cape_fed.methods.ldawa import LDAWA
from cape_fed.methods.median import Median
from cape_fed.methods.multi_krum import MultiKrum
from cape_fed.methods.scaffold import Scaffold
from cape_fed.methods.trimmed_mean import TrimmedMean
from cape_fed.pretrain.config import Norm
from cape_fed.section import mistake

AnyMethod = Method[Any]

METHODS: dict[str, type[AnyMethod]] = {
    method.name: method
    for method in (
        FedAvg,
        FedAvgM,
        FedAdam,
        FedProx,
        TrimmedMean,
        MultiKrum,
        Median,
        Scaffold,
        FedBN,
        FedEMA,
        LDAWA,
        Cyclic,
    )
}
"""Value of ``federation.strategy`` → class."""


def method_class(name: str) -> type[AnyMethod]:
    """The class of a method; InputError names the known ones."""
    if name not in METHODS:
        raise InputError(f"unknown federation.strategy '{name}': choose one of {', '.join(METHODS)}")
    return METHODS[name]


def make_method(name: str, options: Mapping[str, float], parameters: Mapping[str, Tensor]) -> AnyMethod:
    """A method with its settings out of ``options``, which may hold those of other methods as well.

    ``parameters`` are the encoder's. InputError for an unknown method or a setting out of its range.
    """
    method = method_class(name)
    return method(_read_options(method, options), parameters)


def complete_options(name: str, options: Mapping[str, float]) -> dict[str, float]:
    """``options`` and the defaults of all settings that are not among them.

    InputError for an unknown method, for a setting that no method has and for one that is out of its range.
    """
    method_class(name)
    known = default_options()
    for key in options:
        if key not in known:
            raise InputError(f"unknown federation.options.{key}: the settings are {', '.join(known)}")
    complete = {**known, **options}
    for method in METHODS.values():
        _read_options(method, complete)
    return complete


def default_options() -> dict[str, float]:
    """The settings of all methods with their defaults; methods that share a setting share its default."""
    return {
        name: field.default for method in METHODS.values() for name, field in method.Options.model_fields.items()
    }  # fmt: skip


def check_batch_statistics(norm: Norm, federation: FederationConfig) -> None:
    """InputError for BatchNorm in a federation that does not say what becomes of its running statistics."""
    keeps = method_class(federation.strategy).keeps_statistics
    if norm == "batch" and not keeps and federation.batch_statistics == "refuse":
        raise InputError(
            "norm=batch has running statistics of each site's patients: say federation.batch_statistics=average, take "
            "federation.strategy=fedbn, which leaves them at the sites, or norm=group"
        )


def _read_options(method: type[AnyMethod], options: Mapping[str, float]) -> Any:
    try:
        return method.Options.model_validate(
            {name: options[name] for name in method.Options.model_fields if name in options}
        )
    except ValidationError as error:
        first = error.errors()[0]
        key, words = mistake(first)
        raise InputError(f"federation.options.{key}: {words} (got {first['input']})") from error
