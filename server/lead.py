"""One federated run from joining to the bundle, over any engine's Grid."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from uuid import uuid4

from flwr.serverapp import Grid

from cape_fed.config import RunConfig
from cape_fed.federation.roster import Role, members_with
from cape_fed.pretrain.encoder import SIZES, Encoder
from cape_fed.release.bundle import write_bundle
from cape_fed.release.provenance import describe_run
from cape_fed.rundir import RunDirectory
from server.checkpoint import initial_encoder, load_latest_round
from server.joining import join_sites
from server.rounds import Coordinator, Progress

log = logging.getLogger(__name__)

METHOD = "federated"


def lead_run(
    grid: Grid, config: RunConfig, run: RunDirectory, roles: Mapping[str, Role] | None, progress: Progress
) -> None:
    """Lead the sites of ``roles`` (see `join_sites`) to a bundle, from the last checkpoint if resumed."""
    saved = load_latest_round(run.checkpoints) if config.resume else None
    name, start, encoder = saved or (uuid4().hex[:12], 0, initial_encoder(config.model, config.seed))
    run.truncate_metrics("round", start)
    roster = join_sites(grid, roles)
    for role in ("train", "evaluate"):
        names = ", ".join(member.name for member in members_with(roster.members, role))
        log.info("run %s from round %d, role %s: %s", name, start, role, names or "no site")
    final = Coordinator(grid, config, name, run, roster.members).lead(encoder, start, progress)
    model = Encoder(SIZES[config.model])
    model.load_state_dict(dict(final))
    cohorts = {cohort: counts.model_dump() for cohort, counts in roster.cohorts.items()}
    write_bundle(run.bundle, model, roster.profile, describe_run(config, METHOD, cohorts))
