"""What a site keeps in memory between the messages of a run: its learner, its monitor, and where they stand."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np

from cape_fed.federation.messages import Request
from cape_fed.methods.base import Kept
from cape_fed.pretrain.augment import Augmentation
from cape_fed.pretrain.cohorts import open_cohorts, open_stores
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.device import choose_device
from cape_fed.pretrain.monitor import Monitor
from cape_fed.pretrain.workbench import Workbench
from cape_fed.privacy.source import PrivateSource
from cape_fed.site.config import SiteConfig
from cape_fed.site.state import load_local_state

log = logging.getLogger(__name__)


@dataclass
class Workplace:
    """A training site's workbench in one run."""

    bench: Workbench
    kept: Kept = field(default_factory=dict)
    """What the federated method keeps at the site."""
    next_round: int | None = 0
    """The round before which the learner in memory stands; None while a round is under way.

    The state before another round is read from the site's files.
    """

    def stand_before(self, request: Request, site: SiteConfig) -> None:
        """Bring head and optimiser to where they were before the round that is asked for.

        A site that missed rounds goes on from where it last was; one that never took part begins with new ones.
        """
        if self.next_round == request.round:
            return
        found = load_local_state(site.run_folder(request.run), self.bench.learner, request.round)
        self.next_round = request.round
        if found is None:
            self.kept = {}
            self.bench.renew_learner()
        else:
            _, self.kept = found
        last = found[0] if found else None
        if request.round and last != request.round:
            state = "new" if last is None else f"those of round {last}"
            log.warning(
                "site %s took no part before round %d: its head and optimiser are %s", site.name, request.round, state
            )


_Key = tuple[str, int, PretrainConfig, SiteConfig, PrivateSource | None]
_workplaces: dict[str, tuple[_Key, Workplace]] = {}
_monitors: dict[str, tuple[tuple[PretrainConfig, SiteConfig], Monitor]] = {}
"""By the site's directory: a process may serve many sites, each in one run at a time."""


def workplace(request: Request, site: SiteConfig, source: PrivateSource | None = None) -> Workplace:
    """The site's workplace in the run that is asked for; it takes the place of the one of another run.

    ``source`` is where a private run's gradients come from: a new one for every message, with a workplace of its own.
    """
    key = (request.run, request.total_steps, request.config, site, source)
    where = str(site.state)
    if where not in _workplaces or _workplaces[where][0] != key:
        cohorts = open_cohorts(site.stores, request.config.split, site.splits(request.run))
        device = choose_device(site.device)
        bench = Workbench(request.config, site.name, cohorts, request.total_steps, device, source=source)
        for cohort, share in bench.pair_kinds().items() if source is None else ():
            log.info(
                "site %s, cohort %s: %.1f%% of pairs are two records of one patient", site.name, cohort, 100 * share
            )
        _workplaces[where] = (key, Workplace(bench))
    return _workplaces[where][1]


def monitor(request: Request, site: SiteConfig) -> Monitor:
    """Measures an encoder on validation patients where the site trains, otherwise on any of its patients."""
    if site.role == "train":
        return workplace(request, site).bench.monitor
    key, where = (request.config, site), str(site.state)
    if where not in _monitors or _monitors[where][0] != key:
        stores = open_stores(site.stores)
        rows = [np.arange(len(store)) for store in stores]
        augmentation = Augmentation(request.config.augment, stores[0].profile.fs)
        made = Monitor(stores, rows, augmentation, request.config.seed, choose_device(site.device))
        _monitors[where] = (key, made)
    return _monitors[where][1]


def forget_workplaces() -> None:
    """Drop all that is kept in memory, as the end of the process does."""
    _workplaces.clear()
    _monitors.clear()
