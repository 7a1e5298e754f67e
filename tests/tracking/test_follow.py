"""What TensorBoard and MLflow show is what metrics.jsonl holds, and neither can end a run."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest

from cape_fed.cli.main import run
from cape_fed.errors import InputError
from cape_fed.rundir import RunDirectory
from cape_fed.tracking.config import TrackingConfig
from cape_fed.tracking.follow import Follower, numbers_of, tracked
from tests.conftest import TinyStore
from tests.tracking.shown import assert_same, expected, in_tensorboard

LINES = [
    {"round": k, "step": 2 * k + 1, "loss": 1 / (k + 3), "missing": [], "sites": {"a": {"loss": k / 7, "fine": True}}}
    for k in range(4)
]
TENSORBOARD = TrackingConfig(tensorboard=True)


def append(out: Path, lines: list[dict[str, object]]) -> None:
    for line in lines:
        RunDirectory(out).append_metrics(line)


def test_numbers_of_a_line() -> None:
    assert dict(numbers_of(LINES[1])) == {"loss": 0.25, "sites/a/loss": 1 / 7}
    assert dict(numbers_of({"step": 3, "round": 1, "time": "now", "loss": None, "parts": {"step": 2.0}})) == {
        "parts/step": 2.0
    }


def test_tensorboard_shows_the_lines(tmp_path: Path) -> None:
    with tracked(tmp_path, TENSORBOARD):
        append(tmp_path, LINES)
    assert_same(in_tensorboard(tmp_path), expected(tmp_path / "metrics.jsonl"))
    assert len(in_tensorboard(tmp_path)) == 8


def test_a_run_that_goes_on_from_an_earlier_round_is_shown_once(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    with tracked(tmp_path, TENSORBOARD):
        append(tmp_path, LINES[:3])
    with tracked(tmp_path, TENSORBOARD):
        directory.truncate_lines(directory.metrics, "round", 1)
        append(tmp_path, [{**line, "loss": 9.0} for line in LINES[1:]])
    shown = in_tensorboard(tmp_path)
    assert_same(shown, expected(directory.metrics))
    assert [shown["loss", step] for step in (3, 5, 7)] == [9.0] * 3


def test_a_line_that_is_half_written_waits(tmp_path: Path) -> None:
    class Kept:
        name = "kept"

        def __init__(self) -> None:
            self.steps: list[int] = []

        def begin(self) -> None: ...

        def write(self, step: int, numbers: object, time: str) -> None:
            self.steps.append(step)

        def close(self, *, failed: bool) -> None: ...

    metrics, sink = tmp_path / "metrics.jsonl", Kept()
    follower = Follower(metrics, [sink])
    text = json.dumps({"step": 1, "time": "2026-01-01T00:00:00"}) + "\n"
    metrics.write_text(text + text[:10])
    follower.look()
    with metrics.open("a") as file:
        file.write(text[10:])
    follower.look()
    follower.look()
    assert sink.steps == [1, 1]


def test_what_fails_ends_the_showing_and_not_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        name = "Broken"

        def begin(self) -> None:
            raise ConnectionError("http://user:secret@host is gone")

        def write(self, step: int, numbers: object, time: str) -> None:
            raise AssertionError("after it has failed")

        def close(self, *, failed: bool) -> None:
            raise AssertionError("after it has failed")

    follower = Follower(tmp_path / "metrics.jsonl", [Broken()])
    append(tmp_path, LINES)
    with caplog.at_level(logging.WARNING):
        follower.look()
        follower.look()
        follower.close(failed=False)
    assert [record.getMessage() for record in caplog.records] == [
        "the run is no longer shown in Broken: ConnectionError"
    ]


def test_a_run_that_is_there_already_is_left_alone(tmp_path: Path) -> None:
    append(tmp_path, LINES)
    with pytest.raises(InputError, match="holds a run"), tracked(tmp_path, TENSORBOARD):
        raise InputError(f"{tmp_path} holds a run already")
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_off_by_default_and_without_its_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with tracked(tmp_path, TrackingConfig()):
        append(tmp_path, LINES)
    for config in (TENSORBOARD, TrackingConfig(mlflow="runs/mlflow")):
        with pytest.raises(InputError, match=r"pip install 'cape-fed\[tracking\]'"), tracked(tmp_path, config):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_a_password_stands_in_no_configuration() -> None:
    with pytest.raises(InputError, match="MLFLOW_TRACKING_PASSWORD"):
        TrackingConfig(mlflow="https://me:secret@mlflow.example/x")


def test_a_pretraining(tiny_store: TinyStore, tmp_path: Path, one_thread: None) -> None:
    store, out = tiny_store("a"), tmp_path / "run"
    words = [f"data.train=[{store.path}]", "train.steps=3", "train.pairs=4", "device=cpu", "tracking.tensorboard=true"]
    assert run(["pretrain", "experiment=demo", *words, "train.monitor_every=1", f"out={out}"]) == 0
    held = expected(out / "metrics.jsonl")
    assert {name for name, _ in held} >= {"loss"}
    assert_same(in_tensorboard(out), held)
    assert "tracking" not in (out / "config.yaml").read_text()
    assert run(["pretrain", "experiment=demo", *words, "train.monitor_every=1", f"out={out}"]) == 2


def interrupted(directory: RunDirectory) -> None:
    directory.truncate_lines(directory.metrics, "round", 1)
    append(directory.path, LINES[1:])
    raise KeyboardInterrupt


def test_mlflow_shows_the_lines_and_no_step_twice(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow-skinny brings twenty packages and is not in dev")
    out, place = tmp_path / "run", tmp_path / "mlflow"
    out.mkdir()
    directory, config = RunDirectory(out), TrackingConfig(mlflow=str(place), experiment="e")
    with tracked(out, config):
        append(out, LINES[:3])
    with pytest.raises(KeyboardInterrupt), tracked(out, config):
        interrupted(directory)
    client = mlflow.MlflowClient(place.as_uri())
    (shown,) = client.search_runs([client.get_experiment_by_name("e").experiment_id])
    assert (shown.info.run_name, shown.info.status) == ("run", "FAILED")
    histories = {name: client.get_metric_history(shown.info.run_id, name) for name in shown.data.metrics}
    held = [(name, one.step, one.value) for name, history in histories.items() for one in history]
    assert len(held) == len(set(held)) == 8
    assert {(name, step): value for name, step, value in held} == expected(directory.metrics)


def test_a_server_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="mlflow-skinny brings twenty packages and is not in dev")
    with (
        pytest.raises(InputError, match="cannot be used"),
        tracked(tmp_path, TrackingConfig(mlflow="http://127.0.0.1:9")),
    ):
        pass
