"""Trials in processes and on Ray."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import numpy as np
import pytest

from cape_fed.errors import InputError, RunError
from cape_fed.study import launch
from cape_fed.study.config import StudyConfig
from cape_fed.study.plan import make_plan
from cape_fed.study.run import run_study
from cape_fed.study.trial import read_outcome, run_trial


def test_a_trial_that_fails_does_not_stop_the_others(
    data: list[str], study: StudyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(study.only(["batches"]), data, tmp_path / "out", {})
    bad = next(planned.trial.name for planned in plan if planned.level == "fed")

    def fail(directory: Path) -> None:
        if directory.name == bad:
            raise RuntimeError("the disk is on fire")
        run_trial(directory)

    monkeypatch.setattr(launch, "run_trial", fail)
    with pytest.raises(RunError, match=f"1 of 10 trials failed, the first .cells/{bad}.: RuntimeError: the disk is on"):
        run_study(study.only(["batches"]), data, tmp_path / "out")
    assert "on fire" in (tmp_path / "out" / "cells" / bad / launch.ERROR_FILE).read_text()
    assert json.loads((tmp_path / "out" / "results.json").read_text())["failed"] == {
        bad: "RuntimeError: the disk is on fire"
    }


def test_without_a_ray_cluster_nothing_is_written(data: list[str], study: StudyConfig, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for address in (f"127.0.0.1:{port}", "127.0.0.1:http"):
        with pytest.raises(InputError, match=f"no Ray cluster at '{address}'"):
            run_study(study.only(["batches"]), data, tmp_path / "out", ray=address)
    assert not (tmp_path / "out").exists()


@pytest.mark.alone
@pytest.mark.slow
def test_processes_and_ray_give_the_same(data: list[str], study: StudyConfig, tmp_path: Path) -> None:
    small = study.only(["batches"])
    one = run_study(small, [*data, "seed=0"], tmp_path / "one", workers=2)
    two = run_study(small, [*data, "seed=0"], tmp_path / "two", ray="local")
    assert one.cells == two.cells
    for folder in (tmp_path / "one" / "cells").iterdir():
        first, second = (read_outcome(tmp_path / name / "cells" / folder.name) for name in ("one", "two"))
        points = [{name: value.point for name, value in o.measures.items()} for o in (first, second)]
        # Encoders are equal bit for bit; Ray gives NumPy another number of threads, and sums their last digits.
        assert points[0] == pytest.approx(points[1], rel=1e-9)
        assert np.array_equal(first.sample, second.sample)
