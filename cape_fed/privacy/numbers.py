"""The numbers by which a learner tells what its private training has cost."""

from __future__ import annotations

PATIENTS = "patients"
"""Training patients: the weight of a reply, and the slots of a private run."""
PRIVATE_NUMBERS = frozenset({PATIENTS, "noise_multiplier", "sample_rate", "steps", "epsilon"})
"""What a site says of private training, all of it public: slots, and what the run's steps have cost there so far."""
