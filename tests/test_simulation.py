"""A simulation is the package's own, whatever lies in the working folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TinyStore
from tests.federation.helpers import make_cohorts


@pytest.mark.alone
@pytest.mark.slow
def test_names_in_the_working_folder_do_not_take_the_apps_place(tiny_store: TinyStore, tmp_path: Path) -> None:
    make_cohorts(tiny_store, ["a", "b"], [16, 16])
    folder = tmp_path / "elsewhere"
    (folder / "server").mkdir(parents=True)
    for file in (folder / "client.py", folder / "server" / "__init__.py"):
        file.write_text("raise RuntimeError('the wrong module')\n")
    command = [sys.executable, "-c", "from cape_fed.cli.main import main; main()", "simulate", "engine=flower"]
    command += [f"data.train=[{tmp_path}/a,{tmp_path}/b]", "train.pairs=8", "threads=1", f"out={tmp_path}/run"]
    command += ["federation.rounds=1", "federation.local_steps=1", "federation.evaluate=false"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "bundle" / "model.safetensors").is_file()
    assert "the wrong module" not in done.stderr
