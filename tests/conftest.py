"""Fixtures that several packages' tests share."""

from __future__ import annotations

import logging
import os
import signal
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from cape_fed.signal.profile import get_profile
from cape_fed.store.store import Store, write_store

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # What a shell starts in the background ignores it, and so would all that tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")  # how long an example takes depends on what else the machine does

TinyStore = Callable[..., Store]
DEPLOYMENTS = Path(__file__).with_name("deployment")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if DEPLOYMENTS in item.path.parents:
            item.add_marker(pytest.mark.alone)


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    """A command that runs within a test sends logs to the standard error of that test, which is closed after it."""
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    yield
    root.setLevel(before[0])
    for handler in [handler for handler in root.handlers if handler not in before[1]]:
        root.removeHandler(handler)
    for handler in [handler for handler in before[1] if handler not in root.handlers]:
        root.addHandler(handler)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real recordings; tests that use it are skipped where there is none."""
    default = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("CAPE_FED_REAL_DATA", default))
    if not (folder / "ptbxl").is_dir():
        pytest.skip(f"no real recordings at {folder}: set CAPE_FED_REAL_DATA")
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """PyTorch on one thread, so that small tests neither wait for each other nor differ in the last bit."""
    import torch  # seconds that most packages' tests do without

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny_store(tmp_path: Path) -> TinyStore:
    """Factory of small stores of random signals.

    ``tiny_store("a", patients=20)`` writes ``tmp_path/a``: 1 to 3 records a patient in shuffled order, ages, sexes
    and two labels, AF for all and LVH for about half. ``signals`` and further columns (``patient=[...]``) replace
    what is drawn. Seed and name choose what is drawn.
    """

    def make(
        name: str = "cohort",
        *,
        patients: int = 12,
        repeats: Sequence[int] = (1, 2, 3),
        profile: str = "compact100",
        seed: int = 0,
        signals: np.ndarray | None = None,
        **columns: Any,
    ) -> Store:
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        owner = rng.permutation(np.repeat(np.arange(patients), rng.choice(repeats, patients)))
        if signals is None:
            signals = rng.normal(0, 300, (len(owner), 12, get_profile(profile).samples)).astype(np.int16)
        if len(signals) != len(owner):
            owner = np.arange(len(signals)) % patients
        count = len(signals)
        drawn = {
            "record": [f"{name}-{row:05d}" for row in range(count)],
            "patient": [f"{name}{patient:08x}" for patient in owner],
            "age": rng.integers(18, 90, patients)[owner].astype(np.float32),
            "sex": np.array(["F", "M"], object)[rng.integers(0, 2, patients)][owner],
            "AF": rng.random(count) < 0.3,
            "LVH": [None if rng.random() < 0.5 else bool(rng.random() < 0.5) for _ in range(count)],
        }
        return write_store(tmp_path / name, cohort=name, profile=profile, signals=signals, records=drawn | columns)

    return make
