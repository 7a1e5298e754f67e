"""The coordinator's state is kept whole, and one that is damaged is passed over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cape_fed.checkpoints import run_rounds
from cape_fed.coordinator.checkpoint import FACTS, FORMAT, RunState, load_latest_round, new_state, save_round
from cape_fed.errors import InputError, VersionError
from cape_fed.pretrain.config import PretrainConfig


def state(rounds: int) -> RunState:
    made = new_state(PretrainConfig())
    made.facts.rounds_done = rounds
    made.method = {"control.stem.weight": torch.full((2, 2), float(rounds))}
    return made


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    before = state(3)
    before.facts.standing.refuse("a", 2, "norm", 3)
    save_round(tmp_path, before)
    after = load_latest_round(tmp_path)
    assert after is not None
    assert after.facts == before.facts
    assert all(torch.equal(value, after.encoder[name]) for name, value in before.encoder.items())
    assert torch.equal(after.method["control.stem.weight"], before.method["control.stem.weight"])


def test_nothing_is_read_before_the_first_round(tmp_path: Path) -> None:
    assert load_latest_round(tmp_path / "checkpoints") is None


def test_the_earliest_round_to_come_back_to_is_known(tmp_path: Path) -> None:
    assert [save_round(tmp_path, state(number)) for number in (1, 2, 3)] == [1, 1, 2]
    assert run_rounds(tmp_path).numbers() == [2, 3]


def test_a_damaged_round_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in (1, 2):
        save_round(tmp_path, state(number))
    (run_rounds(tmp_path).path(2) / "encoder.safetensors").write_bytes(b"{}")
    found = load_latest_round(tmp_path)
    assert found is not None
    assert found.facts.rounds_done == 1
    assert "round-000002 is damaged" in caplog.text
    (run_rounds(tmp_path).path(1) / FACTS).write_text("{}")
    with pytest.raises(InputError, match=r"cannot read checkpoint .*round-000001: .*start again"):
        load_latest_round(tmp_path)


def test_a_round_of_a_later_version_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    for number in (1, 2):
        save_round(tmp_path, state(number))
    facts = run_rounds(tmp_path).path(2) / FACTS
    facts.write_text(facts.read_text().replace(f'"format": {FORMAT}', f'"format": {FORMAT + 1}, "new": 1'))
    with pytest.raises(VersionError, match=f"round-000002 has format {FORMAT + 1}, .* reads none later than {FORMAT}"):
        load_latest_round(tmp_path)


def test_a_round_of_the_first_format_is_read(tmp_path: Path) -> None:
    save_round(tmp_path, state(1))
    facts = run_rounds(tmp_path).path(1) / FACTS
    values = json.loads(facts.read_text())
    facts.write_text(json.dumps({key: value for key, value in values.items() if key != "led_by"} | {"format": 2}))
    found = load_latest_round(tmp_path)
    assert found is not None
    assert found.facts.led_by is None


def test_the_first_weights_are_the_seeds(tmp_path: Path) -> None:
    one, two = new_state(PretrainConfig(seed=1)), new_state(PretrainConfig(seed=1))
    assert all(torch.equal(value, two.encoder[name]) for name, value in one.encoder.items())
    assert one.facts.run != two.facts.run
    other = new_state(PretrainConfig(seed=2))
    assert not torch.equal(one.encoder["stem.weight"], other.encoder["stem.weight"])
