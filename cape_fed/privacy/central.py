"""Private training in one place: a roster and a ledger that belong to the run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_hex

from cape_fed.errors import InputError
from cape_fed.pretrain.central import CENTRAL
from cape_fed.pretrain.cohorts import Cohort
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.privacy.accounting import Charge, noise_for
from cape_fed.privacy.budget import current_roster, freeze, reserve, run_charges
from cape_fed.privacy.config import PrivacyConfig
from cape_fed.privacy.entropy import system_rng
from cape_fed.privacy.ledger import Ledger
from cape_fed.privacy.numbers import PATIENTS
from cape_fed.privacy.roster import Roster, freeze_roster
from cape_fed.privacy.source import PrivateSource

FOLDER = "privacy"
"""Folder of the ledger under the run directory."""


class CentralAccount:
    """What a central run may spend. Of other runs on the same patients it knows nothing."""

    def __init__(
        self, folder: Path, cohorts: Sequence[Cohort], pretraining: PretrainConfig, privacy: PrivacyConfig
    ) -> None:
        self.ledger = Ledger(folder / FOLDER, CENTRAL, folder / FOLDER / "head")
        self.privacy = privacy
        self.roster: Roster = current_roster(self.ledger) or self._freeze(cohorts)
        steps, delta = pretraining.train.steps, privacy.delta_for(self.roster.size)
        self.noise = privacy.noise_multiplier or _noise(privacy, delta, steps)
        stores = [cohort.store for cohort in cohorts]
        self.source = PrivateSource(stores, self.roster, privacy, self.noise, pretraining.positives)

    def enter(self, steps: int) -> None:
        """Put steps down before the first of them is taken; a run that is taken up again enters the rest once more."""
        charge = Charge(self.noise, self.privacy.sample_rate, steps)
        reserve(self.ledger, self.roster, charge, run=CENTRAL, request=token_hex(16), cap=math.inf)

    def numbers(self) -> Mapping[str, float]:
        """What the run has cost, as sites tell it."""
        steps = sum(charge.steps for charge in run_charges(self.ledger, CENTRAL))
        return {
            PATIENTS: self.roster.size,
            "noise_multiplier": self.noise,
            "sample_rate": self.privacy.sample_rate,
            "steps": steps,
        }

    def _freeze(self, cohorts: Sequence[Cohort]) -> Roster:
        stores = [cohort.store for cohort in cohorts]
        roster = freeze_roster(stores, {cohort.name: cohort.split for cohort in cohorts}, system_rng())
        freeze(self.ledger, roster)
        return roster


def _noise(privacy: PrivacyConfig, delta: float, steps: int) -> float:
    if privacy.epsilon is None:
        raise InputError("privacy=patient needs privacy.epsilon or privacy.noise_multiplier")
    return noise_for(privacy.epsilon, delta, privacy.sample_rate, steps)
