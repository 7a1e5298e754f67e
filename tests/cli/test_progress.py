"""Progress bars: drawn on a terminal, absent elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from cape_fed.cli.main import run
from cape_fed.cli.progress import cell_report, loss_text, progress_bar, training_report
from tests.cli.terminal import Terminal, run_on_terminal
from tests.conftest import TinyStore

TINY = ["train.pairs=8", "federation.rounds=3", "federation.local_steps=1", "federation.evaluate=false", "device=cpu"]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A terminal, to which a test redirects standard error."""
    monkeypatch.setenv("TERM", "xterm")
    for name in ("COLUMNS", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    opened = Terminal()
    yield opened
    opened.close()


def last_frame(terminal: Terminal) -> str:
    """The state in which the bar was left: it is drawn a last time when its block ends."""
    return terminal.frames()[-1]


def test_a_bar_shows_what_is_done_and_the_latest_facts(terminal: Terminal) -> None:
    with redirect_stderr(terminal.end), progress_bar("rounds") as bar:
        bar.update(0, 20, "joining")
        bar.update(3, 20, "2/3 sites")
        bar.update(4, facts="[3/3] sites")
    shown = last_frame(terminal)
    assert shown.startswith("rounds ")
    assert "4/20 [3/3] sites" in shown


def test_without_a_total_the_bar_says_that_it_is_unknown(terminal: Terminal) -> None:
    with redirect_stderr(terminal.end), progress_bar("records") as bar:
        bar.update(7)
    shown = last_frame(terminal)
    assert "7/?" in shown
    assert shown.endswith(" 0:00:00")  # the time elapsed


def test_the_rate_is_shown_where_it_is_asked_for(terminal: Terminal) -> None:
    with redirect_stderr(terminal.end), progress_bar("records", rate=True) as bar:
        for done in range(0, 1000, 100):
            bar.update(done, 1000)
    assert " records/s" in last_frame(terminal)


def test_a_note_stands_above_the_bar_on_a_line_of_its_own(terminal: Terminal) -> None:
    note = "site [b] is silent, " + "and this line is longer than the terminal is wide " * 3
    with redirect_stderr(terminal.end), progress_bar("rounds") as bar:
        bar.update(1, 2)
        bar.note(note.strip())
        bar.update(2, 2)
    assert last_frame(terminal).startswith("rounds ")
    assert note.strip() in "".join(terminal.received.decode().splitlines())


def test_off_a_terminal_only_notes_appear(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("rounds", rate=True) as bar:
        bar.update(1, 2, "loss 3.2")
        bar.note("site [b] is silent")
        bar.update(2, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "site [b] is silent\n"


def test_training_reports_its_loss(terminal: Terminal) -> None:
    with redirect_stderr(terminal.end), progress_bar("steps") as bar:
        report = training_report(bar)
        report(10, 40, {"loss": 3.25})
    assert "10/40 loss 3.250" in last_frame(terminal)
    assert loss_text(None) == "loss –"


def test_a_failed_cell_is_noted_and_the_count_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("cells") as bar:
        report = cell_report(bar)
        report(1, 2, {})
        report(2, 2, {"failure": "out of memory"})
    assert capsys.readouterr().err == "a cell failed: out of memory\n"


def test_a_command_draws_its_bar_on_a_real_terminal(tmp_path: Path) -> None:
    code, frames = run_on_terminal(["synth", "out", "--cohorts", "1", "--patients", "3"], tmp_path)
    assert code == 0
    bars = [frame for frame in frames if frame.startswith("patients ")]
    assert bars
    assert "3/3" in bars[-1]
    assert frames[-1].startswith("synth-a  train")
    code, frames = run_on_terminal(["doctor", "out/synth-a", "--format", "wfdb"], tmp_path)
    assert code == 0
    assert any(frame.startswith("records ") and "/?" in frame for frame in frames)


def test_off_a_terminal_a_run_prints_its_bundle_and_writes_a_line_a_round(
    tiny_store: TinyStore, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stores = ",".join(str(tiny_store(name, patients=20).path) for name in "ab")
    out = tmp_path / "run"
    assert run(["simulate", f"data.train=[{stores}]", f"out={out}", *TINY]) == 0
    printed, errors = capfd.readouterr()
    assert (printed, errors) == (f"{out / 'bundle'}\n", "")
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["round"] for line in lines if "loss" in line] == [0, 1, 2]
