"""Seeds derived from names, so that nothing depends on time or on the order of arrival."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np


def derive_seed(seed: int, *names: str | int) -> int:
    """Mix a run seed with names (site, purpose, step ...) into a seed below 2**63."""
    text = "\0".join(str(part) for part in (seed, *names))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def derive_rng(seed: int, *names: str | int) -> np.random.Generator:
    """NumPy generator seeded by `derive_seed`."""
    return np.random.default_rng(derive_seed(seed, *names))
