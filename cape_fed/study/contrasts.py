"""Paired differences between levels, corrected for how many there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cape_fed.evaluate.statistics.bootstrap import Sampled
from cape_fed.evaluate.statistics.effects import effect, holm
from cape_fed.study.results import Contrast, Value


def contrast(level: str, reference: str, pairs: Sequence[tuple[Sampled, Sampled]]) -> Contrast:
    """A level minus the reference over seeds, ``pairs`` holding both of each seed; not corrected yet."""
    found = effect([own - other for own, other in pairs])
    value = Value.of(found).model_dump()
    return Contrast(level=level, reference=reference, size=found.size, p=found.p, p_holm=None, **value)


def correct(contrasts: Iterable[Contrast]) -> None:
    """Fill in Holm's correction over all of them."""
    known = [(entry, entry.p) for entry in contrasts if entry.p is not None]
    for (entry, _), corrected in zip(known, holm([p for _, p in known]), strict=True):
        entry.p_holm = corrected
