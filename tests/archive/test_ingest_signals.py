"""Ingest in a process of its own that is interrupted, killed and run again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cape_fed.archive.ingest import ingest_archive
from cape_fed.store.format import StoreFiles
from tests.archive.fake import FakeReader, recipe

READER = FakeReader(120)
PROGRAM = """
import sys
from pathlib import Path
from cape_fed.archive.ingest import ingest_archive
from tests.archive.fake import FakeReader, recipe

def report(done, total):
    print(done, flush=True)

if __name__ == "__main__":
    here = Path(sys.argv[1])
    plan = recipe(here / "archive", FakeReader(120))
    ingest_archive(plan, here / "store", workers=2, chunk_records=2, report=report)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_same_store_after_a_signal_to_the_whole_group(tmp_path: Path, how: signal.Signals) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    run = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert run.stdout is not None
    first = run.stdout.readline()
    # SIGKILL goes to the parent alone: the workers must notice and end, or the pipe of stdout would stay open
    (os.killpg if how is signal.SIGINT else os.kill)(run.pid, how)
    _, err = run.communicate(timeout=60)
    assert int(first) < 120, err
    assert run.returncode == -how or "KeyboardInterrupt" in err
    assert err.count("Traceback") <= 1
    assert not (tmp_path / "store").exists()
    done = ingest_archive(recipe(tmp_path / "archive", READER), tmp_path / "store", chunk_records=2)
    assert done.records_read < 120
    ingest_archive(recipe(tmp_path / "archive", READER), tmp_path / "other")
    for path, whole in zip(StoreFiles.of(tmp_path / "store"), StoreFiles.of(tmp_path / "other"), strict=True):
        assert path.read_bytes() == whole.read_bytes()
