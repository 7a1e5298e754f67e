from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from cape_fed.monitoring.activity import ACTIVITY_FILE, Activity, Working, note, read_activity


def test_messages_are_counted_by_action_and_outcome(tmp_path: Path) -> None:
    for action, outcome in (("join", "answered"), ("train", "answered"), ("train", "policy"), ("train", "answered")):
        note(tmp_path, lambda activity, action=action: activity.begin(action))  # type: ignore[misc]
        found = read_activity(tmp_path)
        assert found is not None
        assert found.working is not None
        assert found.working.action == action
        note(tmp_path, lambda activity, action=action, outcome=outcome: activity.end(action, outcome))  # type: ignore[misc]
    found = read_activity(tmp_path)
    assert found is not None
    assert found.messages == {"join": {"answered": 1}, "train": {"answered": 2, "policy": 1}}
    assert found.working is None
    assert found.last_time is not None
    assert set(found.seconds) == {"join", "train"}


def test_a_message_whose_process_died_is_lost(tmp_path: Path) -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    activity = Activity(working=Working(action="train", since=1.0, process=child.pid))
    activity.begin("join")
    assert activity.messages == {"train": {"lost": 1}}
    other = Activity(working=Working(action="train", since=1.0, process=os.getpid()))
    other.begin("join")
    assert other.messages == {}


def test_no_count_is_lost_when_several_write(tmp_path: Path) -> None:
    def work() -> None:
        for _ in range(5):
            note(tmp_path, lambda activity: activity.end("evaluate", "answered"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read_activity(tmp_path)
    assert found is not None
    assert found.messages == {"evaluate": {"answered": 20}}
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".partial")] == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"messages": 3}'])
def test_a_damaged_file_is_as_none_and_written_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / ACTIVITY_FILE).write_text(text)
    assert read_activity(tmp_path) is None
    note(tmp_path, lambda activity: activity.end("join", "answered"))
    assert json.loads((tmp_path / ACTIVITY_FILE).read_text())["messages"] == {"join": {"answered": 1}}


def test_where_it_cannot_be_written_work_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    note(tmp_path / "file", lambda activity: activity.begin("join"))
    assert "activity.json cannot be written" in caplog.text


def test_fields_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / ACTIVITY_FILE).write_text('{"samples": 3, "moons": 2}')
    found = read_activity(tmp_path)
    assert found is not None
    assert found.samples == 3
