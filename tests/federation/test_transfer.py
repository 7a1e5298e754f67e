"""A part of a message that is on its way is looked for again soon, in every process that waits for one."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from cape_fed.federation import transfer
from cape_fed.site import warm

FLOWERS = importlib.import_module(transfer.MODULE)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that Flower makes, none of which is waited for; its settings are as before afterwards."""
    made: list[float] = []

    class Event(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            made.append(timeout or 0.0)
            return False

    for name in transfer.FUNCTIONS:
        monkeypatch.setitem(getattr(FLOWERS, name).__kwdefaults__, transfer.SETTING, 1)
    monkeypatch.setattr(FLOWERS, "threading", SimpleNamespace(Event=Event, Lock=threading.Lock))
    return made


@pytest.mark.parametrize("change", [transfer.look_again_soon, warm._look_again_soon])
def test_an_upload_that_has_just_begun_costs_no_second(change: Callable[[], None], pauses: list[float]) -> None:
    late = [FLOWERS.ObjectUnavailableError("not yet")] * 4

    def pull(name: str) -> bytes:
        if late:
            raise late.pop()
        return b"content"

    change()
    assert FLOWERS.pull_objects(["a"], pull) == {"a": b"content"}
    for number, pause in enumerate(pauses):  # Flower draws each within a fifth
        assert pause == pytest.approx(transfer.SOON * 2**number, rel=0.21)
    assert len(pauses) == 4
    tree = SimpleNamespace(object_id="a", children=[])
    late += [FLOWERS.ObjectUnavailableError("not yet")]
    with pytest.raises(ValueError, match="unpack"):  # what was pulled is no object
        FLOWERS.pull_and_inflate_object_from_tree(tree, pull, lambda name: None)
    assert pauses[4] == pytest.approx(transfer.SOON, rel=0.21)


def test_a_flower_without_the_setting_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FLOWERS, "pull_objects", lambda names, pull: {})
    transfer.look_again_soon()
    warm._look_again_soon()
    monkeypatch.delattr(FLOWERS, "pull_objects")
    transfer.look_again_soon()
    warm._look_again_soon()


def test_the_process_that_forks_changes_the_same() -> None:
    """It has nothing of this project, so that the words stand there twice."""
    assert (warm.TRANSFER, warm.PULLS, warm.BACKOFF, warm.SOON) == (
        transfer.MODULE, transfer.FUNCTIONS, transfer.SETTING, transfer.SOON,
    )  # fmt: skip
