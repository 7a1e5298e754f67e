from __future__ import annotations

import json
import os
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from cape_fed.cli.main import run as run_command
from cape_fed.errors import InputError
from cape_fed.lock import locked
from cape_fed.monitoring.activity import Activity, begin_work, note
from cape_fed.monitoring.coordinator import CoordinatorCollector
from cape_fed.monitoring.overview import Overview, read_overview
from cape_fed.monitoring.runs import Runs
from cape_fed.monitoring.samples import Samples, fetch
from cape_fed.monitoring.screen import draw
from cape_fed.monitoring.site import SiteCollector, Watched
from cape_fed.monitoring.words import bytes_text, seconds_text
from tests.conftest import TinyStore
from tests.monitoring.rundirs import RUN_ID, round_line, write_run
from tests.monitoring.test_exporter import exporter

NOW = 1769846490.0
"""30 s after the end of the second round."""
TROUBLE = [{"site": "b", "what": "refused", "reason": "norm"}, {"site": "b", "what": "failed", "reason": "gone"}]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    lines = [round_line(0, "ab", parts={"sites": 9.0, "combine": 1.0}), round_line(1, "a", trouble=TROUBLE)]
    return write_run(tmp_path / "runs" / "first", lines, state="running", lacking="1 of 2").parent


def overview(folder: Path) -> Overview:
    with locked(folder / "first" / ".lock"):
        return read_overview(Samples(CoordinatorCollector(Runs(folder)).collect()), NOW)


def drawn(found: Overview, width: int = 80) -> list[str]:
    console = Console(file=StringIO(), width=width)
    console.print(draw(found))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def test_an_overview_has_what_the_metrics_say(runs: Path) -> None:
    found = overview(runs).runs[0]
    assert (found.name, found.run, found.state, found.rounds_done, found.rounds_planned) == (
        "first", RUN_ID, "running", 2, 10
    )  # fmt: skip
    assert (found.since_last_round, found.usual_seconds, found.seconds_left) == (30, 10, 80)
    assert (found.bytes_down, found.parts, found.below_quorum) == (2000, {"sites": 9.0, "combine": 1.0}, True)
    sites = {site.site: site for site in found.sites}
    assert (sites["a"].standing, sites["a"].rounds, sites["a"].samples_per_second) == ("active", 2, 8)
    assert (sites["b"].standing, sites["b"].refused, sites["b"].failed) == ("missing", {"norm": 1}, {"gone": 1})
    assert (sites["d"].standing, sites["d"].rounds) == ("evaluating", None)


def test_it_is_the_same_through_an_exporter(runs: Path) -> None:
    with locked(runs / "first" / ".lock"), exporter(CoordinatorCollector(Runs(runs))) as port:
        for address in (f"127.0.0.1:{port}", f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{port}/metrics"):
            assert read_overview(fetch(address), NOW).runs == overview_without_lock(runs)


def overview_without_lock(folder: Path) -> object:
    return read_overview(Samples(CoordinatorCollector(Runs(folder)).collect()), NOW).runs


def test_a_site_by_its_own_exporter(tiny_store: TinyStore, tmp_path: Path) -> None:
    tiny_store("heart", patients=7)

    def change(activity: Activity) -> None:
        activity.messages = {"train": {"answered": 4, "policy": 1}, "join": {"answered": 1}}
        activity.run, activity.round, activity.loss, activity.last_time = RUN_ID, 3, 1.5, NOW - 60
        assert activity.working is not None
        activity.working.since = NOW - 20

    held = begin_work(tmp_path / "state", "train")
    assert held is not None
    note(tmp_path / "state", change)
    site = Watched("hospital-a", "train", (tmp_path / "heart", tmp_path / "gone"), tmp_path / "state")
    found = read_overview(Samples(SiteCollector(site).collect()), NOW)
    os.close(held)
    (own,) = found.sites
    assert (own.site, own.run, own.round, own.working_for, own.since_last_message) == ("hospital-a", RUN_ID, 3, 20, 60)
    assert (own.messages, own.patients, own.unreadable_stores) == ({"answered": 5, "policy": 1}, {"heart": 7}, 1)
    text = "\n".join(drawn(found))
    for words in ("site hospital-a", "works for 20 s", "5 answered, 1 policy", "heart 7", "1 stores cannot be opened"):
        assert words in text


def test_the_screen_fits_80_columns_and_shows_who_is_missing(runs: Path) -> None:
    write_run(runs / ("a-long-name-" * 12), [round_line(0)], run="1" * 12)
    lines = drawn(overview(runs))
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for words in ("first  fedavg  running  below quorum", "round 2/10", "loss 1.900", "left 80 s", "sites 90 %"):
        assert words in text
    (site,) = [line for line in lines if line.startswith("b ")]
    assert "missing" in site
    assert "1 norm" in site


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    assert "no federated run here yet" in "\n".join(drawn(read_overview(Samples([]))))


def test_names_cannot_change_the_terminal(tmp_path: Path) -> None:
    config = {"roster": {"[red]x\x1b[2J": {"role": "train"}}}
    write_run(tmp_path / "fed", [round_line(0)], config=config)
    text = "\n".join(drawn(read_overview(Samples(CoordinatorCollector(Runs(tmp_path)).collect()), NOW)))
    assert "\x1b" not in text
    assert "[red]x" in text


def test_lengths_and_sizes_in_words() -> None:
    assert [seconds_text(s) for s in (None, 1.24, 59, 600, 7260, 864000)] == [
        "–", "1.2 s", "59 s", "10 min", "2 h 01", "10 days"
    ]  # fmt: skip
    assert [bytes_text(b) for b in (None, 5, 1500, 2.5e6, 3e9, 4e12)] == [
        "–", "5 B", "1.5 kB", "2.5 MB", "3.0 GB", "4.0 TB"
    ]  # fmt: skip


def test_the_command_prints_json_or_a_screen_and_one_line_where_nothing_is(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["top", str(runs), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["state"] == "lost"
    assert run_command(["top", str(runs)]) == 0
    assert "round 2/10" in capsys.readouterr().out
    for wrong in ("/nowhere", "127.0.0.1:1", "ftp://x:1"):
        assert run_command(["top", wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(InputError, match="no exporter answers"):
        fetch("127.0.0.1:1")
