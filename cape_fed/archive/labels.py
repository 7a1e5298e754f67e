"""The one vocabulary that every source's diagnosis statements are mapped onto."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from cape_fed.vocabulary import VOCABULARY

IMPLIES: dict[str, tuple[str, ...]] = {"SARRH": ("SINUS",), "SBRAD": ("SINUS",), "STACH": ("SINUS",)}
"""Labels that a label brings with it."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one statement of a source says in terms of the vocabulary."""

    positive: tuple[str, ...] = ()
    """Labels that the statement asserts."""
    unclear: tuple[str, ...] = ()
    """Labels that can no longer be called absent: the statement may include them."""
    excludes_sinus: bool = False
    """The statement names a rhythm of other than sinus origin."""


@dataclass(frozen=True)
class Annotation:
    """Labels of one record and the statements that the vocabulary has no word for."""

    labels: dict[str, bool]
    unmapped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scheme:
    """The statements one kind of source chooses from, with their meaning."""

    name: str
    meanings: Mapping[str, Meaning]

    @cached_property
    def labels(self) -> frozenset[str]:
        """Labels that the scheme can express, hence annotates in every record that carries a list of statements."""
        return expressible(self.meanings.values())

    def annotate(self, statements: Iterable[str]) -> Annotation:
        """Turn one record's list of statements into labels."""
        known = []
        unmapped = []
        for statement in statements:
            meaning = self.meanings.get(statement)
            if meaning is None:
                unmapped.append(statement)
            else:
                known.append(meaning)
        return Annotation(combine(self.labels, known), tuple(unmapped))


def expressible(meanings: Iterable[Meaning]) -> frozenset[str]:
    """Every label that one of the meanings asserts, with what it implies."""
    stated = {label for meaning in meanings for label in meaning.positive}
    return frozenset(stated.union(*(IMPLIES.get(label, ()) for label in stated)))


def combine(annotated: frozenset[str], meanings: Iterable[Meaning]) -> dict[str, bool]:
    """Merge what one record's statements mean: asserted True, not stated False, unclear absent.

    SINUS is left out where no rhythm is stated, because sources commonly omit the normal rhythm.
    """
    positive: set[str] = set()
    unclear: set[str] = set()
    other_rhythm = False
    for meaning in meanings:
        positive.update(meaning.positive)
        unclear.update(meaning.unclear)
        other_rhythm |= meaning.excludes_sinus
    for label in tuple(positive):
        positive.update(IMPLIES.get(label, ()))
    if not other_rhythm:
        unclear.add("SINUS")
    unclear -= positive
    return {label: label in positive for label in VOCABULARY if label in annotated and label not in unclear}
