"""configs/ and the checked configuration say the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cape_fed.appfiles import CONFIGS
from cape_fed.compose import compose_config
from cape_fed.config import RunConfig
from cape_fed.errors import InputError
from cape_fed.methods.registry import METHODS


def test_every_default_stands_in_one_place() -> None:
    """Composing without an experiment gives the defaults of the sections."""
    composed = compose_config(["out=x", "~experiment=small"])
    assert composed == RunConfig(out=Path("x"))
    assert not {"train", "federation", "model"} & yaml.safe_load((CONFIGS / "config.yaml").read_text()).keys()


@pytest.mark.parametrize("strategy", METHODS)
def test_every_method_can_be_chosen_as_a_strategy(strategy: str) -> None:
    assert compose_config(["out=x", f"strategy={strategy}"]).federation.strategy == strategy


def test_a_strategy_brings_settings_that_can_be_changed() -> None:
    assert compose_config(["out=x", "strategy=fedadam"]).federation.options["learning_rate"] == 0.003
    changed = compose_config(["out=x", "strategy=fedadam", "federation.options.learning_rate=0.1"])
    assert changed.federation.options["learning_rate"] == 0.1


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("strategy=fedsgd", "unknown strategy in .*: choose one of cyclic, fedadam"),
        ("experiment=null", "cannot read the configuration"),
        ("experiment=huge", "unknown experiment in .*: choose one of base, demo"),
        ("federation.strategy=fedsgd", "unknown federation.strategy 'fedsgd': choose one of fedavg"),
        ("federation.options.trim=0.5", "federation.options.trim: input should be less than 0.5"),
        ("federation.options.trimm=0.1", "unknown config key 'federation.options.trimm': .*federation.options.trim"),
        ("model=huge", "unknown model 'huge': choose one of tiny, small, base, large"),
    ],
)
def test_what_is_not_known_is_said(override: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        compose_config(["out=x", override])


@pytest.mark.parametrize("experiment", sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml")))
def test_every_experiment_composes(experiment: str) -> None:
    config = compose_config([f"experiment={experiment}", "out=x"])
    assert config.train.steps > 0


@pytest.mark.parametrize("override", ["out=", "out=''", "out=null"])
def test_an_empty_out_is_an_input_error(override: str) -> None:
    with pytest.raises(InputError, match="out is empty: say where to write with out=DIR"):
        compose_config([override])


def test_sites_are_lists_of_stores() -> None:
    config = compose_config(["out=x", "data.train=[a,[b,c]]", "data.evaluate=[d]"])
    assert config.data.train == ((Path("a"),), (Path("b"), Path("c")))
    assert config.data.evaluate == ((Path("d"),),)


def test_a_run_is_read_back_from_its_own_configuration() -> None:
    config = compose_config(["out=x", "batching=idb+cross:0.2", "data.train=[a,[b,c]]"])
    assert RunConfig.model_validate(config.saved()) == config
