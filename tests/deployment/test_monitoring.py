"""A real Prometheus scrapes coordinator and sites while a deployed run goes on, and knows what it did."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from cape_fed.logs import VARIABLE
from cape_fed.rundir import PAGE_FILE
from cape_fed.status import read_status
from tests.deployment.hospitals import Hospitals
from tests.deployment.outcome import rounds
from tests.deployment.prometheus import SCRAPED_EVERY, Prometheus, unavailable
from tests.deployment.superlink import free_port
from tests.monitoring.queries import alert_rules, dashboard_queries, selectors

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NOT_HERE = ("cape_fed_site_gpu_peak_bytes", "_epsilon")
"""What only a ClientApp on a GPU notes, and what only a private run has: this run is neither."""


def fake_nvidia_smi(folder: Path) -> None:
    folder.mkdir()
    program = folder / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 0, 40, 1000, 80000\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_prometheus_knows_what_a_deployed_run_did(faulty: Hospitals, tmp_path: Path) -> None:
    if reason := unavailable():
        pytest.skip(reason)
    hospitals, host = faulty, faulty.deployment
    # A few steps alone are often over between two scrapes, and nobody would see site a at work.
    hospitals.start("ab", fault={"a": f"slow-{5 * SCRAPED_EVERY}@0-2", "b": "nan@0,raise@1"})
    hospitals.deployment.nodes.register("d")
    hospitals.start_site("d", env={VARIABLE: "json"})
    out = tmp_path / "runs" / "first"
    fake_nvidia_smi(tmp_path / "bin")
    ports = {name: free_port() for name in ("coordinator", "a")}
    certificate = str(host.link.certificates.certificate)
    listen = ["--listen", f"127.0.0.1:{ports['coordinator']}", "--certificate", certificate]
    out.parent.mkdir()
    exporters = [
        host.start("metrics", ["cape-fed", "metrics", str(out.parent), *listen]),
        host.start(
            "metrics-a",
            ["cape-fed", "site", "metrics", str(host.folder / "a.toml"), "--listen", f"127.0.0.1:{ports['a']}"],
            env={"PATH": f"{tmp_path / 'bin'}:{host.env['PATH']}"},
        ),
    ]
    prometheus = Prometheus(
        host, {"127.0.0.1:9474": f"127.0.0.1:{ports['coordinator']}", "127.0.0.1:9475": f"127.0.0.1:{ports['a']}"}
    )
    settings = (
        "federation.rounds=3",
        "federation.join_deadline=600",
        "federation.measure_every=1",
        "federation.evaluate=false",
        "--log-format",
        "json",
    )
    done = hospitals.run(out, *settings, timeout=700)
    assert done.returncode == 0, done.stderr
    run = read_status(out)["run"]
    host.wait_for(lambda: prometheus.value(f'cape_fed_run_state{{run="{run}", state="finished"}}') == 1, 30, "the end")
    host.wait_for(lambda: prometheus.query("cape_fed_site_messages_total"), 30, "messages of site a")
    assert set(prometheus.targets().values()) == {"up"}

    lines = rounds(out)
    expected = {
        f'cape_fed_run_rounds_done{{run="{run}"}}': 3,
        f'cape_fed_run_loss{{run="{run}"}}': lines[-1]["loss"],
        f'cape_fed_run_bytes_total{{run="{run}", direction="up"}}': sum(line["bytes_up"] for line in lines),
        f'cape_fed_run_site_rounds_total{{run="{run}", site="a"}}': 3,
        f'cape_fed_run_site_rounds_total{{run="{run}", site="b"}}': 1,
        f'cape_fed_run_site_refused_total{{run="{run}", site="b"}}': 1,
        f'sum(cape_fed_run_site_failed_total{{run="{run}", site="b"}})': 1,
        f'max_over_time(cape_fed_run_state{{run="{run}", state="running"}}[15m])': 1,
        'max_over_time(cape_fed_site_working{site="a"}[15m])': 1,
        'cape_fed_site_messages_total{site="a", action="join", outcome="answered"}': 1,
        'cape_fed_site_messages_total{site="a", action="train", outcome="answered"}': 3,
        'cape_fed_site_info{site="a"} * on (site) cape_fed_site_store_patients': 24,
        'cape_fed_site_samples_total{site="a"}': 3 * 2 * 2 * 8,
        'cape_fed_run_info{name="first"} * on (run) cape_fed_run_rounds_planned': 3,
    }
    assert {query: prometheus.value(query) for query in expected} == pytest.approx(expected)
    moments = prometheus.query(f'changes(cape_fed_run_rounds_done{{run="{run}"}}[15m])')
    assert moments[0][1] >= 2, "Prometheus saw the rounds go by"

    host.wait_for((out / PAGE_FILE).exists, 60, "the page that the coordinator's installation writes")
    assert "The run is finished after 3 of 3 rounds." in (out / PAGE_FILE).read_text()
    leader, site = ([json.loads(line) for line in path.read_text().splitlines()] for path in (
        out / "log.txt", hospitals.state("d") / "log.txt"
    ))  # fmt: skip
    assert [line["round"] for line in leader if " took " in line["message"]] == [0, 1, 2]
    assert {line.get("run", run) for line in [*leader, *site]} == {run}
    assert {line["site"] for line in site} == {"d"}

    _every_query_has_data(prometheus, run)
    _the_rules_are_evaluated(prometheus)
    for exporter in exporters:
        exporter.kill(15, group=False)
        assert exporter.returncode == 0, exporter.output()


def _every_query_has_data(prometheus: Prometheus, run: str) -> None:
    """Queries of the dashboard as they are; of the alerts the series that they rest on, since none should come."""
    queries = [
        query for _, query in dashboard_queries(run=run, site="a") if not any(name in query for name in NOT_HERE)
    ]
    assert len(queries) > 25
    assert [query for query in queries if not prometheus.query(query)] == []
    for alert, expression in alert_rules().items():
        # Every message to site a ended well, so only what this alert picks from is there.
        for selector in selectors(expression.replace('{outcome!="answered"}', "")):
            if selector.startswith("cape_fed_serving_"):  # a server of embeddings is no part of a federation
                continue
            assert prometheus.query(f"last_over_time({selector}[15m])"), (alert, selector)


def _the_rules_are_evaluated(prometheus: Prometheus) -> None:
    rules = prometheus.rules()
    assert rules.keys() == alert_rules().keys()
    assert {rule["health"] for rule in rules.values()} == {"ok"}, rules
    active = {name for name, rule in rules.items() if rule["alerts"]}
    # The certificates of the tests are valid for a week; a reply was refused; the disk of this machine may be full.
    assert "CapeFedCertificateEnds" in active
    assert active <= {"CapeFedCertificateEnds", "CapeFedRepliesRefused", "CapeFedDiskFull"}
