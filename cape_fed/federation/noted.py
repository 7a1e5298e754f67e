"""Which runs this coordinator has led: their directories, noted in Flower's home."""

from __future__ import annotations

from pathlib import Path

from flwr.supercore.utils import get_flwr_home

FILE = "cape-fed-runs.txt"
"""One directory a line, the newest last."""


def note_run(directory: Path) -> None:
    """Remember that a run was led in ``directory``."""
    path = get_flwr_home() / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(f"{directory.resolve()}\n")


def noted_runs() -> list[Path]:
    """Directories of all runs that were led, the newest first; some may be gone."""
    path = get_flwr_home() / FILE
    lines = path.read_text().splitlines() if path.exists() else []
    return [Path(line) for line in dict.fromkeys(reversed(lines))]
