"""The queries of the alert rules and of the dashboard, out of the files that are handed out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "docker" / "monitoring"
ALERTS, ALERT_TESTS, CONFIG = FOLDER / "alerts.yml", FOLDER / "alerts.test.yml", FOLDER / "prometheus.yml"
DASHBOARD = FOLDER / "dashboard.json"
SELECTOR = re.compile(r"(cape_fed_\w+(?:\{[^}]*\})?|up\{[^}]*\}|\{__name__[^}]*\})")


def alert_rules() -> dict[str, str]:
    """Expressions by the name of the alert."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def panels() -> list[dict[str, Any]]:
    """All panels of the dashboard that are not rows."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def dashboard_queries(**variables: str) -> Iterator[tuple[str, str]]:
    """Title of the panel and expression, with Grafana's variables filled in."""
    for panel in panels():
        for target in panel["targets"]:
            text = target["expr"].replace("$__rate_interval", "15m")
            for name, value in variables.items():
                text = text.replace(f"${name}", value)
            yield panel["title"], text


def selectors(expression: str) -> list[str]:
    """The selectors of series in an expression."""
    return SELECTOR.findall(expression)
