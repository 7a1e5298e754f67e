"""What a federated run is to do: the sections of a configuration that its coordinator receives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.federation.config import FederationConfig
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.privacy.config import PrivacyConfig
from cape_fed.release.provenance import Provenance

if TYPE_CHECKING:  # it imports PyTorch, for which --help does not wait
    from cape_fed.release.start import Start


@dataclass(frozen=True, slots=True)
class FederationPlan:
    """A federated run as its coordinator sees it."""

    pretraining: PretrainConfig
    """What sites train, and how."""
    federation: FederationConfig
    """Rounds, and what counts in them."""
    evaluation: EvaluateOptions
    """How the encoder is evaluated at the sites."""
    provenance: Provenance
    """What the bundle is to say of the run, without the cohorts, which are known once sites have joined."""
    resume: bool = False
    """Whether to go on from the last checkpoint."""
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)
    """What protects the patients of the training sites."""
    start: Start | None = None
    """What training begins with in place of random weights."""
    other_code: bool = False
    """Whether to go on although the checkpoint is of other code than this."""
