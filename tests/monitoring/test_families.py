from __future__ import annotations

import pytest

from cape_fed.monitoring.families import Families, Series, Spec

SPECS = (
    Spec("x_rounds", "Rounds.", ("run",)),
    Spec("x_bytes_total", "Bytes.", ("run",)),
    Spec("x_state", "S.", ("s",)),
)


def values(families: Families) -> dict[tuple[str, tuple[str, ...]], float]:
    return {(s.name, tuple(s.labels.values())): s.value for metric in families.metrics() for s in metric.samples}


def test_values_come_in_the_order_of_the_table_and_none_is_left_out() -> None:
    families = Families(SPECS)
    families.add("x_bytes_total", 5, run="r")
    families.add("x_rounds", 2, run="r")
    families.add("x_rounds", None, run="s")
    assert values(families) == {("x_rounds", ("r",)): 2.0, ("x_bytes_total", ("r",)): 5.0}
    assert [metric.type for metric in families.metrics()] == ["gauge", "counter"]


def test_one_of_several_is_1() -> None:
    families = Families(SPECS)
    families.one_of("x_state", "s", ("on", "off"), "off")
    assert values(families) == {("x_state", ("on",)): 0.0, ("x_state", ("off",)): 1.0}


def test_a_counter_never_falls_and_a_gauge_may() -> None:
    highest: dict[Series, float] = {}
    seen = []
    for number in (10, 7, 12):
        families = Families(SPECS, highest)
        families.add("x_bytes_total", number, run="r")
        families.add("x_rounds", number, run="r")
        found = values(families)
        seen.append((found["x_bytes_total", ("r",)], found["x_rounds", ("r",)]))
    assert seen == [(10, 10), (10, 7), (12, 12)]


def test_what_is_not_in_the_table_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        Families(SPECS).add("x_other", 1)
    with pytest.raises(KeyError):
        Families(SPECS).add("x_rounds", 1)
