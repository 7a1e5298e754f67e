"""What the reply of one site to a round of training comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Changes = Mapping[str, NDArray[np.float64]]
"""By how much each tensor changes, by name."""


@dataclass(frozen=True, slots=True)
class Update:
    """How a site changes the encoder, and what its federated method sent with it."""

    site: str
    changes: Changes
    weight: int
    """Number of training patients that the site counts for."""
    extra: Changes = field(default_factory=dict)
    """Arrays that belong to the federated method, such as the change of a control variate; empty for most methods."""
    share: float = 1.0
    """How much of ``extra`` counts."""
