"""Virtual environments that hold what pip would install for a wheel with an extra, linked from this environment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OWN = "cape-fed"


def make_environment(folder: Path, wheel: Path, extra: str = "") -> Path:
    """A virtual environment with the wheel and exactly what it requires with ``extra``; returns its ``bin``."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    installer = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*installer, str(wheel)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (own,) = (found for found in distributions(path=[str(packages)]) if canonicalize_name(found.name) == OWN)
    for name in required(own, extra):
        _link(distribution(name), packages)
    return folder / "bin"


def required(own: Distribution, extra: str) -> set[str]:
    """Names of all distributions that ``own`` needs with ``extra``, by what each of them declares."""
    found: set[tuple[str, str]] = set()
    waiting = [(OWN, ""), (OWN, extra)]
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in found:
            continue
        found.add((name, wanted))
        waiting += _next(own if name == OWN else distribution(name), wanted)
    return {name for name, _ in found} - {OWN}


def _next(package: Distribution, extra: str) -> Iterable[tuple[str, str]]:
    for line in package.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            name = canonicalize_name(requirement.name)
            yield name, ""
            yield from ((name, further) for further in requirement.extras)


def _link(package: Distribution, packages: Path) -> None:
    """Link the top-level files and folders of an installed distribution."""
    for top in {file.parts[0] for file in package.files or () if file.parts[0] not in ("..", "__pycache__")}:
        target = packages / top
        if not target.exists():
            target.symlink_to(Path(str(package.locate_file(top))))
