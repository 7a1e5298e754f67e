"""What the bar of a federation says at each moment of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from cape_fed.cli.progress import ProgressBar
from cape_fed.cli.rounds import RoundsView

STATUS = {"state": "running", "rounds": 10, "rounds_done": 2, "asked": 3, "answered": 1}
LINE = {
    "time": "2026-01-31T08:05:09Z", "round": 1, "loss": 3.25, "bytes_down": 1_000_000, "bytes_up": 500_000,
    "seconds": 5.25, "sites": {"a": {}, "c": {}}, "missing": ["b"],
}  # fmt: skip
JOINING = {"state": "joining", "rounds": 10, "rounds_done": 0, "asked": 3, "answered": 1, "awaited": ["b", "c"]}


@dataclass
class Bar:
    """A bar that records what it is told."""

    is_drawn: bool = True
    shown: list[tuple[int, int | None, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def update(self, done: int, total: int | None = None, facts: str = "") -> None:
        self.shown.append((done, total, facts))

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def bar() -> Bar:
    return Bar()


@pytest.fixture
def view(bar: Bar) -> RoundsView:
    return RoundsView(cast(ProgressBar, bar))


def test_before_the_first_round_it_is_joining(bar: Bar, view: RoundsView) -> None:
    view.show({})
    assert bar.shown == [(0, None, "joining"), (0, None, "joining")]


def test_a_round_shows_answers_loss_and_megabytes(bar: Bar, view: RoundsView) -> None:
    view.add(LINE)
    view.show(STATUS)
    assert bar.shown[-1] == (2, 10, "1/3 sites  loss 3.250  1.5 MB a round")


def test_measurements_of_the_encoder_do_not_replace_the_round(bar: Bar, view: RoundsView) -> None:
    view.add(LINE)
    view.add({"round": 2, "alignment": 0.4})
    view.show(STATUS)
    assert "loss 3.250" in bar.shown[-1][2]


def test_silent_sites_are_named_and_a_missing_loss_is_a_dash(bar: Bar, view: RoundsView) -> None:
    view.add({**LINE, "loss": None})
    view.show({**STATUS, "silent": ["b", "c"]})
    assert bar.shown[-1][2] == "1/3 sites  silent: b, c  loss –  1.5 MB a round"


def test_warnings_go_above_the_bar(bar: Bar, view: RoundsView) -> None:
    view.note("site b is silent")
    assert bar.notes == ["site b is silent"]


def test_who_is_awaited_before_the_first_round_is_named(bar: Bar, view: RoundsView) -> None:
    view.show(JOINING)
    assert bar.shown[-1] == (0, 10, "joining: 1/3 sites, awaiting b, c")
    assert bar.notes == []


def test_off_a_terminal_there_is_a_line_a_round_and_one_whenever_others_are_awaited(bar: Bar, view: RoundsView) -> None:
    bar.is_drawn = False
    for status in (JOINING, JOINING, {**JOINING, "answered": 2, "awaited": ["c"]}, STATUS):
        view.show(status)
    view.add(LINE)
    view.add({"round": 2, "alignment": 0.4})
    assert bar.notes == [
        "joining: 1/3 sites, awaiting b, c",
        "joining: 2/3 sites, awaiting c",
        "2026-01-31T08:05:09Z round 2/10: 2 sites, loss 3.250, 1.5 MB, 5.2 s, missing: b",
    ]
