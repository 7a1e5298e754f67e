"""Killed at any moment, a ledger opens again and is never below what was spent."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cape_fed.privacy.ledger import Ledger

KILLS = 50


@pytest.mark.slow
def test_killed_at_fifty_random_points_it_is_never_below_what_was_spent(tmp_path: Path) -> None:
    ledger, spent = Ledger(tmp_path / "privacy", "a", tmp_path / "head"), tmp_path / "spent"
    spent.touch()
    clock = random.Random(0)
    root = Path(__file__).resolve().parents[2]
    seen = 0
    for _ in range(KILLS):
        before = spent.stat().st_size
        process = subprocess.Popen([sys.executable, "-m", "tests.privacy.spender", str(tmp_path)], cwd=root)
        try:
            while process.poll() is None and spent.stat().st_size == before:
                time.sleep(0.002)  # until it works; then it is killed at some moment of its next steps
            time.sleep(clock.random() * 0.05)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        reserved = sum(entry.body["steps"] for entry in ledger.entries() if entry.kind == "reserved")
        done = len(spent.read_text().splitlines())
        assert done <= reserved <= done + KILLS
        assert reserved > seen
        seen = reserved
