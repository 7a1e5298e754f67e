"""A site.toml as Flower hands it over: dotted keys, no lists; what is wrong is said in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cape_fed.errors import InputError
from cape_fed.site.config import site_from_node_config

RIGHT: dict[str, Any] = {
    "name": "hospital-a",
    "role": "train",
    "state": "/var/lib/cape-fed",
    "stores.holter": "/srv/holter",
    "stores.cardiology": "/srv/cardiology",
    "limits.minutes": 30,
}


def test_stores_come_in_the_order_of_their_labels_whatever_flower_does_to_it() -> None:
    for values in (RIGHT, dict(reversed(RIGHT.items()))):
        site = site_from_node_config(values)
        assert site.stores == (Path("/srv/cardiology"), Path("/srv/holter"))
        assert (site.name, site.role, site.limits.minutes, site.own_process) == ("hospital-a", "train", 30, True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"role": "lead"}, "site.toml: role"),
        ({"name": None}, "site.toml: name: field required"),
        ({"stores.holter": None, "stores.cardiology": None}, "site.toml: stores"),
        ({"limits.minutes": 0}, "site.toml: limits.minutes"),
        ({"limits.hours": "20-6"}, "site.toml: limits.hours: '20-6' is no time of day: write from when to when"),
        ({"limits.labels": "AF, MII"}, "site.toml: limits.labels.1: 'MII' is no label, MI is"),
        ({"limits.actions": "train, lead"}, "site.toml: limits.actions.1: input should be 'train', 'measure'"),
        ({"limits.federations": ""}, "site.toml: limits.federations.0"),
        ({"devcie": "cpu"}, "site.toml: devcie: there is no such key, did you mean device?"),
        (
            {"limits.local_step": 3},
            "site.toml: limits.local_step: there is no such key, did you mean limits.local_steps?",
        ),
        ({"superlink.adress": "x"}, "did you mean superlink.address?"),
        ({"min_patients": 3}, "did you mean limits.min_patients?"),
        ({"stores": ["/srv/one"]}, "stores is a list; write a table with a line for each store: [stores]"),
        (
            {"limits.labels": ["AF", "MI"]},
            'limits.labels is a list; write one text with commas: limits.labels = "AF, MI"',
        ),
        ({"threads": "many"}, "site.toml: threads"),
        ({"gpu": 1}, "site.toml: gpu: there is no such key"),
        ({"stores": "/srv/one"}, "site.toml: stores is a value and a table at once"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], words: str) -> None:
    values = {key: value for key, value in {**changes, **RIGHT, **changes}.items() if value is not None}
    if isinstance(changes.get("stores"), list):
        values = {key: value for key, value in values.items() if not key.startswith("stores.")}
    with pytest.raises(InputError) as caught:
        site_from_node_config(values)
    assert words in str(caught.value)


def test_lists_are_written_with_commas() -> None:
    limits = {"limits.labels": "AF,sex", "limits.actions": "train, measure", "limits.federations": "ecg-net , pilot"}
    site = site_from_node_config(RIGHT | limits)
    assert site.limits.labels == ("AF", "sex")
    assert site.limits.actions == ("train", "measure")
    assert site.limits.federations == ("ecg-net", "pilot")
