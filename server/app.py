"""The Flower ServerApp of the coordinator."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from cape_fed.config import RunConfig

RUNS_VARIABLE = "CAPE_FED_RUNS"
"""Directory for runs that are started without ``out=``."""

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Lead the run that the run config describes; how it ended is in ``status.json`` of its directory."""
    # PyTorch is imported only when there is work.
    from cape_fed.coordinator.interruption import left_first
    from cape_fed.coordinator.lead import lead_run
    from cape_fed.coordinator.page import have_page_written
    from cape_fed.errors import InputError
    from cape_fed.federation.noted import note_run
    from cape_fed.logs import FORMATS, choose_format
    from cape_fed.rundir import RunDirectory
    from cape_fed.status import Status

    config = _config(context)
    for name in FORMATS:
        if context.run_config.get("log-format") == name:
            choose_format(name)
    run = RunDirectory(config.out)
    with left_first(), run.open(config.saved(), resume=config.resume):
        note_run(run.path)
        status = Status(run.path, flower_run=context.run_id)
        try:
            with status.ending():
                if config.roster is None:
                    raise InputError("a run on a SuperLink needs a roster: roster=FILE.yaml names its sites")
                lead_run(grid, config.federation_plan(), run, config.roster, status)
        finally:
            have_page_written(run.path)


def _config(context: Context) -> RunConfig:
    """The configuration under ``cfg-json``, or one composed from ``experiment`` and ``overrides``."""
    from cape_fed.compose import compose_config

    values = context.run_config
    if text := str(values.get("cfg-json", "")):
        return RunConfig.model_validate_json(text)
    overrides = shlex.split(str(values.get("overrides", "")))
    if not any(override.startswith("out=") for override in overrides):
        runs = Path(os.environ.get(RUNS_VARIABLE) or Path.home() / "cape-fed-runs")
        overrides.append(f"out={runs / str(context.run_id)}")
    return compose_config([f"experiment={values.get('experiment', 'small')}", *overrides])
