from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cape_fed.monitoring.activity import ACTIVITY_FILE, begin_work, note, read_activity

BEGINS = "import sys; from pathlib import Path; from cape_fed.monitoring.activity import begin_work; "
BEGINS += "begin_work(Path(sys.argv[1]), 'train'); print('begun', flush=True); sys.stdin.read()"


def counts(state: Path) -> dict[str, dict[str, int]]:
    found = read_activity(state)
    assert found is not None
    return found.messages


def test_messages_are_counted_by_action_and_outcome(tmp_path: Path) -> None:
    for action, outcome in (("join", "answered"), ("train", "answered"), ("train", "policy"), ("train", "answered")):
        held = begin_work(tmp_path, action)
        found = read_activity(tmp_path)
        assert found is not None
        assert found.working is not None
        assert found.working.action == action
        note(tmp_path, lambda activity, action=action, outcome=outcome: activity.end(action, outcome))  # type: ignore[misc]
        assert held is not None
        os.close(held)
    found = read_activity(tmp_path)
    assert found is not None
    assert found.messages == {"join": {"answered": 1}, "train": {"answered": 2, "policy": 1}}
    assert found.working is None
    assert found.last_time is not None
    assert set(found.seconds) == {"join", "train"}


def test_a_message_whose_process_died_is_lost_and_one_that_lives_is_not(tmp_path: Path) -> None:
    """Whether it lives is seen by what it holds: in another cage its id would be of something else."""
    command = [sys.executable, "-c", BEGINS, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        held = begin_work(tmp_path, "join")
        assert counts(tmp_path) == {}
        assert held is not None
        os.close(held)
        child.kill()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        assert counts(tmp_path) == {"join": {"lost": 1}}
        child.kill()
    held = begin_work(tmp_path, "join")
    assert counts(tmp_path) == {"join": {"lost": 1}, "train": {"lost": 1}}


def test_what_an_older_version_left_is_lost(tmp_path: Path) -> None:
    (tmp_path / ACTIVITY_FILE).write_text('{"working": {"action": "train", "since": 1.0, "process": 1}}')
    assert begin_work(tmp_path, "join") is not None
    assert counts(tmp_path) == {"train": {"lost": 1}}


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
    begin_work(tmp_path / "file", "join")
    assert "activity.json cannot be written" in caplog.text


def test_fields_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / ACTIVITY_FILE).write_text('{"samples": 3, "moons": 2}')
    found = read_activity(tmp_path)
    assert found is not None
    assert found.samples == 3
