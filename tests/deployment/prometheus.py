"""A real Prometheus on loopback that scrapes with the files that are handed out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.deployment.host import Host
from tests.deployment.superlink import free_port
from tests.monitoring.queries import ALERTS, CONFIG

SCRAPED_EVERY = 1
"""Seconds between scrapes, in place of the 15 that are handed out."""


class Prometheus:
    """Started on ``host``; ``targets`` take the place of the addresses in the configuration."""

    def __init__(self, host: Host, targets: Mapping[str, str]) -> None:
        folder = host.folder / "prometheus"
        folder.mkdir()
        shutil.copy(ALERTS, folder)
        text = CONFIG.read_text()
        for old, new in {**targets, "interval: 15s": f"interval: {SCRAPED_EVERY}s"}.items():
            assert old in text, f"{old} is not in {CONFIG.name}"
            text = text.replace(old, new)
        (folder / "prometheus.yml").write_text(text)
        self.port = free_port()
        command = [
            "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]  # fmt: skip
        self.process = host.start("prometheus", command)
        host.wait_for(self._ready, 60, "Prometheus")

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of every series of an instant vector."""
        found = self._get("query", query=expression)
        assert found["resultType"] in ("vector", "scalar"), found
        return [(item["metric"], float(item["value"][1])) for item in found["result"]]

    def value(self, expression: str) -> float | None:
        """The value of the only series; None where there is none."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return found[0][1] if found else None

    def targets(self) -> dict[str, str]:
        """Health by the name of the job and the address."""
        return {
            f"{t['labels']['job']} {t['labels']['instance']}": t["health"]
            for t in self._get("targets")["activeTargets"]
        }

    def rules(self) -> dict[str, dict[str, Any]]:
        """What Prometheus made of the alert rules, by name."""
        return {rule["name"]: rule for group in self._get("rules")["groups"] for rule in group["rules"]}

    def _get(self, what: str, **parameters: str) -> Any:
        with urlopen(f"http://127.0.0.1:{self.port}/api/v1/{what}?{urlencode(parameters)}", timeout=20) as answer:
            found = json.load(answer)
        assert found["status"] == "success", found
        return found["data"]

    def _ready(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def unavailable() -> str | None:
    """Why there is no Prometheus on this machine, or None."""
    return None if shutil.which("prometheus") else "no prometheus: install Debian's package of that name"
