"""A site's private training: its ledger, the roster in force, and what one message may spend of it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cape_fed.errors import InputError
from cape_fed.federation.messages import Request
from cape_fed.lock import locked
from cape_fed.pretrain.cohorts import open_cohorts, open_stores
from cape_fed.privacy.accounting import Charge, epsilon_rdp, noise_for
from cape_fed.privacy.budget import (
    current_roster,
    earlier_rosters,
    expose,
    exposed_patients,
    freeze,
    reserve,
    run_charges,
)
from cape_fed.privacy.entropy import system_rng
from cape_fed.privacy.ledger import BudgetError, Ledger, LedgerError
from cape_fed.privacy.numbers import PATIENTS
from cape_fed.privacy.roster import (
    CohortRoster,
    Roster,
    find_slots,
    freeze_roster,
    patient_keys,
    renew_roster,
    split_of_roster,
)
from cape_fed.privacy.source import PrivateSource
from cape_fed.release.cohort_names import federated_name, same_cohort
from cape_fed.rundir import split_file
from cape_fed.site.config import LEDGER, SiteConfig
from cape_fed.site.ledger import ledger_of
from cape_fed.store.counts import count_store
from cape_fed.store.split import save_split
from cape_fed.store.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """What one message may spend: entered in the ledger before anything is computed."""

    source: PrivateSource
    numbers: dict[str, float | int]
    """What the coordinator is told, see `PRIVATE_NUMBERS`."""


@contextmanager
def private_account(request: Request, site: SiteConfig) -> Iterator[Account]:
    """Enter the message's steps in the ledger; no other process trains with it until the block ends.

    LedgerError where the ledger cannot be used, knows the message already, or allows no such steps.
    """
    ledger, stores = ledger_of(site), open_stores(site.stores)
    with _in_use(site):
        roster = roster_in_force(ledger, stores, request, site)
        _refuse_start(ledger, stores, request)
        yield _enter(ledger, roster, stores, request, site)


def roster_in_force(ledger: Ledger, stores: list[Store], request: Request, site: SiteConfig) -> Roster:
    """The roster that was frozen last, or one of the training patients of this run's split, frozen now.

    The split of a run is the roster's: whoever trains is in no other part.
    """
    roster, folder = current_roster(ledger), site.splits(request.run)
    if roster is not None:
        _save_splits(roster, stores, folder)
    else:
        cohorts = open_cohorts(site.stores, request.config.split, folder)
        roster = freeze_roster(stores, {cohort.name: cohort.split for cohort in cohorts}, system_rng())
        freeze(ledger, roster)
        log.info("site %s: a roster of %d patients is frozen", ledger.site, roster.size)
    for store in stores:
        if empty := find_slots(roster, store).empty:
            share = 1 - (1 - empty / len(roster.cohorts[store.cohort].slots)) ** request.privacy.block
            log.warning(
                "site %s, cohort %s: %d patients of the roster are gone, which voids %.0f %% of the blocks: "
                "'cape-fed site roster --renew' makes a new roster",
                ledger.site, store.cohort, empty, 100 * share,
            )  # fmt: skip
    return roster


def renew_site_roster(site: SiteConfig, *, unspent: bool) -> Roster:
    """Freeze a roster of who is in the stores now; with ``unspent`` without those whose ε is ∞.

    InputError where there is none to renew.
    """
    ledger, stores = ledger_of(site), open_stores(site.stores)
    with _in_use(site):
        earlier = earlier_rosters(ledger)
        if not earlier:
            raise InputError(f"site {site.name} has no roster yet: its first private run freezes one")
        without = exposed_patients(ledger) if unspent else frozenset()
        roster = renew_roster(earlier, stores, system_rng(), without)
        freeze(ledger, roster)
    return roster


def note_exposure(request: Request, site: SiteConfig, parts: Collection[str]) -> None:
    """Put down that something about patients leaves without differential privacy: their ε is ∞ from now on.

    ``parts`` of the split say whose, ``train``, ``valid`` and ``test``; where a site evaluates only it is everybody.
    """
    if site.role == request.role == "train":
        cohorts = open_cohorts(site.stores, request.config.split, site.splits(request.run))
        used = [(cohort.store, np.concatenate([getattr(cohort.split, part) for part in parts])) for cohort in cohorts]
    else:
        used = [(store, np.arange(len(store))) for store in open_stores(site.stores)]
    patients = _patients({store.cohort: patient_keys(store, rows) for store, rows in used})
    expose(ledger_of(site), patients, f"run {request.run} without differential privacy")


def _patients(keys: Mapping[str, Collection[str]]) -> Roster:
    """Patients by cohort as a ledger keeps them."""
    return Roster(cohorts={cohort: CohortRoster(slots=tuple(sorted(own))) for cohort, own in keys.items()})


def _refuse_start(ledger: Ledger, stores: list[Store], request: Request) -> None:
    """BudgetError where the run's first encoder had seen patients of this site without differential privacy.

    That is put down where it is this very store that was seen; a name alone is the coordinator's word.
    """
    for store in stores:
        counts = count_store(store)
        if same_cohort(federated_name(ledger.site, store.cohort), counts, request.seen):
            if any(seen.fingerprint == counts.fingerprint for seen in request.seen.values()):
                everybody = _patients({store.cohort: store.patient_keys})
                expose(ledger, everybody, f"run {request.run} began with an encoder that had seen {store.cohort}")
            raise BudgetError(
                f"site {ledger.site}: the run begins with an encoder that has seen cohort {store.cohort} without "
                "differential privacy, which nothing takes back"
            )


def _enter(ledger: Ledger, roster: Roster, stores: list[Store], request: Request, site: SiteConfig) -> Account:
    privacy = request.privacy
    delta = privacy.delta_for(roster.size)
    noise = _noise(ledger, request, delta)
    source = PrivateSource(stores, roster, privacy, noise, request.config.positives)
    if not source.batching.blocks:
        raise LedgerError(f"site {site.name}: its roster makes no block of {privacy.block} patients")
    spent = reserve(
        ledger,
        roster,
        Charge(noise, privacy.sample_rate, request.local_steps),
        run=request.run,
        request=request.id,
        cap=site.privacy.epsilon,
        planned=request.total_steps - request.round * request.local_steps,
    )
    numbers = {
        PATIENTS: roster.size,
        "noise_multiplier": noise,
        "sample_rate": privacy.sample_rate,
        "steps": sum(charge.steps for charge in spent),
        "epsilon": epsilon_rdp(spent, delta),
    }
    log.info(
        "site %s: %d private steps are entered for round %d; the run has cost ε = %.2f at δ = %.1e so far",
        site.name, request.local_steps, request.round, numbers["epsilon"], delta,
    )  # fmt: skip
    return Account(source, numbers)


def _noise(ledger: Ledger, request: Request, delta: float) -> float:
    """σ as the message gives it, else that of the run's earlier rounds, else the least that ends at its ε."""
    privacy = request.privacy
    if privacy.noise_multiplier is not None:
        return privacy.noise_multiplier
    if privacy.epsilon is None:
        raise LedgerError(f"site {ledger.site}: neither privacy.epsilon nor privacy.noise_multiplier was asked for")
    for charge in run_charges(ledger, request.run):
        if charge.sample_rate == privacy.sample_rate:
            return charge.noise_multiplier
    return noise_for(privacy.epsilon, delta, privacy.sample_rate, request.total_steps)


def _save_splits(roster: Roster, stores: list[Store], folder: Path) -> None:
    for store in stores:
        path = split_file(folder, store.cohort)
        if store.cohort in roster.cohorts and not path.exists():
            save_split(path, store, split_of_roster(roster, store))


@contextmanager
def _in_use(site: SiteConfig) -> Iterator[None]:
    with _refusing(site), locked(site.state / LEDGER / "in-use.lock"):
        yield


@contextmanager
def _refusing(site: SiteConfig) -> Iterator[None]:
    try:
        yield
    except LedgerError:
        raise
    except InputError as error:
        if "another process" not in str(error):
            raise
        raise LedgerError(f"site {site.name}: another process trains with this ledger") from error
