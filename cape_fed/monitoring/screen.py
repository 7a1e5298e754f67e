"""An overview on a terminal, readable at 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cape_fed.monitoring.overview import Overview, RunOverview, SiteInRun, SiteOverview
from cape_fed.monitoring.words import bytes_text, seconds_text

STYLES = {
    "running": "green", "joining": "cyan", "finished": "bold", "stopped": "yellow", "failed": "bold red",
    "lost": "bold red", "active": "green", "evaluating": "cyan", "missing": "yellow", "silent": "bold red",
    "away": "yellow", "quarantined": "bold red",
}  # fmt: skip
MOST_DETAILED = 3
"""Runs that are shown with their sites; further ones have a line each."""


def draw(overview: Overview) -> RenderableType:
    """All of it: runs with their sites, further runs in a line each, sites by their own exporters."""
    first = [run for run in overview.runs if run.under_way] or overview.runs[:1]
    shown = first[:MOST_DETAILED]
    others = [run for run in overview.runs if run not in shown]
    parts: list[RenderableType] = []
    for run in shown:
        parts += [*_run(run), Text()]
    if others:
        parts += [_others(others), Text()]
    for site in overview.sites:
        parts += [*_site(site), Text()]
    if not overview.runs and not overview.sites:
        parts.append(Text("no federated run here yet", style="dim"))
    parts.append(_footer(overview))
    return Group(*parts)


def _run(run: RunOverview) -> list[RenderableType]:
    head = Table.grid(expand=True, padding=(0, 1, 0, 0))
    head.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    head.add_column(justify="right", no_wrap=True)
    title = Text.assemble((run.name, "bold"), f"  {run.strategy}  ", (run.state, STYLES.get(run.state, "")))
    if run.below_quorum:
        title.append("  below quorum", style="bold red")
    bar = ProgressBar(total=max(1, run.rounds_planned), completed=run.rounds_done)
    head.add_row(title, Text(run.run, style="dim"))
    head.add_row(bar, f"round {run.rounds_done}/{run.rounds_planned or '?'}")
    facts = [
        f"loss {_number(run.loss)}",
        f"drift {_number(run.drift)}",
        f"round {seconds_text(run.round_seconds)} (usual {seconds_text(run.usual_seconds)})",
        f"last {seconds_text(run.since_last_round)} ago" if run.since_last_round is not None else "",
        f"left {seconds_text(run.seconds_left)}" if run.seconds_left is not None else "",
    ]
    moved = f"down {bytes_text(run.bytes_down)}, up {bytes_text(run.bytes_up)}"
    return [head, _line(facts), _line([moved, _shares(run.parts)]), _sites(run.sites)]


def _sites(sites: Iterable[SiteInRun]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), expand=True)
    table.add_column("site", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("standing", no_wrap=True)
    for name in ("rounds", "patients", "loss", "work", "answer", "rec/s"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("not counted", min_width=11, ratio=1, no_wrap=True, overflow="ellipsis")
    for site in sites:
        table.add_row(
            Text(site.site),
            Text(site.standing, style=STYLES.get(site.standing, "")),
            _whole(site.rounds),
            _whole(site.patients),
            _number(site.loss),
            seconds_text(site.work_seconds),
            seconds_text(site.answer_seconds),
            _whole(site.samples_per_second),
            Text(", ".join(f"{number} {reason}" for reason, number in {**site.refused, **site.failed}.items())),
        )
    return table


def _others(runs: Iterable[RunOverview]) -> Table:
    table = Table("run", "state", "rounds", "loss", "last round", box=None, pad_edge=False)
    for run in runs:
        since = "" if run.since_last_round is None else f"{seconds_text(run.since_last_round)} ago"
        state = Text(run.state, style=STYLES.get(run.state, ""))
        table.add_row(Text(run.name), state, f"{run.rounds_done}/{run.rounds_planned or '?'}", _number(run.loss), since)
    return table


def _site(site: SiteOverview) -> list[RenderableType]:
    work = "waits for messages" if site.working_for is None else f"works for {seconds_text(site.working_for)}"
    if site.working_for is None and site.since_last_message is not None:
        work += f", the last {seconds_text(site.since_last_message)} ago"
    title = Text.assemble(
        (f"site {site.site}", "bold"), f"  {site.role}  ", (work, "green" if site.working_for else "")
    )
    ends = [f"{name} {seconds_text(left)}" for name, left in site.certificates.items()]
    return [
        title,
        _line([f"run {site.run}, round {site.round}" if site.run else "", f"loss {_number(site.loss)}"]
              + [f"{_whole(site.samples_per_second)} rec/s"]
              + [f"GPU {gpu} {100 * share:.0f} %" for gpu, share in site.gpu_utilisation.items()]),
        _line(["messages: " + (", ".join(f"{n} {outcome}" for outcome, n in site.messages.items()) or "none")]),
        _line(["patients: " + ", ".join(f"{cohort} {n}" for cohort, n in site.patients.items()),
               f"{site.unreadable_stores} stores cannot be opened" if site.unreadable_stores else ""]),
        _line([f"disk {bytes_text(site.disk_free)} free", f"certificates end in: {', '.join(ends)}" if ends else ""]),
    ]  # fmt: skip


def _footer(overview: Overview) -> Text:
    disk = f"disk {bytes_text(overview.disk_free)} free" if overview.disk_free is not None else ""
    return _line(
        [disk, f"cape-fed {overview.versions['version']}", f"Flower {overview.versions['flower']}"], style="dim"
    )


def _line(facts: Iterable[str], style: str = "") -> Text:
    return Text("  ".join(filter(None, facts)), style=style)


def _shares(parts: Mapping[str, float]) -> str:
    total = sum(parts.values())
    if not total:
        return ""
    return "time: " + ", ".join(f"{part} {100 * seconds / total:.0f} %" for part, seconds in parts.items())


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"
