"""A process that is told to end leaves its run first."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cape_fed.coordinator.interruption import ENDING, left_first
from cape_fed.status import Status, read_status


@pytest.fixture
def happened() -> Iterator[list[str]]:
    """What happens, in its order, with Flower's handler in the place of one that says so."""
    order: list[str] = []
    before = {
        number: signal.signal(number, lambda number, _: order.append(signal.Signals(number).name)) for number in ENDING
    }
    yield order
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_a_run_says_that_it_was_stopped_before_the_signal_does_what_it_did(
    number: signal.Signals, happened: list[str], tmp_path: Path
) -> None:
    def lead() -> None:
        try:
            with Status(tmp_path).ending():
                signal.raise_signal(number)
                happened.append("went on")
        finally:
            happened.append(read_status(tmp_path)["state"])

    with pytest.raises(SystemExit), left_first():
        lead()
    assert happened == ["stopped", number.name]


def test_a_second_signal_does_not_keep_a_run_from_saying_how_it_ended(happened: list[str]) -> None:
    def lead() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGINT)
            happened.append("said")

    with pytest.raises(SystemExit), left_first():
        lead()
    assert happened == ["said", "SIGTERM"]


def test_nothing_changes_for_a_block_that_no_signal_interrupts(happened: list[str]) -> None:
    before = [signal.getsignal(number) for number in ENDING]
    with left_first():
        happened.append("in the block")
    assert happened == ["in the block"]
    assert [signal.getsignal(number) for number in ENDING] == before


def test_a_block_that_fails_raises_its_own_error_and_gives_the_signals_back(happened: list[str]) -> None:
    with pytest.raises(ValueError, match="its own"), left_first():
        raise ValueError("its own")
    signal.raise_signal(signal.SIGTERM)
    assert happened == ["SIGTERM"]


def test_in_a_thread_signals_stay_as_they_are(happened: list[str]) -> None:
    def lead() -> None:
        with left_first():
            assert signal.getsignal(signal.SIGTERM) == handler

    handler = signal.getsignal(signal.SIGTERM)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lead).result()
    assert happened == []
