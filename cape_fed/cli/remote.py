"""A run on a SuperLink from its start or resumption to its end, followed through its run directory."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import yaml

from cape_fed.cli.outlook import summary
from cape_fed.cli.progress import progress_bar
from cape_fed.cli.rounds import RoundsView
from cape_fed.compose import compose_config, validate_config
from cape_fed.config import RunConfig
from cape_fed.errors import InputError, LostError, RunError, StoppedError
from cape_fed.federation.fab import app_hash
from cape_fed.federation.kit import CoordinatorKit, find_kit
from cape_fed.federation.superlink import SuperLink
from cape_fed.files import atomic_file, whole_lines
from cape_fed.lock import is_locked
from cape_fed.logs import chosen_format, read_warning
from cape_fed.methods.private import check_private_run
from cape_fed.methods.registry import check_batch_statistics
from cape_fed.release.start import load_start
from cape_fed.rundir import LOCK_FILE, PLACE_FILE, RunDirectory
from cape_fed.status import ENDS, STOPPED, read_status
from cape_fed.tracking.config import TrackingConfig
from cape_fed.tracking.follow import tracked

STOPPED_RUN = "finished:stopped"
"""What a SuperLink says of a run after ``flwr stop``."""
LOOK = 0.5
"""Seconds between looks at the run directory."""
ASK = 10.0
"""Seconds between questions to the SuperLink before the run has begun to write: each is a process."""


def start_run(connection: str, overrides: Sequence[str]) -> Path:
    """Start a run and follow it to its end; its directory."""
    kit = find_kit(connection)
    config = _of_kit(kit, overrides) if kit else compose_config(overrides)
    config = config.model_copy(
        update={"out": config.out.resolve(), "start": config.start.resolve() if config.start else None}
    )
    load_start(config.start, config.encoder_config)  # which says now what is wrong with it
    check_private_run(config.privacy, config.pretraining, config.federation)
    check_batch_statistics(config.norm, config.federation)
    _require_roster(config)
    RunDirectory(config.out).check(config.saved(), resume=False)
    return _start(str(kit.folder) if kit else connection, config)


def _of_kit(kit: CoordinatorKit, overrides: Sequence[str]) -> RunConfig:
    """What the kit plans, changed by the overrides, with the kit's roster unless another is given."""
    given = {override.partition("=")[0] for override in overrides}
    planned = [word for word in kit.plan if word.partition("=")[0] not in given]
    config = compose_config([*planned, *overrides])
    return config if config.roster else validate_config({**config.saved(), "roster": str(kit.roster)})


def resume_run(directory: Path, *, other_code: bool = False) -> Path:
    """Follow a run that is still going, else go on with it from its last checkpoint; its directory.

    ``other_code`` accepts that other code computes from now on than did before.
    """
    out = directory.resolve()
    try:
        place = json.loads((out / PLACE_FILE).read_text())
        saved = yaml.safe_load((out / "config.yaml").read_text()) if (out / "config.yaml").exists() else None
    except (OSError, ValueError) as error:
        raise InputError(
            f"nothing to resume in {directory}: it holds no run that was started on a SuperLink"
        ) from error
    link = SuperLink(place["connection"])
    tracking = TrackingConfig.model_validate(place.get("tracking", {}))
    status = read_status(out)
    if status.get("state") == "finished":
        print(f"the run in {directory} is finished: {summary(status)}", file=sys.stderr)
        return out
    if is_locked(out / LOCK_FILE):
        with tracked(out, tracking):
            _follow(link, status.get("flower_run", place["run"]), out)
        return out
    if saved is None:
        raise InputError(f"the run in {directory} ended before it began: start it again with cape-fed run CONNECTION")
    if (before := status.get("app", app_hash())) != app_hash():
        print(f"the run in {directory} was led by app {before} and goes on with {app_hash()}", file=sys.stderr)
    config = validate_config({**saved, "out": str(out), "resume": True, "other_code": other_code, "tracking": tracking})
    _require_roster(config)
    return _start(place["connection"], config)


def _require_roster(config: RunConfig) -> None:
    """InputError where a run would take in whoever is connected."""
    if config.roster is None:
        raise InputError(
            "a run on a SuperLink needs a roster: give roster=FILE.yaml, or 'roster={hospital-a: train, ...}' "
            "by the names that the sites are registered with"
        )


def _start(connection: str, config: RunConfig) -> Path:
    with tracked(config.out, config.tracking):
        return _lead(connection, config)


