from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cape_fed.cli.main import run as run_command
from cape_fed.lock import locked
from cape_fed.monitoring.page.document import write_page, write_page_of_ended
from tests.monitoring.rundirs import RUN_ID, round_line, write_run

TROUBLE = [{"site": "b", "what": "refused", "reason": "norm"}]
PARTS = {"parts": {"wait": 0.1, "sites": 8.0, "combine": 1.0}}


def page_of(path: Path, lines: list[Any], **status: Any) -> str:
    return write_page(write_run(path / "fed", lines, **status)).read_text()


def test_a_finished_federation(tmp_path: Path) -> None:
    lines = [round_line(0, "ab", **PARTS), round_line(1, "a", trouble=TROUBLE, **PARTS), round_line(2, "ab", **PARTS)]
    text = page_of(tmp_path, lines, reason="all rounds are done", app="abcd", rounds=3)
    assert "The run is finished after 3 of 3 rounds." in text
    assert "The mean loss went from 2.000 to 1.800." in text
    assert "1 of 2 training sites took part in every round; not in all of them: b." in text
    assert "The rounds took 30 s and moved 5.7 kB." in text
    assert f"run {RUN_ID}, fedavg" in text
    assert text.count("<img") == 3
    assert text.count('<i class="refused" title="round 2: gave a reply that did not count">') == 1
    row = re.search(r"<tr><th scope=\"row\">b</th><td>refused</td>.*?</tr>", text)
    assert row is not None
    assert "<td>norm</td><td>1</td><td>2</td>" in row[0]
    assert "<td>24 s</td><td>88 %</td>" in text


def test_it_asks_for_nothing_outside_itself(tmp_path: Path) -> None:
    text = page_of(tmp_path, [round_line(0, **PARTS)])
    assert re.findall(r"(?:src|href)=\"(?!data:|#)[^\"]*", text) == []
    assert "<script" not in text
    assert "url(" not in text


@pytest.mark.parametrize(("state", "words"), [
    ("failed", "The run failed after 1 of 10 rounds: round 1 stayed below quorum."),
    ("stopped", "The run was stopped after 1 of 10 rounds: round 1 stayed below quorum."),
    ("running", "The run is lost: the process that led it is gone after 1 of 10 rounds"),
])  # fmt: skip
def test_how_it_ended(tmp_path: Path, state: str, words: str) -> None:
    assert words in page_of(tmp_path, [round_line(0)], state=state, error="round 1 stayed below quorum")


def test_the_round_that_was_given_up_shows_what_went_wrong(tmp_path: Path) -> None:
    given_up = {"round": 1, "trouble": [{"site": "b", "what": "failed", "reason": "gone"}]}
    text = page_of(tmp_path, [round_line(0)], state="failed", error="below quorum", given_up=given_up)
    assert "<td>failed</td><td>gone</td><td>1</td><td>2</td>" in text


def test_without_a_round_and_without_anything(tmp_path: Path) -> None:
    text = page_of(tmp_path, [], state="failed", error="0 of 2 training sites")
    assert "No round was finished." in text
    assert "<img" not in text
    empty = write_run(tmp_path / "empty", config={}, run="", rounds=0)
    assert "The run is finished after 0 of ? rounds." in write_page(empty).read_text()


def test_only_of_a_run_that_has_ended(tmp_path: Path) -> None:
    write_page_of_ended(tmp_path / "none")
    path = write_run(tmp_path / "fed", [round_line(0)], state="running")
    with locked(path / ".lock"):
        write_page_of_ended(path)
        assert not (path / "federation.html").exists()
    write_page_of_ended(path)
    assert (path / "federation.html").exists()


def test_names_are_text(tmp_path: Path) -> None:
    config = {"roster": {"<script>alert(1)</script>": {"role": "train"}}}
    text = write_page(write_run(tmp_path / "fed", [round_line(0)], config=config)).read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_a_thousand_rounds_stay_a_small_page(tmp_path: Path) -> None:
    text = page_of(tmp_path, [round_line(number, **PARTS) for number in range(1000)])
    assert len(text) < 400_000


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_run(tmp_path / "fed", [round_line(0)])
    assert run_command(["top", str(path), "--page"]) == 0
    assert capsys.readouterr().out.strip() == str(path / "federation.html")
    assert run_command(["top", str(tmp_path), "--page"]) == 2
    assert "holds no federated run" in capsys.readouterr().err
