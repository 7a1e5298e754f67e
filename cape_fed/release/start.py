"""The encoder that a run begins with in place of random weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from cape_fed.errors import InputError
from cape_fed.pretrain.encoder import EncoderConfig
from cape_fed.release.bundle import load_encoder
from cape_fed.release.cohort_names import same_cohort
from cape_fed.release.provenance import Provenance
from cape_fed.signal.profile import Profile
from cape_fed.store.counts import CohortCounts


@dataclass(frozen=True, slots=True)
class Start:
    """An encoder and how it came about."""

    tensors: dict[str, Tensor]
    provenance: Provenance
    profile: Profile
    """The preprocessing that it was trained with."""

    def check_profile(self, profile: Profile, where: str) -> None:
        """InputError where ``profile`` is another one."""
        if profile.hash != self.profile.hash:
            raise InputError(f"start= was trained with profile {self.profile.name}, {where} has {profile.name}")

    def check_ood(self, cohorts: Mapping[str, CohortCounts]) -> None:
        """InputError where it was trained on one of ``cohorts``, which are to be out of distribution."""
        for name, counts in cohorts.items():
            if any(same_cohort(name, counts, run.cohorts) for run in (self.provenance, *self.provenance.earlier)):
                raise InputError(f"start= was trained on {name}: what begins with it cannot be evaluated there as OOD")

    def check_unseen(self, cohorts: Mapping[str, CohortCounts]) -> None:
        """InputError where it was trained on one of ``cohorts`` without differential privacy: their ε is ∞ already."""
        seen = self.provenance.unprotected
        if known := sorted(name for name, counts in cohorts.items() if same_cohort(name, counts, seen)):
            raise InputError(
                f"privacy=patient: start= was trained on {', '.join(known)} without differential privacy, which "
                "nothing takes back: begin with an encoder that has not seen these patients"
            )


def load_start(bundle: Path | None, encoder: EncoderConfig) -> Start | None:
    """The encoder of a bundle; None where none is given, InputError where it is not of the kind that is trained."""
    if bundle is None:
        return None
    loaded = load_encoder(bundle)
    if loaded.encoder.config != encoder:
        raise InputError(
            f"start={bundle} holds another encoder than the one that is trained: set model and norm as it has"
        )
    tensors = {name: value.detach().cpu().clone() for name, value in loaded.encoder.state_dict().items()}
    return Start(tensors, loaded.provenance, loaded.profile)
