"""What a site keeps between rounds: the right states stay, and the right one is found again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cape_fed.checkpoints import run_rounds
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.learner import Learner
from cape_fed.site.state import load_local_state, save_local_state


def learner() -> Learner:
    return Learner(PretrainConfig(), 100, "site", torch.device("cpu"))


def save(folder: Path, number: int, keep_from: int, value: float = 0.0) -> None:
    one = learner()
    with torch.no_grad():
        one.head[0].weight.fill_(value)
    save_local_state(folder, one, number, keep_from=keep_from, kept={"scale": torch.tensor(value)})


def test_states_stay_from_the_round_that_the_coordinator_may_come_back_to(tmp_path: Path) -> None:
    for number in range(1, 6):
        save(tmp_path, number, keep_from=max(0, number - 2))
    assert run_rounds(tmp_path).numbers() == [3, 4, 5]


def test_states_of_a_run_taken_up_further_back_go(tmp_path: Path) -> None:
    for number in range(1, 5):
        save(tmp_path, number, keep_from=0)
    save(tmp_path, 2, keep_from=1)
    assert run_rounds(tmp_path).numbers() == [1, 2]


def test_the_state_before_a_round_or_the_last_before_it_is_found(tmp_path: Path) -> None:
    save(tmp_path, 1, keep_from=0, value=1.0)
    save(tmp_path, 3, keep_from=0, value=3.0)
    one = learner()
    for asked, found in ((1, 1), (2, 1), (3, 3), (9, 3)):
        state = load_local_state(tmp_path, one, asked)
        assert state is not None
        assert state[0] == found
        assert float(state[1]["scale"]) == found
        assert float(one.head[0].weight.detach()[0, 0]) == found


def test_the_encoder_is_not_kept_and_none_is_loaded(tmp_path: Path) -> None:
    save(tmp_path, 1, keep_from=0)
    one = learner()
    with torch.no_grad():
        one.encoder.state_dict()["stem.weight"].fill_(7)
    load_local_state(tmp_path, one, 1)
    assert (one.encoder.state_dict()["stem.weight"] == 7).all()


def test_a_site_that_never_took_part_has_nothing(tmp_path: Path) -> None:
    assert load_local_state(tmp_path / "nowhere", learner(), 5) is None


def test_a_damaged_state_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path, 1, keep_from=0, value=1.0)
    save(tmp_path, 2, keep_from=0, value=2.0)
    (run_rounds(tmp_path).path(2) / "state.safetensors").write_bytes(b"{}")
    state = load_local_state(tmp_path, learner(), 2)
    assert state is not None
    assert state[0] == 1
    assert "round-000002 is damaged" in caplog.text
