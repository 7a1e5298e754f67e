"""One federated run from joining to the bundle, over any engine's Grid."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from flwr.serverapp import Grid
from torch import Tensor

from cape_fed.coordinator.checkpoint import Facts, RunState, load_latest_round, new_state
from cape_fed.coordinator.correspondence import Correspondence
from cape_fed.coordinator.evaluation import EVALUATIONS_FILE, RULE
from cape_fed.coordinator.exchange import Exchange
from cape_fed.coordinator.figures import figures_of_round
from cape_fed.coordinator.membership import Membership
from cape_fed.coordinator.protection import protection_of
from cape_fed.coordinator.reporting import Reporting
from cape_fed.coordinator.rounds import Coordinator
from cape_fed.errors import InputError
from cape_fed.federation.fab import app_hash
from cape_fed.federation.messages import computing_code
from cape_fed.federation.plan import FederationPlan
from cape_fed.federation.roster import RosterEntry
from cape_fed.federation.transfer import look_again_soon
from cape_fed.logs import log_fields
from cape_fed.methods.private import check_private_run
from cape_fed.methods.registry import check_batch_statistics, make_method
from cape_fed.pretrain.encoder import Encoder
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.progress import Progress, no_progress
from cape_fed.release.bundle import write_bundle
from cape_fed.release.cohort_names import federated_name
from cape_fed.release.provenance import Selection
from cape_fed.rundir import RunDirectory
from cape_fed.status import Status
from cape_fed.store.counts import CohortCounts

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
    look_again_soon()
    check_private_run(plan.privacy, plan.pretraining, plan.federation)
    check_batch_statistics(plan.pretraining.norm, plan.federation)
    start = plan.start.tensors if plan.start else None
    state = (load_latest_round(run.checkpoints) if plan.resume else None) or new_state(plan.pretraining, start)
    with log_fields(run=state.facts.run):
        _lead_from(state, grid, plan, run, entries, status, progress)


def _lead_from(
    state: RunState,
    grid: Grid,
    plan: FederationPlan,
    run: RunDirectory,
    entries: Mapping[str, RosterEntry] | None,
    status: Status,
    progress: Progress,
) -> None:
    facts = state.facts
    _require_code(facts, accept=plan.other_code)
    run.truncate_lines(run.metrics, "round", facts.rounds_done)
    run.truncate_lines(run.path / EVALUATIONS_FILE, "round", facts.rounds_done)
    code = grid.run.fab_hash or app_hash()  # a simulation has no bundle that could have been sent
    _note_code(facts, code)
    reporting = Reporting(status, facts, plan.federation.rounds, code)

    def report(done: int, total: int, line: Mapping[str, object]) -> None:
        reporting.took_round(done)
        progress(done, total, line)

    exchange = Exchange(grid, reporting.wait)
    membership = Membership(
        grid,
        exchange,
        entries,
        plan.federation.name,
        facts.profile,
        set(facts.patients),
        private=plan.privacy.on,
        cohorts=dict(facts.cohorts),
    )
    reporting.membership = membership
    method = make_method(plan.federation.strategy, plan.federation.options, state.encoder_parameters())
    sites = Correspondence(plan, method, state, exchange, membership)
    membership.gather(
        plan.federation.join_deadline, lambda members: sites.lacking(member.name for member in members)
    )  # fmt: skip
    sites.refresh()
    if plan.start is not None and facts.profile is not None:
        plan.start.check_profile(facts.profile, "the federation")
        plan.start.check_unseen(facts.cohorts if plan.privacy.on else {})
        plan.start.check_ood(
            {
                federated_name(member.name, cohort): CohortCounts(records=size.records, patients=size.patients)
                for member in membership.online()
                if member.role == "evaluate"
                for cohort, size in member.cohorts.items()
            }
        )
    reporting.begin()
    for member in membership.online():
        log.info("run %s from round %d, role %s: site %s", facts.run, facts.rounds_done, member.role, member.name)
    Coordinator(plan, run, state, sites, status.update).lead(report)
    ended = f"all {plan.federation.rounds} rounds are done"
    _write_bundles(plan, run, state, ended)
    status.finish(ended)


def _note_code(facts: Facts, code: str) -> None:
    """Remember which app leads the run from here on, and say so where it is not the one that led it so far."""
    before = list(facts.code)
    if before and before[-1] != code:
        log.warning(
            "this run was led by app %s up to round %d and goes on with %s: its rounds are not all of one kind",
            before[-1], facts.rounds_done, code,
        )  # fmt: skip
    facts.code.setdefault(code, facts.rounds_done)


def _require_code(facts: Facts, *, accept: bool) -> None:
    """InputError where other code computed in this run so far than does now, unless that is accepted."""
    now, before = computing_code(), facts.led_by
    if before is not None and before != now:
        if not accept:
            raise InputError(
                f"this run was led by code {before}, and this is {now}, which may give other weights: resume with what "
                "led it, or accept this by --other-code (simulate: other_code=true)"
            )
        log.warning("code %s led this run up to round %d, %s does from here on", before, facts.rounds_done, now)
    facts.led_by = now


def _write_bundles(plan: FederationPlan, run: RunDirectory, state: RunState, ended: str) -> None:
    """Write the encoder of the last round as ``bundle``, and the best one by validation as ``bundle-best``."""
    facts = state.facts
    assert facts.profile is not None
    trained = {federated_name(site, cohort) for site, part in facts.participation.items() for cohort in part.cohorts}
    provenance = plan.provenance.model_copy(
        update={
            "cohorts": {name: counts for name, counts in facts.cohorts.items() if name in trained},
            "participation": dict(facts.participation),
            "rounds": facts.rounds_done,
            "code": dict(facts.code),
            "ended": ended,
            "privacy": protection_of(plan.privacy, facts.spending) if plan.privacy.on and facts.spending else None,
            "started_from": plan.start.provenance if plan.start else None,
            "evaluation": figures_of_round(run.path / EVALUATIONS_FILE, facts.rounds_done),
        }
    )
    write_bundle(run.bundle, _encoder(plan, state.encoder), facts.profile, provenance)
    if state.best:
        assert facts.best_round is not None
        assert facts.best_score is not None
        selected = Selection(rule=RULE, rounds=facts.best_round, score=facts.best_score)
        evaluated = figures_of_round(run.path / EVALUATIONS_FILE, facts.best_round)
        described = provenance.model_copy(update={"selected": selected, "evaluation": evaluated})
        write_bundle(run.best_bundle, _encoder(plan, state.best), facts.profile, described)


def _encoder(plan: FederationPlan, tensors: Mapping[str, Tensor]) -> Encoder:
    model = build_encoder(plan.pretraining.encoder_config)
    model.load_state_dict(dict(tensors))
    return model
