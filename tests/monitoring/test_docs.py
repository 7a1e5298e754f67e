"""docs/monitoring.md lists every metric and every alert that there is."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from cape_fed.monitoring.families import Spec
from cape_fed.monitoring.specs import RUN_SPECS, SERVING_SPECS, SITE_SPECS
from tests.monitoring.queries import alert_rules

PAGE = Path(__file__).resolve().parents[2] / "docs" / "monitoring.md"
RECORD = "CAPE_FED_RECORD_REFERENCE"
HEADINGS = {
    "### Metrics of the coordinator": RUN_SPECS,
    "### Metrics of a site": SITE_SPECS,
    "### Metrics of a server of embeddings": SERVING_SPECS,
}


def table(specs: tuple[Spec, ...]) -> str:
    rows = [f"| `{spec.name}` | {', '.join(f'`{label}`' for label in spec.labels)} | {spec.help} |" for spec in specs]
    return "\n".join(["| metric | labels | what it is |", "|---|---|---|", *rows]) + "\n"


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_tables_are_those_of_the_code(heading: str) -> None:
    text = PAGE.read_text()
    match = re.search(rf"{heading}\n\n((?:\|.*\n)+)", text)
    assert match is not None
    if os.environ.get(RECORD):
        PAGE.write_text(text[: match.start(1)] + table(HEADINGS[heading]) + text[match.end(1) :])
        return
    assert match[1] == table(HEADINGS[heading]), f"run this test with {RECORD}=1"


def test_every_alert_says_what_to_do() -> None:
    text = PAGE.read_text()
    assert [alert for alert in alert_rules() if f"`{alert}`" not in text] == []
