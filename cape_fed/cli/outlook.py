"""What a run says of itself in words: where it is, who gave what, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cape_fed.status import State

PLACES = {
    "joining": "waits for its sites",
    "running": "goes on",
    "finished": "is finished",
    "failed": "failed",
    "stopped": "was stopped",
    "lost": "is lost: the process that led it is gone",
}


def headline(directory: Path, state: State, status: Mapping[str, Any]) -> str:
    """Where a run is, in one line."""
    rounds = f"{status.get('rounds_done', 0)} of {status.get('rounds', '?')} rounds done"
    error = f": {status['error']}" if state == "failed" and "error" in status else ""
    return f"the run in {directory} {PLACES[state]}{error} ({rounds})"


def next_step(directory: Path, state: State, status: Mapping[str, Any], connection: str | None = None) -> str:
    """What to do about a run in this state."""
    if state == "finished":
        return f"next: cape-fed evaluate {directory / 'bundle'} data.evaluate=[STORE,...] out=DIR"
    if state in ("joining", "running"):
        follow = f"next: cape-fed run --resume {directory} follows it"
        stop = f", flwr stop {status['flower_run']} {connection} stops it" if connection else ""
        return follow + stop if "flower_run" in status else "next: wait for it"
    if connection is None:
        return "next: the same command with resume=true goes on from the last checkpoint"
    if state == "failed" and not status.get("rounds_done"):
        return f"next: mend what it says and start it again, in {directory} if you like"
    return f"next: cape-fed run --resume {directory} goes on from the last checkpoint"


def awaiting(status: Mapping[str, Any]) -> str:
    """Who is awaited; empty where nobody is."""
    names = ", ".join(status.get("awaited", []))
    return f"awaiting {names}" if names else ""


def summary(status: Mapping[str, Any]) -> str:
    """The last line of a run: why it ended, with which app, and in how many rounds each training site took part."""
    rounds = status.get("rounds_done", 0)
    parts = [
        f"{name} {_share(site, rounds)}" for name, site in status.get("sites", {}).items() if site["role"] != "evaluate"
    ]
    return f"{status.get('reason', 'ended')}, app {short_app(status)}; rounds by site: {', '.join(parts)}"


def short_app(status: Mapping[str, Any]) -> str:
    """The first digits of the hash of the app that leads a run."""
    return str(status.get("app", "?"))[:16]


def _share(site: Mapping[str, Any], rounds: int) -> str:
    share = f"{site['rounds']} of {rounds}"
    if why := site.get("quarantined"):
        return f"{share} (quarantined: {why})"
    return share