def _lead(connection: str, config: RunConfig) -> Path:
    """Start the run; what it is sent does not say where it is shown, since every site receives it."""
    link, new = SuperLink(connection), not config.out.exists()
    for words in link.ending_certificates():
        print(f"{words}: cape-fed provision --renew signs a new one for the same key", file=sys.stderr)
    _note_place(config, connection, None)
    try:
        run = link.start({"cfg-json": config.model_dump_json(exclude={"tracking"}), "log-format": chosen_format()})
    except InputError:
        if new:
            shutil.rmtree(config.out)
        raise
    print(f"app {app_hash()}: sites run it that have approved it", file=sys.stderr)
    _note_place(config, connection, run)
    _follow(link, run, config.out)
    return config.out


def _note_place(config: RunConfig, connection: str, run: int | None) -> None:
    place = {"connection": connection, "run": run, "app": app_hash(), "tracking": config.tracking.model_dump()}
    with atomic_file(config.out / PLACE_FILE) as partial:
        partial.write_text(json.dumps(place) + "\n")


def _follow(link: SuperLink, run: int, out: Path) -> None:
    """Show a run until it ends; InputError or RunError, in the run's own words, where it ends badly."""
    asked = monotonic()
    with progress_bar("rounds") as bar:
        view = RoundsView(bar)
        try:
            lines, notes = _new_lines(RunDirectory(out).metrics), _new_lines(RunDirectory(out).log)
            while True:
                status = read_status(out)
                current = status if status.get("flower_run") == run else {}
                _show(view, current, next(lines), next(notes))
                if current.get("state") in ENDS:
                    break
                if current and not is_locked(out / LOCK_FILE):
                    _require_leader(link, run, out)
                if not current and monotonic() - asked > ASK:
                    _look_up(link, run, out)
                    asked = monotonic()
                sleep(LOOK)
        except KeyboardInterrupt:
            raise RunError(
                f"no longer followed; the run goes on: cape-fed run --resume {out}, flwr stop {run} {link.connection}"
            ) from None
    _conclude(current, out)


def _conclude(status: Mapping[str, Any], out: Path) -> None:
    """Say how a run ended; RunError or InputError, in the run's own words, where it did not finish."""
    if status["state"] == "finished":
        print(summary(status), file=sys.stderr)
        return
    if status["state"] == "stopped":
        raise StoppedError(f"{_how_far(status)} {status['reason']}: cape-fed run --resume {out} goes on with it")
    raise (InputError if status["code"] == 2 else RunError)(str(status["error"]))


def _how_far(status: Mapping[str, Any]) -> str:
    return f"after {status.get('rounds_done', 0)} of {status.get('rounds', '?')} rounds"


def _require_leader(link: SuperLink, run: int, out: Path) -> None:
    """StoppedError or LostError where nobody leads the run any more, though it has not said how it ended."""
    last = read_status(out)
    if last.get("flower_run") != run or last.get("state") in ENDS:
        return
    resume = f"cape-fed run --resume {out}"
    try:
        said = link.status(run)
    except (InputError, RunError):  # the SuperLink may be gone as well
        said = ""
    if said == STOPPED_RUN:
        raise StoppedError(f"{_how_far(last)} {STOPPED}: {resume} goes on with it")
    raise LostError(f"the process that led run {run} is gone {_how_far(last)}: {resume}")


def _look_up(link: SuperLink, run: int, out: Path) -> None:
    """RunError where the SuperLink has ended a run that never began to write, or is gone itself."""
    try:
        status = link.status(run)
    except InputError as error:
        raise RunError(f"{error}; once it is back: cape-fed run --resume {out}") from error
    if status == "finished:completed":
        raise RunError(f"run {run} is finished, and nothing of it is in {out}: it was led on another machine")
    if status == STOPPED_RUN:
        raise StoppedError(f"run {run} was stopped before it began: start it again")
    if status.startswith("finished"):
        raise RunError(f"run {run} {status}: flwr log {run} {link.connection} says why")


def _show(view: RoundsView, status: dict[str, Any], lines: list[str], notes: list[str]) -> None:
    for line in lines:
        view.add(json.loads(line))
    for note in notes:
        if (warning := read_warning(note)) is not None:
            view.note(warning)
    view.show(status)


def _new_lines(path: Path) -> Iterator[list[str]]:
    """Whole lines added to a file from now on, each time it is asked."""
    place = path.stat().st_size if path.exists() else 0
    while True:
        found: list[str] = []
        if path.exists():
            place = min(place, path.stat().st_size)  # a resumed run cuts lines off
            with path.open("rb") as file:
                found, place = whole_lines(file, place)
        yield found
