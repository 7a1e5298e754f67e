"""Dependencies point one way: the order that CONTRIBUTING.md gives is the one that the imports keep."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ORDER = (
    (
        "errors",
        "seeds",
        "section",
        "vocabulary",
        "appfiles",
        "progress",
        "chain",
        "logs",
        "loopback",
        "parts",
        "terminal",
    ),
    ("clock", "expiry", "files", "lock", "extras"),
    ("checkpoints",),
    ("rundir",),
    ("status",),
    ("report",),
    ("signal",),
    ("store",),
    ("plot", "monitoring", "tracking"),
    ("archive", "synthetic"),
    ("pretrain",),
    ("release", "privacy"),
    ("evaluate", "export", "serving"),
    ("federation",),
    ("methods",),
    ("coordinator", "site", "provision"),
    ("finetune",),
    ("config",),
    ("compose",),
    ("simulation", "jobs", "rehearsal"),
    ("study",),
    ("search",),
    ("cli", "server", "client"),
)
"""Packages and modules from the ground floor up; those in one row do not import each other."""
RANK = {name: rank for rank, row in enumerate(ORDER) for name in row}
FLOWER = {"federation", "coordinator", "site", "server", "client"}
"""What may import Flower."""


def package(path: Path) -> str:
    """The package or top module that a file belongs to."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "cape_fed" else parts[0]


def files() -> list[Path]:
    found = [path for top in ("cape_fed", "server", "client") for path in sorted((ROOT / top).rglob("*.py"))]
    return [path for path in found if path != ROOT / "cape_fed" / "__init__.py"]


def imported(path: Path) -> Iterator[str]:
    """Modules that a file imports anywhere in it, inside functions as well."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def test_every_package_has_its_place_in_the_order() -> None:
    assert {package(path) for path in files()} - RANK.keys() == set()


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    here = package(path)
    for name in imported(path):
        top, *rest = name.split(".")
        target = rest[0] if top == "cape_fed" and rest else top
        if target not in RANK or (top != "cape_fed" and top not in ("server", "client")):
            continue
        assert target == here or RANK[target] < RANK[here], f"{here} must not import {name}"


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_what_talks_to_flower_imports_it(path: Path) -> None:
    if package(path) not in FLOWER:
        assert not [name for name in imported(path) if name.split(".")[0] in ("flwr", "ray")] or _is_optional(path)


def _is_optional(path: Path) -> bool:
    """A study may run its trials on a Ray cluster of the user's: that has nothing to do with Flower."""
    return package(path) == "study" and not [name for name in imported(path) if name.startswith("flwr")]


def test_contributing_gives_this_order() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    match = re.search(r"point one way.*?`([^`]+)`", text, re.S)
    assert match is not None
    named = [name for part in re.split(r"\s*→\s*", match[1].replace("\n", " ")) for name in part.strip().split("/")]
    ranks = [RANK[name] for name in named]
    assert ranks == sorted(ranks, reverse=True)
    assert {"cli", "study", "jobs", "finetune", "coordinator", "site", "methods", "federation", "evaluate"} <= set(
        named
    )
