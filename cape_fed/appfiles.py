"""Where the files of the Flower app are that are no part of the package: server, client, configs, pyproject.toml."""

from __future__ import annotations

import shutil
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
_CARRIED = PACKAGE / "_app"
"""In an installed wheel they travel inside the package, so that it owns no other name in site-packages."""

ROOT = _CARRIED if _CARRIED.is_dir() else PACKAGE.parent
CONFIGS = ROOT / "configs"
FOLDERS = ("server", "client", "configs")


def app_files(package: Path = PACKAGE, root: Path = ROOT) -> dict[str, Path]:
    """The files that run on every machine of a federation, by their names in the app: code, configurations, pyproject.

    `[tool.flwr.app] fab-include` in pyproject.toml names the same ones.
    """
    code = ((package.parent, package), (root, root / "server"), (root, root / "client"))
    carried = package / _CARRIED.name
    found = [
        (base, path)
        for base, folder in code
        for path in folder.rglob("*.py")
        if folder != package or carried not in path.parents
    ]
    found += [(root, path) for path in (root / "configs").rglob("*.yaml")]
    found.append((root, root / "pyproject.toml"))
    return dict(sorted((path.relative_to(base).as_posix(), path) for base, path in found))


def stage_app(target: Path) -> Path:
    """Copy what Flower's bundle of the app is built from to ``target``: code and configurations, nothing else."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", _CARRIED.name)
    shutil.copytree(PACKAGE, target / PACKAGE.name, ignore=ignore)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, target / folder, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", target / "pyproject.toml")
    return target
