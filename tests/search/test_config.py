"""Search files are checked before anything is tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cape_fed.compose import compose_config
from cape_fed.errors import InputError
from cape_fed.search.config import Range, SearchConfig, read_search


def test_the_search_that_comes_with_cape_fed_begins_with_the_defaults() -> None:
    search = read_search("recipe")
    reference = compose_config([*search.settings, *search.overrides(search.reference), "out=a"])
    small = compose_config(["experiment=small", "out=a"])
    assert reference.augment == small.augment
    assert reference.objective == small.objective
    assert reference.positives == small.positives
    assert reference.pretraining.model == small.pretraining.model
    for key in ("steps", "pairs", "learning_rate"):
        assert getattr(reference.train, key) == getattr(small.train, key)
    batches = search.space["batch"]
    assert isinstance(batches, dict)
    for choice in batches:
        train = compose_config([*search.overrides({"batch": choice}), "out=a"]).train
        assert train.steps * train.pairs == small.train.steps * small.train.pairs


def test_a_recipe_is_told_as_overrides(search: SearchConfig) -> None:
    recipe = {"batch": "many", "objective.temperature": "0.2", "augment.crop": "0.3"}
    assert search.overrides(recipe) == [
        "train.pairs=16", "train.steps=20", "objective.temperature=0.2", "augment.crop=0.3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "log"), [(16, 64, False), (16, 64, True), (0.03, 0.5, True), (100, 2000, False), (1, 1e6, True)]
)
def test_of_a_range_a_fraction_is_tried_too(search: SearchConfig, low: float, high: float, log: bool) -> None:
    options = Range(low=low, high=high, log=log)
    assert low < float(options.between) < high
    assert not float(options.between).is_integer()
    one = search.model_copy(update={"space": {"train.pairs": options}})
    assert [value for _, value in one.choices()] == [f"{low:g}", f"{high:g}", options.between]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"worlds": []}, "worlds"),
        ({"space": {}}, "space"),
        ({"space": {"augment.crop": [0.3]}, "reference": {"augment.crop": 0.3}}, "augment.crop"),
        ({"reference": {}}, "the reference needs a value for each of batch, objective.temperature, augment.crop"),
        ({"reference.augment.crop": 0.5}, r"augment.crop=0.5 is none of 0.3, 0.6, 1"),
        ({"reference.objective.temperature": 2}, "objective.temperature=2 is outside 0.01 to 1"),
        ({"reference.objective.temperature": "warm"}, "objective.temperature=warm is no number"),
        ({"space.objective.temperature": {"low": 1, "high": 0.1}}, "low has to be below high"),
        ({"space.objective.temperature": {"low": 0, "high": 1, "log": True}}, "above 0 where log is true"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_does_not_fit_is_one_line(
    search: SearchConfig, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    plain = search.model_dump(mode="json")
    for name, value in changes.items():
        section, _, key = name.partition(".")
        if key:
            plain[section][key] = value
        else:
            plain[name] = value
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
    with pytest.raises(InputError, match=says) as caught:
        read_search(str(tmp_path / "own.yaml"))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("own.yaml: ")
    assert ": :" not in str(caught.value)


def test_a_search_that_is_not_there() -> None:
    with pytest.raises(InputError, match="no search 'magic': choose one of recipe, or name a YAML file"):
        read_search("magic")
