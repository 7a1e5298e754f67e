from __future__ import annotations

from typing import Any

import pytest

from cape_fed.chain import FIRST, chain_hash, first_break

Chained = list[tuple[dict[str, Any], str]]


def chained(count: int) -> Chained:
    entries: Chained = []
    previous = FIRST
    for number in range(count):
        entry = {"number": number, "what": "Grüße"}
        previous = chain_hash(previous, entry)
        entries.append((entry, previous))
    return entries


def test_a_chain_holds() -> None:
    assert first_break(chained(5)) is None
    assert first_break([]) is None


def test_the_order_of_keys_does_not_matter() -> None:
    assert chain_hash(FIRST, {"a": 1, "b": 2}) == chain_hash(FIRST, {"b": 2, "a": 1})


def test_a_changed_entry_is_found() -> None:
    entries = chained(5)
    entries[2][0]["number"] = 7
    assert first_break(entries) == 2


@pytest.mark.parametrize("gone", range(4))
def test_a_removed_entry_is_found(gone: int) -> None:
    entries = chained(5)
    del entries[gone]
    assert first_break(entries) == gone


def test_swapped_entries_are_found() -> None:
    entries = chained(5)
    entries[1], entries[2] = entries[2], entries[1]
    assert first_break(entries) == 1


def test_a_tail_continues_from_the_hash_before_it() -> None:
    entries = chained(5)
    assert first_break(entries[3:], entries[2][1]) is None
    assert first_break(entries[3:]) == 0


def test_numbers_that_json_does_not_know_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        chain_hash(FIRST, {"loss": float("nan")})
