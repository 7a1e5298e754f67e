"""What one site's reply to a round comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Changes = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Update:
    """How a site changes the encoder and, under SCAFFOLD, its control variate."""

    site: str
    changes: Changes
    weight: int
    """Training patients it counts for."""
    control: Changes | None = None
