"""The numbers by which a learner tells what its private training has cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PATIENTS = "patients"
"""Training patients: the weight of a reply, and the slots of a private run."""
TRAINING_NUMBERS = frozenset({"loss", PATIENTS, "seconds"})
"""What a site says of a round of training without privacy."""
PRIVATE_NUMBERS = frozenset({PATIENTS, "noise_multiplier", "sample_rate", "steps", "epsilon"})
"""What a site says of private training, all of it public: slots, and what the run's steps have cost there so far."""
LEAST_NOISE = 1e-6
"""Of noise multipliers: with less there is no noise to speak of, and none that an accountant can count with."""


def are_charges(numbers: Mapping[str, Any]) -> bool:
    """Whether ε can be computed from these `PRIVATE_NUMBERS`."""
    steps = numbers["steps"]
    return (
        numbers["noise_multiplier"] >= LEAST_NOISE
        and 0 < numbers["sample_rate"] <= 1
        and isinstance(steps, int)
        and steps > 0
        and numbers["epsilon"] >= 0
    )
