"""The Flower ServerApp of the coordinator."""

from __future__ import annotations

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Lead the run that the run config describes under ``cfg-json``, with the sites that join in their own roles."""
    # PyTorch is imported only when there is work.
    from cape_fed.config import RunConfig
    from cape_fed.rundir import RunDirectory
    from server.lead import lead_run

    config = RunConfig.model_validate_json(str(context.run_config["cfg-json"]))
    run = RunDirectory(config.out)
    with run.open(config.saved(), resume=config.resume):
        lead_run(grid, config, run, None, lambda done, total, line: None)
