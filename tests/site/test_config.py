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
        ({"limits.hours": 3}, "site.toml: limits.hours"),
        ({"threads": "many"}, "site.toml: threads"),
        ({"gpu": 1}, "site.toml: gpu"),
        ({"stores": "/srv/one"}, "site.toml: stores is a value and a table at once"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], words: str) -> None:
    values = {key: value for key, value in {**changes, **RIGHT, **changes}.items() if value is not None}
    with pytest.raises(InputError) as caught:
        site_from_node_config(values)
    assert words in str(caught.value)
