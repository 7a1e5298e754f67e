"""The configuration's keys, defaults and meanings are frozen: a change here is a change for users."""

from __future__ import annotations

import os
from pathlib import Path

from cape_fed.cli.reference import configuration_reference
from cape_fed.compose import default_values, dotted_keys

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


def test_the_page_lists_the_keys_as_they_are() -> None:
    """CAPE_FED_RECORD_REFERENCE=1 writes the page anew: do that where a key was meant to change."""
    if os.environ.get("CAPE_FED_RECORD_REFERENCE"):
        PAGE.write_text(configuration_reference())
    assert PAGE.read_text() == configuration_reference()


def test_every_key_is_listed_and_explained() -> None:
    rows = [line.split("|") for line in configuration_reference().splitlines() if line.startswith("| `")]
    explained = {row[1].strip().strip("`"): row[3].strip() for row in rows}
    sections = {key.rpartition(".")[0] for key in explained}
    leaves = {key for key in dotted_keys(default_values()) if key not in sections}
    assert explained.keys() == leaves
    assert all(explained.values())
