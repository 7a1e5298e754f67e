"""The part of a run that stays at the site: head and optimiser between rounds, in the site's own files."""

from __future__ import annotations

import shutil
from pathlib import Path

from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.state import load_state, save_state


def save_local_state(directory: Path, learner: Learner, round_number: int, *, keep_from: int) -> None:
    """Keep what the site needs when it begins ``round_number``; the encoder comes from the coordinator.

    States of rounds before ``keep_from`` go: the coordinator cannot come back to them. So do those after
    ``round_number``, left by a run that was taken up again further back.
    """
    save_state(_path(directory, round_number), learner, {"round": round_number}, encoder=False)
    for path in directory.glob("round-*"):
        if not keep_from <= int(path.name.removeprefix("round-")) <= round_number:
            shutil.rmtree(path, ignore_errors=True)


def load_local_state(directory: Path, learner: Learner, round_number: int) -> bool:
    """Put the learner where the site was before ``round_number``; false, and untouched, where it was not there.

    A site that joins late or lost its files goes on with a fresh head and optimiser.
    """
    path = _path(directory, round_number)
    if not path.is_dir():
        return False
    load_state(path, learner)
    return True


def _path(directory: Path, round_number: int) -> Path:
    return directory / f"round-{round_number:06d}"
