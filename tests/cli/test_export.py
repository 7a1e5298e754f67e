"""The command ``export``: the example as a user types it, and one line where an extra is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cape_fed.cli.main import run
from tests.cli.test_examples import example
from tests.export.helpers import write_tiny


def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "runs" / "idb" / "bundle")
    assert run(example("export")) == 0
    assert capsys.readouterr().out == "idb-onnx\n"
    assert {path.name for path in (tmp_path / "idb-onnx").iterdir()} == {
        "model.onnx", "README.md", "export.json", "SHA256SUMS",
    }  # fmt: skip
    assert run(example("export")) == 2
    assert capsys.readouterr().err == "cape-fed: idb-onnx is there already: give --out another directory\n"


def test_without_its_extra_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert run(["export", "bundle", "--to", "onnx", "--out", "out"]) == 2
    missing = "--to onnx needs onnx, which is not installed: pip install 'cape-fed[onnx]'"
    assert capsys.readouterr().err == f"cape-fed: {missing}\n"
