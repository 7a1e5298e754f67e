"""``federation.html``, out of the files of a run directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from cape_fed.errors import InputError
from cape_fed.files import atomic_file
from cape_fed.monitoring.page.figures import drift_figure, loss_figure, parts_figure
from cape_fed.monitoring.page.strips import KINDS, strips
from cape_fed.monitoring.page.words import PARTS, headline
from cape_fed.monitoring.run import UNDER_WAY, Run
from cape_fed.monitoring.runs import RunReader, is_run
from cape_fed.monitoring.words import bytes_text, seconds_text
from cape_fed.report.numbers import decimal
from cape_fed.report.page import Picture, render_page, svg_picture
from cape_fed.rundir import PAGE_FILE


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A site in the table."""

    site: str
    role: str
    standing: str
    rounds: int
    patients: int | None
    loss: float | None
    work: float | None
    """Mean seconds a round."""
    answer: float | None
    records: float | None
    """Recordings a second, while it worked."""


def write_page(directory: Path) -> Path:
    """Write the page of a run into its directory; its path. InputError where there is no run."""
    if not is_run(directory):
        raise InputError(f"{directory} holds no federated run: there is no status.json to read")
    text = render(RunReader(directory).read())
    with atomic_file(directory / PAGE_FILE) as partial:
        partial.write_text(text, encoding="utf-8")
    return directory / PAGE_FILE


def write_page_of_ended(directory: Path) -> None:
    """Write the page of a run that has ended; nothing where there is none, or where another process leads it."""
    if is_run(directory) and RunReader(directory).read().state not in UNDER_WAY:
        write_page(directory)


def render(run: Run) -> str:
    """The page as one HTML document that asks for nothing outside itself."""
    filters: dict[str, Callable[..., Any]] = {"seconds": seconds_text, "bytes": bytes_text, "decimal": decimal}
    parts = run.parts()
    return render_page(
        __package__,
        filters,
        run=run,
        headline=headline(run),
        strips=strips(run),
        kinds=KINDS,
        figures=_figures(run),
        parts={name: (PARTS.get(name, ""), seconds, seconds / sum(parts.values())) for name, seconds in parts.items()},
        trouble=_trouble(run),
        sites=[_site(run, name) for name in run.roles],
        moved={way: sum(line[f"bytes_{way}"] for line in run.rounds) for way in ("down", "up")},
    )


def _figures(run: Run) -> dict[str, Picture]:
    drawn: dict[str, Callable[[Run], str]] = {}
    if run.rounds:
        drawn["loss"] = loss_figure
    if any(line.get("drift") is not None for line in run.rounds):
        drawn["drift"] = drift_figure
    if any(run.parts().values()):
        drawn["parts"] = parts_figure
    return {name: svg_picture(name, draw(run)) for name, draw in drawn.items()}


def _site(run: Run, name: str) -> SiteRow:
    own = [line["sites"][name] for line in run.rounds if name in line["sites"]]
    work = [numbers["seconds"] for numbers in own if numbers.get("seconds")]
    answer = [numbers["answered"] for numbers in own if numbers.get("answered")]
    return SiteRow(
        site=name,
        role=run.roles[name],
        standing=run.standing(name),
        rounds=len(own),
        patients=own[-1].get("patients") if own else None,
        loss=own[-1].get("loss") if own else None,
        work=mean(work) if work else None,
        answer=mean(answer) if answer else None,
        records=run.samples_a_round / mean(work) if work else None,
    )


def _trouble(run: Run) -> list[tuple[str, str, str, int, list[int]]]:
    """Site, refused or failed, reason, how often, and in which rounds (from 1)."""
    rounds: dict[tuple[str, str, str], list[int]] = {}
    for line in run.troubled():
        for entry in line.get("trouble", ()):
            key = (str(entry["site"]), str(entry["what"]), str(entry["reason"]))
            rounds.setdefault(key, []).append(int(line["round"]) + 1)
    return [(*key, len(numbers), sorted(set(numbers))) for key, numbers in sorted(rounds.items())]
