"""Methods by name, with settings that are checked before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from cape_fed.appfiles import CONFIGS
from cape_fed.errors import InputError
from cape_fed.federation.config import FederationConfig
from cape_fed.methods.fedadam import FedAdam
from cape_fed.methods.registry import (
    METHODS,
    check_batch_statistics,
    complete_options,
    default_options,
    make_method,
    method_class,
)

PARAMETERS = {"stem.weight": torch.zeros(2, 3)}


def test_every_method_has_a_name_a_file_and_a_configuration() -> None:
    package = Path(__file__).resolve().parents[2] / "cape_fed" / "methods"
    for name, method in METHODS.items():
        assert method.name == name
        assert (package / f"{name}.py").is_file()
        assert yaml.safe_load((CONFIGS / "strategy" / f"{name}.yaml").read_text())["strategy"] == name


def test_a_method_takes_its_own_settings_out_of_all() -> None:
    method = make_method("fedadam", complete_options("fedadam", {"learning_rate": 0.5, "trim": 0.1}), PARAMETERS)
    assert isinstance(method, FedAdam)
    assert method.options.learning_rate == 0.5
    assert not hasattr(method.options, "trim")


def test_methods_that_share_a_setting_share_its_default() -> None:
    defaults = default_options()
    for method in METHODS.values():
        for name, field in method.Options.model_fields.items():
            assert field.default == defaults[name], (method.name, name)
            assert field.description, (method.name, name)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("fedsgd", {}, "unknown federation.strategy 'fedsgd': choose one of fedavg"),
        ("fedavg", {"momentun": 0.5}, "unknown federation.options.momentun: the settings are"),
        ("fedavg", {"momentum": 1.0}, "federation.options.momentum: input should be less than 1"),
        ("fedprox", {"proximal_mu": -1.0}, "federation.options.proximal_mu"),
    ],
)
def test_what_does_not_fit_is_named(name: str, options: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        complete_options(name, options)


def test_an_unknown_method_is_named_wherever_it_is_asked_for() -> None:
    with pytest.raises(InputError, match=r"unknown federation\.strategy"):
        method_class("fedsgd")


@pytest.mark.parametrize(
    ("norm", "strategy", "statistics", "fits"),
    [
        ("group", "fedavg", "refuse", True),
        ("batch", "fedavg", "refuse", False),
        ("batch", "fedavg", "average", True),
        ("batch", "fedbn", "refuse", True),
    ],
)
def test_batch_norm_needs_a_policy(norm: str, strategy: str, statistics: str, fits: bool) -> None:
    federation = FederationConfig.model_validate({"strategy": strategy, "batch_statistics": statistics})
    if fits:
        check_batch_statistics(norm, federation)  # type: ignore[arg-type]
    else:
        with pytest.raises(InputError, match="norm=batch has running statistics"):
            check_batch_statistics(norm, federation)  # type: ignore[arg-type]
