"""The names that a machine has for itself: who listens there is reached by nobody else."""

from __future__ import annotations

ADDRESS = "127.0.0.1"
LOOPBACK = (ADDRESS, "localhost", "::1")
