from __future__ import annotations

from pathlib import Path

from cape_fed.lock import locked
from cape_fed.monitoring.coordinator import CoordinatorCollector
from cape_fed.monitoring.runs import Runs
from cape_fed.monitoring.specs import RUN_SPECS
from tests.monitoring.rundirs import RUN_ID, round_line, write_run


def scrape(path: Path, **more: Path) -> dict[str, float]:
    """Values by name and label values, joined by blanks."""
    found = CoordinatorCollector(Runs(path), **more).collect()
    return {" ".join([s.name, *s.labels.values()]): s.value for metric in found for s in metric.samples}


def test_a_run_becomes_metrics(tmp_path: Path) -> None:
    trouble = [{"site": "b", "what": "refused", "reason": "norm"}, {"site": "d", "what": "failed", "reason": "gone"}]
    path = write_run(
        tmp_path / "fed",
        [
            round_line(0, "ab", parts={"sites": 9.0}),
            round_line(1, "a", seconds=20, parts={"sites": 18.0}, trouble=trouble),
        ],
        state="running",
        lacking="1 of 2 training sites, 2 needed",
    )
    with locked(path / ".lock"):
        found = scrape(path)
    expected = {
        f"cape_fed_run_info {RUN_ID} fed fedavg": 1,
        f"cape_fed_run_state {RUN_ID} running": 1,
        f"cape_fed_run_state {RUN_ID} lost": 0,
        f"cape_fed_run_rounds_done {RUN_ID}": 2,
        f"cape_fed_run_rounds_planned {RUN_ID}": 10,
        f"cape_fed_run_last_round_timestamp_seconds {RUN_ID}": 1769846460,
        f"cape_fed_run_round_seconds {RUN_ID}": 20,
        f"cape_fed_run_usual_round_seconds {RUN_ID}": 15,
        f"cape_fed_run_part_seconds_total {RUN_ID} sites": 27,
        f"cape_fed_run_loss {RUN_ID}": 1.9,
        f"cape_fed_run_drift_ratio {RUN_ID}": 0.5,
        f"cape_fed_run_bytes_total {RUN_ID} down": 2000,
        f"cape_fed_run_bytes_total {RUN_ID} up": 1800,
        f"cape_fed_run_below_quorum {RUN_ID}": 1,
        f"cape_fed_run_sites {RUN_ID} active": 1,
        f"cape_fed_run_sites {RUN_ID} missing": 1,
        f"cape_fed_run_sites {RUN_ID} evaluating": 1,
        f"cape_fed_run_site_standing {RUN_ID} b missing": 1,
        f"cape_fed_run_site_rounds_total {RUN_ID} a": 2,
        f"cape_fed_run_site_rounds_total {RUN_ID} b": 1,
        f"cape_fed_run_site_patients {RUN_ID} a": 20,
        f"cape_fed_run_site_work_seconds {RUN_ID} a": 8,
        f"cape_fed_run_site_answer_seconds {RUN_ID} a": 9,
        f"cape_fed_run_site_samples_per_second {RUN_ID} a": 8,  # 2 · 4 steps · 8 pairs in 8 s
        f"cape_fed_run_site_refused_total {RUN_ID} b norm": 1,
        f"cape_fed_run_site_failed_total {RUN_ID} d gone": 1,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert f"cape_fed_run_site_rounds_total {RUN_ID} d" not in found
    assert f"cape_fed_run_site_epsilon {RUN_ID} a" not in found


def test_a_private_run_shows_epsilon_and_need_not_have_a_loss(tmp_path: Path) -> None:
    line = round_line(0, "a")
    line["sites"]["a"] = {"patients": 20, "seconds": 8.0, "answered": 9.0, "epsilon": 1.25, "steps": 4}
    line["loss"] = None
    found = scrape(write_run(tmp_path / "fed", [line]))
    assert found[f"cape_fed_run_site_epsilon {RUN_ID} a"] == 1.25
    assert f"cape_fed_run_loss {RUN_ID}" not in found
    assert f"cape_fed_run_site_loss {RUN_ID} a" not in found


def test_every_series_has_the_labels_of_the_table_and_no_path(tmp_path: Path) -> None:
    write_run(tmp_path / "fed", [round_line(0)])
    labels = {spec.name: set(spec.labels) for spec in RUN_SPECS}
    for metric in CoordinatorCollector(Runs(tmp_path)).collect():
        for sample in metric.samples:
            assert set(sample.labels) == labels[sample.name]
            assert not any("/" in value for value in sample.labels.values())


def test_a_run_that_has_no_name_yet_and_a_damaged_one_do_not_end_a_scrape(tmp_path: Path) -> None:
    write_run(tmp_path / "new", run="")
    (write_run(tmp_path / "bad", [round_line(0)]) / "metrics.jsonl").write_text('{"round": 0}\n{"rou')
    found = scrape(tmp_path)
    assert found[f"cape_fed_run_rounds_done {RUN_ID}"] == 1
    assert "cape_fed_run_rounds_done " not in found


def test_a_run_with_damaged_lines_does_not_hide_the_others(tmp_path: Path) -> None:
    write_run(tmp_path / "bad", [{**round_line(0), "sites": None}], run="f" * 12)
    write_run(tmp_path / "good", [round_line(0)])
    found = scrape(tmp_path)
    assert found["cape_fed_coordinator_runs_unreadable"] == 1
    assert found[f"cape_fed_run_rounds_done {RUN_ID}"] == 1


def test_a_resumed_run_does_not_make_a_counter_fall(tmp_path: Path) -> None:
    path = write_run(tmp_path / "fed", [round_line(0), round_line(1)])
    collector = CoordinatorCollector(Runs(path))

    def down() -> list[float]:
        samples = [s for metric in collector.collect() for s in metric.samples]
        return [s.value for s in samples if s.name == "cape_fed_run_bytes_total" and s.labels["direction"] == "down"]

    assert down() == [2000]
    write_run(path, [round_line(0)])
    assert down() == [2000]


def test_readiness_says_what_is_not_there(tmp_path: Path) -> None:
    assert CoordinatorCollector(Runs(tmp_path)).readiness() == {}
    assert CoordinatorCollector(Runs(tmp_path / "none")).readiness().keys() == {"runs"}
    (tmp_path / "c.pem").write_text("no certificate")
    assert CoordinatorCollector(Runs(tmp_path), tmp_path / "c.pem").readiness().keys() == {"certificate"}
