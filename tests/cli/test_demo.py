"""The command ``demo`` hands its options to the tour."""

from __future__ import annotations

from pathlib import Path

import pytest

from cape_fed.cli.main import run


def test_directory_and_seed_reach_the_tour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[Path, int]] = []
    monkeypatch.setattr("cape_fed.cli.tour.take_tour", lambda out, seed: taken.append((out, seed)))
    assert run(["demo", "--out", str(tmp_path / "x"), "--seed", "3"]) == 0
    assert run(["demo"]) == 0
    assert taken == [(tmp_path / "x", 3), (Path("demo"), 0)]


def test_a_full_directory_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("x")
    assert run(["demo", "--out", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
