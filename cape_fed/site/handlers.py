"""What a site does with a message that its policy admits: records for a reply, which still have to be released."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from time import perf_counter

import torch
from torch import Tensor

from cape_fed.federation.messages import (
    METRICS,
    MONITORS,
    Introduction,
    Records,
    computing_code,
    introduction_records,
    number_record,
)
from cape_fed.federation.tensors import update_records
from cape_fed.pretrain.cohorts import common_profile, open_stores
from cape_fed.pretrain.device import choose_device
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.privacy.numbers import PATIENTS
from cape_fed.privacy.rounding import count_roughly
from cape_fed.site import evaluation
from cape_fed.site.audit import last_hash
from cape_fed.site.config import SiteConfig
from cape_fed.site.incoming import Incoming
from cape_fed.site.policy import Policy
from cape_fed.site.private import Account, private_account
from cape_fed.site.state import save_local_state
from cape_fed.site.workplace import monitor, workplace
from cape_fed.store.counts import count_store

log = logging.getLogger(__name__)


def join(site: SiteConfig, *, rounded: bool = False) -> Records:
    """Say who this site is, what it lets itself be asked for, with which code and which cohorts.

    ``rounded`` counts are all that a private run learns of its training patients.
    """
    stores = open_stores(site.stores)
    count = count_roughly if rounded else count_store
    log.info("site %s joins to %s", site.name, site.role)
    return introduction_records(
        Introduction(
            site=site.name,
            role=site.role,
            source=computing_code(),
            profile=common_profile(stores),
            parts=site.limits.actions,
            audit=str(last_hash(site)) if site.own_process else None,
            cohorts={store.cohort: count(store) for store in stores},
        )
    )


def train(incoming: Incoming, policy: Policy) -> Records:
    """Take a round's local steps from the coordinator's encoder; of what is trained only encoder tensors go back.

    What is to be measured of the encoder as it comes is measured first, and travels in the same reply. In a private run
    nothing is measured, and the steps are in the site's ledger before the first of them.
    """
    if not incoming.request.privacy.on:
        return _look_at(incoming, _personal(incoming, policy.site), policy) | _train(incoming, policy.site)
    with private_account(incoming.request, policy.site) as account:
        return _train(incoming, policy.site, account)


def _train(incoming: Incoming, site: SiteConfig, account: Account | None = None) -> Records:
    """Records with the encoder after a round's local steps, and the numbers that go with it."""
    begin = perf_counter()
    request, method = incoming.request, incoming.method
    place = workplace(request, site, account.source if account else None)
    place.stand_before(request, site)
    learner = place.bench.learner
    place.next_round = None  # until this round is saved, what is in memory is the beginning of no round
    kept = method.begin(learner, incoming.encoder, place.kept, incoming.content)
    start = request.round * request.local_steps
    losses = [loss for _, loss in place.bench.train(start, start + request.local_steps)]
    place.kept, sent = method.end(learner, kept)
    save_local_state(
        site.run_folder(request.run), learner, request.round + 1, keep_from=request.saved_round, kept=place.kept
    )
    place.next_round = request.round + 1
    seconds = perf_counter() - begin
    log.info("site %s: round %d trained in %.1f s", site.name, request.round, seconds)
    patients = sum(pairs.patients for pairs in place.bench.pairs)
    plain = {"loss": float(torch.stack(losses).mean()), PATIENTS: patients, "seconds": seconds}
    update = update_records(learner.encoder.state_dict(), incoming.encoder, request.transport)
    return {METRICS: number_record(account.numbers if account else plain), **sent, **update}


def evaluate(incoming: Incoming, policy: Policy) -> Records:
    """Measure the coordinator's encoder, and score it with the coordinator's probes where there are some."""
    encoder = _personal(incoming, policy.site)
    records = _look_at(incoming, encoder, policy)
    return records | evaluation.score_probes(incoming, encoder, policy)


def _look_at(incoming: Incoming, tensors: Mapping[str, Tensor], policy: Policy) -> Records:
    """What is asked about the encoder as the site uses it: monitors, and sums towards probes where the site trains."""
    request, site = incoming.request, policy.site
    records: Records = {}
    if request.measure:
        encoder = build_encoder(request.config.encoder_config).to(choose_device(site.device))
        encoder.load_state_dict(dict(tensors))
        numbers = monitor(request, site).measure(encoder, site.limits.min_patients)
        if not numbers:
            log.warning("site %s: has too few patients for monitors and gives none", site.name)
        records[MONITORS] = number_record(numbers)
    if request.sums is not None and site.role == "train":
        records |= evaluation.give_sums(incoming, request.sums, tensors, policy)
    return records


def _personal(incoming: Incoming, site: SiteConfig) -> dict[str, Tensor]:
    """The encoder as this site uses it, with what the federated method keeps here."""
    if site.role != "train" or not incoming.method.personalises:
        return dict(incoming.encoder)
    place = workplace(incoming.request, site)
    place.stand_before(incoming.request, site)
    return incoming.method.personal(incoming.encoder, place.kept)
