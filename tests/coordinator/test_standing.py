"""Refusals in a row lead to quarantine; a round that counts forgives those of earlier rounds."""

from __future__ import annotations

from cape_fed.coordinator.standing import Standing


def test_so_many_refusals_in_a_row_quarantine_a_site() -> None:
    standing = Standing()
    for number in range(3):
        assert standing.quarantined == {}
        standing.refuse("a", number, "norm", limit=3)
    assert standing.quarantined == {"a": "norm"}


def test_a_round_that_counts_forgives() -> None:
    standing = Standing()
    for number in range(6):
        if number % 2:
            standing.accept("a", number)
        else:
            standing.refuse("a", number, "norm", limit=2)
    assert standing.quarantined == {}
    assert standing.strikes == {}


def test_a_reply_of_the_same_round_does_not_forgive() -> None:
    standing = Standing()
    standing.refuse("a", 0, "norm", limit=3)
    standing.accept("a", 0)
    assert standing.strikes == {"a": 1}


def test_sites_are_judged_apart() -> None:
    standing = Standing()
    standing.refuse("a", 0, "norm", limit=1)
    standing.refuse("b", 0, "shape", limit=2)
    assert standing.quarantined == {"a": "norm"}


def test_it_is_kept_in_a_checkpoint() -> None:
    standing = Standing()
    standing.refuse("a", 4, "norm", limit=1)
    assert Standing.model_validate_json(standing.model_dump_json()) == standing


def test_rounds_of_failures_in_a_row_bar_a_site_until_it_is_started_anew() -> None:
    standing = Standing()
    for number in range(3):
        assert standing.barred == {}
        for _ in range(2):  # two tries of one round are one failure
            standing.fail("a", number, "cannot use its stores", limit=3)
    assert standing.barred == {"a": "cannot use its stores"}
    standing.renew("a")
    assert standing.barred == {}
    standing.fail("a", 3, "cannot use its stores", limit=3)
    assert standing.barred == {}


def test_a_round_that_counts_ends_a_row_of_failures() -> None:
    standing = Standing()
    for number in range(6):
        standing.fail("a", number, "failed", limit=2)
        standing.accept("a", number)
    assert standing.barred == {}


def test_what_was_refused_of_a_site_is_not_forgiven_when_it_is_started_anew() -> None:
    standing = Standing()
    standing.refuse("a", 0, "norm", limit=1)
    standing.fail("a", 0, "failed", limit=1)
    standing.renew("a")
    assert standing.barred == {"a": "norm"}
