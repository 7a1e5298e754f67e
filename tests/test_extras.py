"""Where an extra is missing, the command that needs it names the extra in one line."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.extras import BROUGHT_BY, explain, require
from cape_fed.federation.engines import run_flower
from cape_fed.site.app import make_client_app
from cape_fed.study.launch import open_launcher

ROOT = Path(__file__).resolve().parents[1]
HIDE = """
import sys
hidden, *arguments = sys.argv[1:]
sys.modules.update(dict.fromkeys(hidden.split(",")))
from cape_fed.cli.main import main
main(arguments)
"""
OPTIONAL = (*BROUGHT_BY, "ray")


def run_without(modules: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a process that cannot import ``modules``."""
    command = [sys.executable, "-c", HIDE, modules, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def extras() -> dict[str, list[str]]:
    found: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    return {name: [plain(re.split(r"[^A-Za-z0-9_.-]", line)[0]) for line in lines] for name, lines in found.items()}


def plain(distribution: str) -> str:
    return distribution.lower().replace("_", "-")


@pytest.mark.parametrize(("module", "extra"), BROUGHT_BY.items())
def test_an_extra_brings_the_modules_that_it_is_named_for(module: str, extra: str) -> None:
    distributions = ["hydra-core"] if module == "omegaconf" else packages_distributions()[module]  # Hydra brings it
    assert {plain(name) for name in distributions} & set(extras()[extra])


def test_what_is_missing_is_said_with_its_extra() -> None:
    with pytest.raises(InputError, match=r"^--to x needs nosuch, .*: pip install 'cape-fed\[onnx\]'$"):
        require("onnx", "nosuch", "--to x")
    require("onnx", "json", "--to x")
    assert explain(ModuleNotFoundError(name="flwr.app")) == (
        "this needs flwr, which is not installed: pip install 'cape-fed[federation]'"
    )
    assert explain(ModuleNotFoundError(name="nosuch")) is None


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [
        ("flwr", ["simulate", "data.train=[a,b]", "out=runs/fed"], "federation"),
        ("cryptography", ["provision", "federation.yaml", "kits"], "federation"),
        ("grpc_tools", ["serve", "runs/fed/bundle"], "serve"),
        ("hydra", ["pretrain", "data.train=[a]", "out=runs/idb"], "studies"),
        ("optuna", ["search", "recipe", "out=searches/recipe"], "search"),
    ],
)
def test_a_command_without_its_extra_ends_in_one_line(
    module: str, arguments: list[str], extra: str, tmp_path: Path
) -> None:
    done = run_without(module, *arguments, folder=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("cape-fed: ")
    assert f" needs {module}, which is not installed: pip install 'cape-fed[{extra}]'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_what_runs_on_ray_names_it_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    missing = r"needs ray, which is not installed: pip install 'cape-fed\[ray\]'"
    with pytest.raises(InputError, match=f"engine=flower {missing}"):
        run_flower(lambda grid: None, make_client_app(pytest.fail), 1, 1, 1)
    with pytest.raises(InputError, match=f"--ray {missing}"), open_launcher(1, "here:1"):
        pass


def test_help_needs_no_extra(tmp_path: Path) -> None:
    assert run_without(",".join(OPTIONAL), "--help", folder=tmp_path).returncode == 0


def test_the_status_of_a_run_needs_no_extra(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text('{"state": "finished", "rounds": 3, "rounds_done": 3}')
    done = run_without(",".join(OPTIONAL), "status", ".", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "is finished (3 of 3 rounds done)" in done.stdout
