"""Modules of somebody else's, in a working directory of their own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

WriteModule = Callable[[str], str]


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WriteModule]:
    """Writes a module into the working directory and gives its name; forgotten when the test is over."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)

    def write(text: str) -> str:
        name = f"encoders_of_{tmp_path.name}_{len(list(folder.iterdir()))}".replace("-", "_")
        (folder / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        return name

    yield write
    for name in set(sys.modules) - known:
        if name.startswith("encoders_of_"):
            del sys.modules[name]
