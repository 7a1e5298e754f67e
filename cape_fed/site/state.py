"""The part of a run that stays at the site: head and optimiser between rounds, in the site's own files."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.state import load_state, save_state


def save_local_state(
    directory: Path, learner: Learner, round_number: int, *, keep_from: int, own: Mapping[str, Tensor]
) -> None:
    """Keep what the site needs when it begins ``round_number``; the encoder comes from the coordinator.

    ``own`` is what the federated method keeps at the site.

    The coordinator can come back to ``keep_from``: what the site would begin that round with stays, older states go. So
    do those after ``round_number``, left by a run that was taken up again further back.
    """
    save_state(_path(directory, round_number), learner, {"round": round_number}, encoder=False, own=own)
    rounds = _rounds(directory)
    oldest = max((number for number in rounds if number <= keep_from), default=0)
    for number in rounds:
        if not oldest <= number <= round_number:
            shutil.rmtree(_path(directory, number), ignore_errors=True)


def load_local_state(directory: Path, learner: Learner, round_number: int) -> tuple[int | None, dict[str, Tensor]]:
    """Put the learner where the site was before ``round_number``, or last before that; that state's round and own.

    None and nothing, and the learner untouched, where there is none. A site that missed rounds goes on with the head
    and optimiser it had, one that joins late with fresh ones.
    """
    found = max((number for number in _rounds(directory) if number <= round_number), default=None)
    if found is None:
        return None, {}
    _, own = load_state(_path(directory, found), learner)
    return found, own


def _rounds(directory: Path) -> list[int]:
    return [int(path.name.removeprefix("round-")) for path in directory.glob("round-*")]


def _path(directory: Path, round_number: int) -> Path:
    return directory / f"round-{round_number:06d}"
