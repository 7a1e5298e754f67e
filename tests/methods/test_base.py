"""What every method decides unless it says otherwise: who is asked, and that a site begins where it is told."""

from __future__ import annotations

import torch
from flwr.app import RecordDict

from cape_fed.methods.base import encoder_copies
from cape_fed.methods.registry import METHODS, complete_options, make_method
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.learner import Learner

SITES = ["a", "b", "c", "d"]
NOTHING = RecordDict()


def method(name: str = "fedavg", **options: float):  # type: ignore[no-untyped-def]
    return make_method(name, complete_options(name, options), {"stem.weight": torch.zeros(2, 3)})


def learner() -> Learner:
    return Learner(PretrainConfig(), 100, "site", torch.device("cpu"))


def test_all_sites_are_asked_where_all_take_part() -> None:
    assert method().select(SITES, 3, 1.0, seed=0) == set(SITES)


def test_a_share_is_drawn_by_seed_and_round_alone() -> None:
    asked = [method().select(SITES, number, 0.5, seed=0) for number in range(20)]
    assert asked == [method().select(SITES, number, 0.5, seed=0) for number in range(20)]
    assert {len(sites) for sites in asked} == {2}
    assert set().union(*asked) == set(SITES)
    assert asked != [method().select(SITES, number, 0.5, seed=1) for number in range(20)]


def test_a_share_that_is_a_whole_number_is_as_many_sites() -> None:
    assert len(method().select([str(number) for number in range(25)], 0, 0.28, seed=0)) == 7


def test_a_small_share_is_one_site() -> None:
    assert len(method().select(SITES, 0, 0.01, seed=0)) == 1


def test_cyclic_takes_turns_and_says_how_often_a_site_is_asked() -> None:
    cyclic = method("cyclic")
    assert [cyclic.select(SITES, number, 1.0, seed=0) for number in range(5)] == [{"a"}, {"b"}, {"c"}, {"d"}, {"a"}]
    assert cyclic.share_asked(4, 1.0) == 0.25
    assert method().share_asked(4, 0.5) == 0.5


def test_a_round_begins_with_the_encoder_received_and_without_the_transforms_of_the_last_one() -> None:
    one = learner()
    received = {name: value + 1 for name, value in one.encoder.state_dict().items()}
    method("fedprox", proximal_mu=0.5).begin(one, received, {}, NOTHING)
    assert len(one.transforms) == 1
    assert method().begin(one, received, {}, NOTHING) == {}
    assert one.transforms == ()
    assert all(torch.equal(value, received[name]) for name, value in one.encoder.state_dict().items())
    assert method().end(one, {}) == ({}, {})


def test_no_pull_where_its_strength_is_nothing() -> None:
    one = learner()
    method("fedprox", proximal_mu=0.0).begin(one, one.encoder.state_dict(), {}, NOTHING)
    assert one.transforms == ()


def test_what_is_kept_does_not_train_on() -> None:
    one = learner()
    kept = encoder_copies(one, ["stem.weight"])
    with torch.no_grad():
        one.encoder.state_dict()["stem.weight"].add_(1)
    assert torch.allclose(kept["stem.weight"] + 1, one.encoder.state_dict()["stem.weight"])


def test_only_scaffold_sends_anything_with_the_encoder() -> None:
    assert {name for name, method in METHODS.items() if method.sends} == {"scaffold"}
    assert {name for name, method in METHODS.items() if method.personalises} == {"fedbn"}
