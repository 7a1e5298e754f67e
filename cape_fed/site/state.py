"""The part of a run that stays at the site: head and optimiser between rounds, in the site's own files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from cape_fed.checkpoints import run_rounds
from cape_fed.methods.base import Kept
from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.state import load_state, save_state


def save_local_state(
    folder: Path, learner: Learner, number: int, *, keep_from: int, kept: Mapping[str, Tensor]
) -> None:
    """Keep what the site needs when it begins round ``number``; the encoder comes from the coordinator.

    ``kept`` is what the federated method keeps at the site. The coordinator can come back to round ``keep_from``: what
    the site would begin that round with stays, and older states go. So do those after ``number``, which a run left that
    was taken up again further back.
    """
    rounds = run_rounds(folder)
    save_state(rounds.path(number), learner, {"round": number}, encoder=False, kept=kept)
    numbers = rounds.numbers()
    oldest = max((other for other in numbers if other <= keep_from), default=0)
    rounds.keep({other for other in numbers if oldest <= other <= number})


def load_local_state(folder: Path, learner: Learner, number: int) -> tuple[int, Kept] | None:
    """Put the learner where the site was before round ``number``, or last before that.

    Returns the round of that state and what the method kept; None, and the learner is untouched, where there is none.
    """
    found = run_rounds(folder).read_newest(lambda path: load_state(path, learner)[1], up_to=number)
    return found
