"""An archive that is made up as it is read, with records that go wrong in every way ingest must survive."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cape_fed.archive.base import Entry, RawRecord, RecordError
from cape_fed.archive.plan import Recipe
from cape_fed.signal.profile import get_profile

FS = (100.0, 257.0, 500.0)
SALT = bytes(range(32))


@dataclass(frozen=True)
class FakeReader:
    """Record ``i`` is patient ``i // 2``; ``behaviour`` says what is special about some of them by name."""

    records: int = 40
    behaviour: tuple[tuple[str, str], ...] = ()
    version: str = "1"
    explicit_labels: frozenset[str] = frozenset({"CHAGAS"})
    name: str = "fake"

    def entries(self, root: Path) -> Iterator[Entry]:
        for number in range(self.records):
            yield Entry(f"r{number:04d}", {"number": number, "version": self.version})

    def read(self, root: Path, entry: Entry, seconds: float | None = None) -> RawRecord:
        number: int = entry.locator["number"]
        kind = dict(self.behaviour).get(entry.record, "")
        _misbehave(kind, root, number)
        like = int(kind.removeprefix("copy-of-")) if kind.startswith("copy-of-") else number
        fs = FS[like % 3]
        signal_mv = ecg(like, fs)
        if kind == "flat":
            signal_mv[:] = 0
        if kind == "flat-lead":
            signal_mv[4] = 0.001 * np.sin(np.arange(signal_mv.shape[1]))
        return RawRecord(
            record=entry.record,
            patient=None if kind == "no-id" else f"p{number // 2}",
            age=None if number % 5 == 0 else 20.0 + number % 60,
            sex=("F", "M", None)[number % 3],
            labels={"AF": number % 4 == 0, "LVH": False, "CHAGAS": False},
            signal_mv=signal_mv[:, : int(fs * seconds)] if seconds else signal_mv,
            fs=fs,
            notes=("ODD",) if number % 10 == 0 else (),
        )


def ecg(seed: int, fs: float) -> np.ndarray:
    """Twelve leads of 12 s of noise in the voltage range of an ECG, seeded."""
    return np.random.default_rng(seed).normal(0, 0.3, (12, int(12 * fs))).astype(np.float32)


def _misbehave(kind: str, root: Path, number: int) -> None:
    match kind:
        case "unreadable":
            raise RecordError("TRUNCATED", "signal file ends early")
        case "crash":
            raise ZeroDivisionError("in the middle of a header")
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hangs":
            threading.Event().wait()
        case "killed-once" if not (root / f"killed-{number}").exists():
            (root / f"killed-{number}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        case "interrupted-once" if not (root / "interrupted").exists():
            (root / "interrupted").touch()
            raise KeyboardInterrupt


def recipe(root: Path, reader: FakeReader, **options: object) -> Recipe:
    """A recipe over a made-up archive at ``root``."""
    root.mkdir(exist_ok=True)
    chosen = {"cohort": "fake", "namespace": "fake", "profile": get_profile("compact100"), "salt": SALT} | options
    return Recipe(root=root, reader=reader, **chosen)  # type: ignore[arg-type]
