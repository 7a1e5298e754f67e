"""Rules and dashboard fit the metrics that there are, and the alerts come when they should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from cape_fed.cli.metrics import PORT as COORDINATOR_PORT
from cape_fed.cli.serve import METRICS_PORT as SERVING_PORT
from cape_fed.cli.site.metrics import PORT as SITE_PORT
from cape_fed.monitoring.activity import Activity, note
from cape_fed.monitoring.coordinator import CoordinatorCollector
from cape_fed.monitoring.runs import Runs
from cape_fed.monitoring.site import SiteCollector, Watched
from cape_fed.monitoring.specs import RUN_SPECS, SERVING_SPECS, SITE_SPECS
from tests.monitoring.queries import ALERT_TESTS, ALERTS, CONFIG, DASHBOARD, alert_rules, dashboard_queries, panels
from tests.monitoring.rundirs import round_line, write_run

LABELS = {spec.name: set(spec.labels) for spec in (*RUN_SPECS, *SITE_SPECS, *SERVING_SPECS)}
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="no promtool: install the package prometheus")


def promtool(*arguments: str, text: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *arguments], input=text, capture_output=True, text=True, cwd=cwd, check=False)


def expressions() -> list[tuple[str, str]]:
    return [*alert_rules().items(), *dashboard_queries(run="r", site="s")]


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_queries_are_of_metrics_and_labels_that_there_are(where: str, expression: str) -> None:
    for name, matchers in re.findall(r"(cape_fed_\w+)\b(?:\{([^}]*)\})?", expression):
        assert name in LABELS, where
        assert set(re.findall(r"(\w+)\s*(?:=~|!=|=)", matchers)) <= LABELS[name], (where, name)


def test_every_metric_of_runs_and_sites_has_a_query_or_is_for_tables() -> None:
    asked = " ".join(expression for _, expression in expressions())
    unasked = {
        spec.name
        for spec in (*RUN_SPECS, *SITE_SPECS)
        if spec.name not in asked and not spec.name.endswith("_certificate_expiry_timestamp_seconds")
    }
    assert unasked == {
        "cape_fed_coordinator_runs_unreadable",
        "cape_fed_build_info", "cape_fed_run_info", "cape_fed_site_info", "cape_fed_site_run_info",
        "cape_fed_site_message_seconds_total", "cape_fed_site_working_since_timestamp_seconds",
        "cape_fed_site_last_message_timestamp_seconds", "cape_fed_site_round", "cape_fed_site_loss",
        "cape_fed_site_samples_total", "cape_fed_site_gpu_memory_size_bytes", "cape_fed_site_store_records",
    }  # fmt: skip


def test_the_dashboard_has_a_place_for_every_panel() -> None:
    found = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in found}) == len(found)
    assert [panel["repeat"] for panel in found if "repeat" in panel] == ["site"]
    places = [panel["gridPos"] for panel in found]
    for one, two in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= two["x"] or two["x"] + two["w"] <= one["x"]
            or one["y"] + one["h"] <= two["y"] or two["y"] + two["h"] <= one["y"]
        )  # fmt: skip
        assert apart, (one, two)
    assert all(panel["datasource"]["uid"] == "${source}" for panel in panels())


def test_the_scrape_configuration_asks_where_the_exporters_listen() -> None:
    text = CONFIG.read_text()
    assert f"127.0.0.1:{COORDINATOR_PORT}" in text
    assert f"127.0.0.1:{SITE_PORT}" in text
    assert f"127.0.0.1:{SERVING_PORT}" in text


def test_every_certificate_has_an_alert() -> None:
    asked = [
        re.compile(name) for name in re.findall(r"cape_fed_\S*_certificate_expiry\w+", " ".join(alert_rules().values()))
    ]
    for name in LABELS:
        if "certificate" in name:
            assert any(pattern.fullmatch(name) for pattern in asked), name


@needs_promtool
def test_promtool_accepts_configuration_and_rules() -> None:
    for what, file in (("config", CONFIG), ("rules", ALERTS)):
        done = promtool("check", what, str(file))
        assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_every_alert_comes_when_it_should() -> None:
    done = promtool("test", "rules", ALERT_TESTS.name, cwd=ALERT_TESTS.parent)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("alert", alert_rules())
def test_an_alert_that_never_comes_would_be_noticed(alert: str, tmp_path: Path) -> None:
    shutil.copy(ALERT_TESTS, tmp_path)
    (tmp_path / ALERTS.name).write_text(ALERTS.read_text().replace(f"alert: {alert}\n", "alert: Other\n"))
    assert promtool("test", "rules", ALERT_TESTS.name, cwd=tmp_path).returncode != 0


@needs_promtool
def test_promtool_finds_nothing_to_say_of_the_metrics(tmp_path: Path) -> None:
    trouble = [{"site": "b", "what": what, "reason": "norm"} for what in ("refused", "failed")]
    write_run(tmp_path / "runs" / "fed", [round_line(0, parts={"sites": 1.0}, trouble=trouble)])

    def change(activity: Activity) -> None:
        activity.messages, activity.seconds, activity.samples = {"train": {"answered": 1}}, {"train": 2.0}, 5
        activity.run, activity.source, activity.loss = "0" * 12, "s", 1.0

    note(tmp_path / "state", change)
    site = Watched("a", "train", (tmp_path / "gone",), tmp_path / "state")
    for text in (_text([CoordinatorCollector(Runs(tmp_path / "runs"))]), _text([SiteCollector(site)])):
        done = promtool("check", "metrics", text=text)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def _text(collectors: Iterable[Collector]) -> str:
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry).decode()
