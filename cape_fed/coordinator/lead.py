"""One federated run from joining to the bundle, over any engine's Grid."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from flwr.serverapp import Grid
from torch import Tensor

from cape_fed.config import RunConfig
from cape_fed.coordinator.checkpoint import RunState, load_latest_round, new_state
from cape_fed.coordinator.correspondence import Correspondence
from cape_fed.coordinator.evaluation import EVALUATIONS_FILE, RULE
from cape_fed.coordinator.exchange import Exchange
from cape_fed.coordinator.membership import Membership
from cape_fed.coordinator.rounds import Coordinator, Progress
from cape_fed.federation.config import check_batch_statistics
from cape_fed.federation.roster import RosterEntry
from cape_fed.pretrain.encoder import Encoder, build_encoder, encoder_config
from cape_fed.release.bundle import write_bundle
from cape_fed.release.provenance import describe_run
from cape_fed.rundir import RunDirectory
from cape_fed.status import Status

log = logging.getLogger(__name__)

METHOD = "federated"


def lead_run(
    grid: Grid,
    config: RunConfig,
    run: RunDirectory,
    entries: Mapping[str, RosterEntry] | None,
    status: Status,
    progress: Progress = lambda done, total, line: None,
) -> None:
    """Lead the sites of ``entries`` (see `Membership`) to a bundle, from the last checkpoint if resumed."""
    check_batch_statistics(config.norm, config.federation)
    state = (load_latest_round(run.checkpoints) if config.resume else None) or new_state(config)
    facts = state.facts
    run.truncate_lines(run.metrics, "round", facts.rounds_done)
    run.truncate_lines(run.path / EVALUATIONS_FILE, "round", facts.rounds_done)

    def waiting(answered: int, asked: int, silent: list[str]) -> None:
        status.update(answered=answered, asked=asked, silent=silent)

    def report(done: int, total: int, line: dict[str, object]) -> None:
        status.update(rounds_done=done)
        progress(done, total, line)

    status.update(run=facts.run, rounds=config.federation.rounds, rounds_done=facts.rounds_done)
    exchange = Exchange(grid, waiting)
    membership = Membership(grid, exchange, entries, facts.profile, set(facts.patients), cohorts=dict(facts.cohorts))
    sites = Correspondence(config, state, exchange, membership)
    membership.gather(config.federation.join_deadline, lambda there: sites.lacking(m.name for m in there))
    sites.refresh()
    status.update(state="running")
    for member in membership.online():
        log.info("run %s from round %d, role %s: site %s", facts.run, facts.rounds_done, member.role, member.name)
    Coordinator(config, run, state, sites).lead(report)
    _write_bundles(config, run, state)
    status.update(state="finished")


def _write_bundles(config: RunConfig, run: RunDirectory, state: RunState) -> None:
    """The encoder after the last round as ``bundle``, the one that validation found best beside it."""
    facts = state.facts
    assert facts.profile is not None
    cohorts = {cohort: counts.model_dump() for cohort, counts in facts.cohorts.items()}
    provenance = describe_run(config, METHOD, cohorts)
    write_bundle(run.bundle, _encoder(config, state.encoder), facts.profile, provenance)
    if state.best:
        rule = {"rule": RULE, "rounds": facts.best_round, "score": facts.best_score}
        write_bundle(run.best_bundle, _encoder(config, state.best), facts.profile, {**provenance, "selected": rule})


def _encoder(config: RunConfig, tensors: Mapping[str, Tensor]) -> Encoder:
    model = build_encoder(encoder_config(config))
    model.load_state_dict(dict(tensors))
    return model
