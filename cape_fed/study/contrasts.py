"""Paired differences between levels, corrected for how many there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cape_fed.evaluate.statistics.bootstrap import Sampled
from cape_fed.evaluate.statistics.effects import effect, holm
from cape_fed.study.results import Contrast, Value


def contrast(level: str, reference: str, pairs: Sequence[tuple[Sampled, Sampled]], *, worlds: bool = False) -> Contrast:
    """A level minus the reference over seeds or worlds, ``pairs`` holding both of each; not corrected yet."""
    found = effect([own - other for own, other in pairs], worlds=worlds)
    value = Value.of(found).model_dump()
    return Contrast(
        level=level, reference=reference, size=found.size, p=found.p, p_holm=None, error=found.error, **value
    )


def correct(contrasts: Iterable[Contrast]) -> None:
    """Fill in Holm's correction over all of them but the primary one, which stands by itself."""
    contrasts = list(contrasts)
    for entry in contrasts:
        if entry.primary:
            entry.p_holm = entry.p
    known = [(entry, entry.p) for entry in contrasts if entry.p is not None and not entry.primary]
    for (entry, _), corrected in zip(known, holm([p for _, p in known]), strict=True):
        entry.p_holm = corrected
