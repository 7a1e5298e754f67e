"""From recordings as a user has them to rows as a store has them, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cape_fed.parts import parts_of
from cape_fed.release.lead_order import LeadOrder
from cape_fed.release.recordings import checked_recording, checked_window
from cape_fed.signal.flat import store_row
from cape_fed.signal.profile import MARGIN_SECONDS, Profile

AHEAD = 256
"""Recordings that are prepared at once, and that a stream is read ahead, so that those of one length meet."""


class Rows(NamedTuple):
    """Preprocessed recordings, as a store has them."""

    signals: NDArray[np.int16]
    """``[B, 12, T]``, 1 µV a step, padded with zeros on the right."""
    valid: NDArray[np.int64]
    """``[B]`` samples before the padding."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What turns recordings of one rate and one order of leads into rows of a profile."""

    profile: Profile
    fs: float
    order: LeadOrder

    def rows(self, records: Sequence[NDArray[Any]] | NDArray[Any], names: Sequence[str]) -> Rows:
        """Rows of checked recordings ``[leads, n]``; ValueError with the name of the one that does not fit."""
        seconds = self.profile.seconds + MARGIN_SECONDS
        windows = (
            checked_window(self.order.arrange(record), self.fs, seconds, name)
            for record, name in zip(records, names, strict=True)
        )
        rows = [store_row(signal_mv, self.fs, self.profile, has_flat_lead) for signal_mv, has_flat_lead in windows]
        return Rows(np.stack([signal for signal, _ in rows]), np.array([valid for _, valid in rows]))

    def batch(self, batch: NDArray[Any]) -> Iterator[tuple[slice, Rows]]:
        """A checked batch ``[B, leads, n]`` in parts of at most `AHEAD` recordings."""
        for part in parts_of(len(batch), AHEAD):
            yield part, self.rows(batch[part], [f"record {index}" for index in range(part.start, part.stop)])

    def stream(self, recordings: Iterator[Any]) -> Iterator[Rows]:
        """Rows in order, `AHEAD` at a time; those before an error come before it.

        An error is the ValueError of a recording that does not fit, and whatever ``recordings`` itself raises.
        """
        numbered, fault = enumerate(recordings), None
        while fault is None:
            rows: list[Rows] = []
            try:
                for index, record in islice(numbered, AHEAD):
                    name = f"record {index}"
                    checked = checked_recording(record, self.fs, len(self.order.places), name)
                    rows.append(self.rows([checked], [name]))
            except Exception as error:
                fault = error
            if rows:
                yield Rows(np.concatenate([row.signals for row in rows]), np.concatenate([row.valid for row in rows]))
            elif fault is None:
                return
        raise fault


def of_one_length(valid: NDArray[np.integer[Any]], most: int) -> Iterator[tuple[NDArray[np.intp], int]]:
    """Places of at most ``most`` rows with equally many ``valid`` samples ``[N]``, and how many: at least one."""
    for length in np.unique(valid):
        places = np.flatnonzero(valid == length)
        yield from ((places[part], max(1, int(length))) for part in parts_of(len(places), most))
