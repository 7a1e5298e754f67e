"""One federated run from joining to the bundle, over any engine's Grid."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from flwr.serverapp import Grid
from torch import Tensor

from cape_fed.coordinator.checkpoint import RunState, load_latest_round, new_state
from cape_fed.coordinator.correspondence import Correspondence
from cape_fed.coordinator.evaluation import EVALUATIONS_FILE, RULE
from cape_fed.coordinator.exchange import Exchange
from cape_fed.coordinator.membership import Membership
from cape_fed.coordinator.rounds import Coordinator
from cape_fed.federation.plan import FederationPlan
from cape_fed.federation.roster import RosterEntry
from cape_fed.methods.registry import check_batch_statistics, make_method
from cape_fed.pretrain.encoder import Encoder
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.progress import Progress, no_progress
from cape_fed.release.bundle import write_bundle
from cape_fed.release.provenance import Selection
from cape_fed.rundir import RunDirectory
from cape_fed.status import Status

log = logging.getLogger(__name__)


def lead_run(
    grid: Grid,
    plan: FederationPlan,
    run: RunDirectory,
    entries: Mapping[str, RosterEntry] | None,
    status: Status,
    progress: Progress = no_progress,
) -> None:
    """Lead the sites of ``entries`` (see `Membership`) to a bundle, from the last checkpoint if the plan resumes."""
    check_batch_statistics(plan.pretraining.norm, plan.federation)
    state = (load_latest_round(run.checkpoints) if plan.resume else None) or new_state(plan.pretraining)
    facts = state.facts
    run.truncate_lines(run.metrics, "round", facts.rounds_done)
    run.truncate_lines(run.path / EVALUATIONS_FILE, "round", facts.rounds_done)

    def waiting(answered: int, asked: int, silent: list[str]) -> None:
        status.update(answered=answered, asked=asked, silent=silent)

    def report(done: int, total: int, line: Mapping[str, object]) -> None:
        status.update(rounds_done=done, audits=membership.audits)
        progress(done, total, line)

    status.update(run=facts.run, rounds=plan.federation.rounds, rounds_done=facts.rounds_done)
    exchange = Exchange(grid, waiting)
    membership = Membership(
        grid, exchange, entries, plan.federation.name, facts.profile, set(facts.patients), cohorts=dict(facts.cohorts)
    )
    method = make_method(plan.federation.strategy, plan.federation.options, state.encoder_parameters())
    sites = Correspondence(plan, method, state, exchange, membership)
    membership.gather(
        plan.federation.join_deadline, lambda members: sites.lacking(member.name for member in members)
    )  # fmt: skip
    sites.refresh()
    status.update(state="running", audits=membership.audits)
    for member in membership.online():
        log.info("run %s from round %d, role %s: site %s", facts.run, facts.rounds_done, member.role, member.name)
    Coordinator(plan, run, state, sites).lead(report)
    _write_bundles(plan, run, state)
    status.update(state="finished")


def _write_bundles(plan: FederationPlan, run: RunDirectory, state: RunState) -> None:
    """Write the encoder of the last round as ``bundle``, and the best one by validation as ``bundle-best``."""
    facts = state.facts
    assert facts.profile is not None
    provenance = plan.provenance.model_copy(update={"cohorts": dict(facts.cohorts)})
    write_bundle(run.bundle, _encoder(plan, state.encoder), facts.profile, provenance)
    if state.best:
        assert facts.best_round is not None
        assert facts.best_score is not None
        selected = Selection(rule=RULE, rounds=facts.best_round, score=facts.best_score)
        described = provenance.model_copy(update={"selected": selected})
        write_bundle(run.best_bundle, _encoder(plan, state.best), facts.profile, described)


def _encoder(plan: FederationPlan, tensors: Mapping[str, Tensor]) -> Encoder:
    model = build_encoder(plan.pretraining.encoder)
    model.load_state_dict(dict(tensors))
    return model
