from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cape_fed.coordinator.page import have_page_written


def test_without_an_installed_command_the_log_says_how_to_get_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    have_page_written(tmp_path)
    assert "cape-fed top DIR --page does it" in caplog.text
