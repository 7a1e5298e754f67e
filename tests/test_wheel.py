"""The wheel owns one name, carries the Flower app inside it, and stages that app as a checkout does."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cape_fed import appfiles
from cape_fed.store.store import open_store
from tests.cli.test_tour import SMALL
from tests.environments import make_environment

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "hatchling" in done.stderr:
        pytest.skip("the build tool hatchling cannot be had here")
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.mark.slow
def test_a_wheel_owns_one_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
        assert "cape_fed/serving/open_inference_grpc.proto" in archive.namelist()
    assert {top for top in tops if not top.endswith(".dist-info")} == {"cape_fed"}


@pytest.mark.slow
def test_an_installed_package_stages_the_same_app_as_a_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = "import sys; from pathlib import Path; from cape_fed.appfiles import stage_app; stage_app(Path(sys.argv[1]))"
    command = [
        sys.executable,
        "-S",
        "-c",
        f"import sys; sys.path.insert(0, {str(site)!r}); {code}",
        str(tmp_path / "app"),
    ]
    subprocess.run(command, check=True, cwd=tmp_path)
    appfiles.stage_app(tmp_path / "expected")
    assert contents(tmp_path / "app") == contents(tmp_path / "expected")


@pytest.mark.slow
def test_a_plain_installation_has_all_that_the_library_needs(wheel: Path, tmp_path: Path) -> None:
    command = make_environment(tmp_path / "venv", wheel) / "cape-fed"
    assert said(command, "--help", folder=tmp_path).returncode == 0
    said(command, "synth", "archives", "--patients", "8", "--cohorts", "2", folder=tmp_path)
    store = ["archives/synth-a", "stores/a", "--format", "wfdb", "--cohort", "a"]
    assert said(command, "ingest", *store, folder=tmp_path).returncode == 0
    record = open_store(tmp_path / "stores" / "a").records[0]
    assert said(command, "inspect", "stores/a", "--plot", record, "a.png", folder=tmp_path).returncode == 0
    settings = ["data.train=[stores/a]", "out=runs/a"]
    for arguments, extra in (
        (["pretrain", *settings], "studies"),
        (["simulate", *settings], "federation"),
        (["demo"], "federation"),
    ):
        done = said(command, *arguments, folder=tmp_path)
        assert done.returncode == 2
        assert done.stderr.endswith(f"pip install 'cape-fed[{extra}]'\n"), done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_extra_for_federations_has_all_that_the_demo_needs(wheel: Path, tmp_path: Path) -> None:
    python = make_environment(tmp_path / "venv", wheel, "federation") / "python"
    code = f"from pathlib import Path; from cape_fed.cli.tour import take_tour; take_tour(Path('demo'), 0, 60, {SMALL})"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "demo" / "report" / "report.html").exists()


def said(command: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(command), *arguments], capture_output=True, text=True, check=False, cwd=folder)


def test_a_checkout_stages_code_and_configurations_and_nothing_else(tmp_path: Path) -> None:
    staged = contents(appfiles.stage_app(tmp_path / "app"))
    assert {path.split("/")[0] for path in staged} == {"cape_fed", "server", "client", "configs", "pyproject.toml"}
    assert {Path(path).suffix for path in staged} <= {".py", ".yaml", ".toml", ".j2", ".proto", ".typed"}


def test_an_installed_package_packs_the_same_app_as_a_checkout(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "cape_fed"
    shutil.copytree(appfiles.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in appfiles.FOLDERS:
        shutil.copytree(ROOT / folder, package / "_app" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", package / "_app")
    installed = appfiles.app_files(package, package / "_app")
    assert {"server/app.py", "client/app.py", "configs/config.yaml", "pyproject.toml"} <= installed.keys()
    assert read(installed) == read(appfiles.app_files(ROOT / "cape_fed", ROOT))


def read(files: dict[str, Path]) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in files.items()}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
