"""Who took part when: a strip a site, a cell a round, or a few rounds where there are many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cape_fed.monitoring.run import Run

MOST_CELLS = 120
KINDS = {
    "part": "took part",
    "looked": "only measured the encoder",
    "idle": "was not asked",
    "missing": "was asked and missing",
    "refused": "gave a reply that did not count",
}
"""What a cell can say, in words; of several rounds in one cell the last in this list counts."""
_ORDER = ("idle", "looked", "part", "missing", "refused")


@dataclass(frozen=True, slots=True)
class Cell:
    """Some rounds of one site."""

    first: int
    last: int
    """Numbers of rounds, from 1."""
    kind: str

    @property
    def title(self) -> str:
        """The cell in words."""
        rounds = f"round {self.first}" if self.first == self.last else f"rounds {self.first}–{self.last}"
        return f"{rounds}: {KINDS[self.kind]}"


@dataclass(frozen=True, slots=True)
class Strip:
    """All rounds of one site."""

    site: str
    role: str
    counted: int
    """Rounds in which its update counted."""
    cells: tuple[Cell, ...]


def strips(run: Run) -> list[Strip]:
    """A strip for every site, training sites first."""
    measured = [(int(line["round"]), line.get("monitors", {})) for line in run.measured if "round" in line]
    looked = {name: {number for number, sites in measured if name in sites} for name in run.roles}
    order = sorted(run.roles, key=lambda name: (run.roles[name] != "train", name))
    return [
        Strip(
            name,
            run.roles[name],
            sum(name in line["sites"] for line in run.rounds),
            tuple(_cells([(int(line["round"]), _kind(line, name, looked[name])) for line in run.rounds])),
        )
        for name in order
    ]


def _kind(line: Mapping[str, Any], site: str, looked: set[int]) -> str:
    """What a site did in the round of a line."""
    refused = any(entry["site"] == site and entry["what"] == "refused" for entry in line.get("trouble", ()))
    if site in line["sites"]:
        return "part"
    if refused:
        return "refused"
    if site in line.get("missing", ()):
        return "missing"
    return "looked" if int(line["round"]) in looked else "idle"


def _cells(rounds: list[tuple[int, str]]) -> Iterable[Cell]:
    size = max(1, -(-len(rounds) // MOST_CELLS))
    for begin in range(0, len(rounds), size):
        some = rounds[begin : begin + size]
        yield Cell(some[0][0] + 1, some[-1][0] + 1, max((kind for _, kind in some), key=_ORDER.index))
