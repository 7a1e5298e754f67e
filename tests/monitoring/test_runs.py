from __future__ import annotations

import os
from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.lock import locked
from cape_fed.monitoring.run import Run
from cape_fed.monitoring.runs import MOST_RUNS, RunReader, Runs
from tests.monitoring.rundirs import RUN_ID, round_line, write_run


def read(path: Path) -> Run:
    return RunReader(path).read()


def test_a_run_is_what_its_files_say(tmp_path: Path) -> None:
    lines = [
        round_line(0, "ab", seconds=30),
        {"round": 0, "step": 3, "monitors": {"a": {}, "e": {}}},
        round_line(1, "a"),
    ]
    run = read(write_run(tmp_path / "fed", lines))
    assert (run.name, run.id, run.state, run.done, run.planned) == ("fed", RUN_ID, "finished", 2, 10)
    assert run.usual_seconds == 20
    assert run.roles == {"a": "train", "b": "train", "d": "evaluate", "e": "evaluate"}
    assert run.samples_a_round == 2 * 4 * 8
    assert run.last_time == 1769846460  # 2026-01-31T08:01:00Z
    assert {site: run.standing(site) for site in run.roles} == {
        "a": "active", "b": "missing", "d": "evaluating", "e": "evaluating"
    }  # fmt: skip


def test_a_run_without_a_leader_is_lost_and_one_with_is_not(tmp_path: Path) -> None:
    path = write_run(tmp_path / "fed", [round_line(0)], state="running")
    assert read(path).state == "lost"
    with locked(path / ".lock"):
        assert read(path).state == "running"


def test_silent_and_quarantined_sites(tmp_path: Path) -> None:
    sites = {
        "b": {"role": "train", "quarantined": "norm"},
        "d": {"role": "evaluate", "online": False},
        "e": {"role": None},
    }
    path = write_run(tmp_path / "fed", [round_line(0)], state="running", silent=["a"], sites=sites)
    with locked(path / ".lock"):
        run = read(path)
    assert (run.standing("a"), run.standing("b"), run.standing("d")) == ("silent", "quarantined", "away")
    assert run.roles == {"a": "train", "b": "train", "d": "evaluate"}


def test_a_site_that_never_took_part_is_away(tmp_path: Path) -> None:
    run = read(write_run(tmp_path / "fed"))
    assert (run.standing("a"), run.usual_seconds, run.last_time, run.last) == ("away", None, None, {})


def test_what_did_not_count_is_summed_up_by_reason(tmp_path: Path) -> None:
    bad = {"site": "b", "what": "refused", "reason": "norm"}
    gone = {"site": "b", "what": "failed", "reason": "gone"}
    run = read(write_run(tmp_path / "fed", [round_line(0, trouble=[bad]), round_line(1, trouble=[bad, gone])]))
    assert run.trouble() == {("b", "refused", "norm"): 2, ("b", "failed", "gone"): 1}
    given_up = {"round": 0, "trouble": [gone]}
    run = read(write_run(tmp_path / "given-up", state="failed", given_up=given_up))
    assert run.trouble() == {("b", "failed", "gone"): 1}


def test_seconds_by_part_are_summed_up(tmp_path: Path) -> None:
    lines = [round_line(0, parts={"sites": 8, "combine": 1}), round_line(1, parts={"sites": 7}), round_line(2)]
    assert read(write_run(tmp_path / "fed", lines)).parts() == {"sites": 15, "combine": 1}


@pytest.mark.parametrize("broken", ["status.json", "config.yaml", "metrics.jsonl"])
def test_a_file_that_is_missing_or_damaged_leaves_its_part_empty(tmp_path: Path, broken: str) -> None:
    path = write_run(tmp_path / "fed", [round_line(0)])
    (path / broken).write_text("{[")
    run = read(path)
    assert isinstance(run.roles, dict)
    (path / broken).unlink()
    assert isinstance(read(path).done, int)


def test_lines_are_read_anew_only_where_the_file_has_changed(tmp_path: Path) -> None:
    reader = RunReader(write_run(tmp_path / "fed", [round_line(0)]))
    first = reader.read().rounds[0]
    assert reader.read().rounds[0] is first
    write_run(tmp_path / "fed", [round_line(0), round_line(1)])
    assert len(reader.read().rounds) == 2


def test_a_folder_has_its_newest_runs_and_a_run_only_itself(tmp_path: Path) -> None:
    for number in range(MOST_RUNS + 2):
        path = write_run(tmp_path / f"run-{number:02d}")
        os.utime(path / "status.json", (number, number))
    (tmp_path / "no-run").mkdir()
    names = [run.name for run in Runs(tmp_path).read()]
    assert names == [f"run-{number:02d}" for number in range(MOST_RUNS + 1, 1, -1)]
    assert [run.name for run in Runs(tmp_path / "run-03").read()] == ["run-03"]
    with pytest.raises(InputError, match="no directory"):
        Runs(tmp_path / "none").read()
