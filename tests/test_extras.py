"""Without Ray, the commands that run on it say so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HIDE = """
import importlib.util, sys
sys.modules["ray"] = None
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "ray" else find(name, *rest)
"""


def said(code: str, folder: Path) -> str:
    command = [sys.executable, "-c", HIDE + "from cape_fed.errors import InputError\ntry:\n    " + code
               + "\nexcept InputError as error:\n    print(error)"]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout


def test_what_runs_on_ray_names_it_where_it_is_missing(tmp_path: Path) -> None:
    missing = "runs on Ray, which is not installed: pip install 'cape-fed[ray]'"
    engine = "from cape_fed.federation.engines import run_flower; run_flower(None, None, 1, 1, 1)"
    assert f"engine=flower {missing}" in said(engine, tmp_path)
    cluster = "from cape_fed.study.launch import open_launcher; open_launcher(1, 'here:1').__enter__()"
    assert f"a cluster {missing}" in said(cluster, tmp_path)
