"""The Flower ServerApp of the coordinator."""

from __future__ import annotations

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Lead the simulated sites of the configuration that the run config carries under ``cfg-json``."""
    # PyTorch is imported only when there is work.
    from cape_fed.config import RunConfig
    from cape_fed.rundir import RunDirectory
    from client.site import simulated_sites
    from server.lead import lead_run

    config = RunConfig.model_validate_json(str(context.run_config["cfg-json"]))
    run = RunDirectory(config.out)
    run.open(config.saved(), resume=config.resume)
    roles = {site.name: site.role for site in simulated_sites(config)}
    lead_run(grid, config, run, roles, lambda done, total, line: None)
