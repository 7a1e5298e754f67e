"""The arithmetic between rounds: Flower's strategies on differences equal the textbook's, clipped and resumable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from flwr.app import RecordDict

from cape_fed.coordinator.aggregation import Aggregator, clip_to_median
from cape_fed.coordinator.drift import client_drift
from cape_fed.errors import RunError
from cape_fed.federation.config import Transport
from cape_fed.federation.tensors import ENCODER, WIRE_TYPES, euclidean_norm, to_arrays, to_changes, update_records
from cape_fed.federation.update import Update
from cape_fed.federation.validation import read_tensors
from cape_fed.methods.ldawa import weigh_by_divergence
from cape_fed.methods.registry import METHODS, complete_options, make_method

NAMES = ("a.weight", "b.bias")


def encoder(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(3, 4, generator=generator) for name in NAMES}


def update(site: str, seed: int, weight: int = 1, scale: float = 1.0) -> Update:
    rng = np.random.default_rng(seed)
    return Update(site, {name: scale * rng.normal(size=(3, 4)) for name in NAMES}, weight)


def flat(value: dict[str, torch.Tensor] | Update) -> np.ndarray:
    arrays = value.changes if isinstance(value, Update) else {name: tensor.numpy() for name, tensor in value.items()}
    return np.concatenate([np.asarray(arrays[name], np.float64).ravel() for name in NAMES])


class Server(Aggregator):
    """An aggregator of three training sites."""

    def __init__(self, strategy: str, options: dict[str, float] | None = None, *, clip: bool = False) -> None:
        parameters = {name: torch.zeros(3, 4) for name in NAMES}
        super().__init__(make_method(strategy, complete_options(strategy, options or {}), parameters), clip=clip)

    def round(self, number: int, before: dict[str, torch.Tensor], updates: list[Update]) -> dict[str, torch.Tensor]:
        return self.aggregate(number, before, updates, 3)


def test_fedavg_is_the_weighted_mean() -> None:
    updates = [update("a", 1, 30), update("b", 2, 10)]
    after = Server("fedavg").round(0, encoder(), updates)
    expected = flat(encoder()) + 0.75 * flat(updates[0]) + 0.25 * flat(updates[1])
    assert np.allclose(flat(after), expected, atol=1e-6)
    assert {value.dtype for value in after.values()} == {torch.float32}


def test_one_site_alone_gives_its_own_weights_bit_for_bit() -> None:
    own = encoder(5)
    values = read_tensors(RecordDict(update_records(own, encoder(), "float32")), ENCODER, encoder())
    only = Update("a", to_changes(values, to_arrays(encoder()), "float32"), 7)
    after = Server("fedavg", clip=True).round(0, encoder(), [only])
    assert all(torch.equal(after[name], own[name]) for name in NAMES)


def test_fedavgm_is_momentum_on_the_mean_change() -> None:
    server = Server("fedavgm", options={"momentum": 0.5, "learning_rate": 0.1})
    first, second = update("a", 1), update("a", 2)
    once = server.round(0, encoder(), [first])
    twice = server.round(1, once, [second])
    assert np.allclose(flat(once), flat(encoder()) + 0.1 * flat(first), atol=1e-6)
    assert np.allclose(flat(twice), flat(once) + 0.1 * (0.5 * flat(first) + flat(second)), atol=1e-6)


def test_fedadam_is_adam_on_the_mean_change() -> None:
    server = Server("fedadam", options={"learning_rate": 0.01, "momentum": 0.9, "second_momentum": 0.99})
    m, v, expected = np.zeros(24), np.zeros(24), flat(encoder())
    current = encoder()
    for number in range(3):
        change = update("a", number)
        current = server.round(number, current, [change])
        m, v = 0.9 * m + 0.1 * flat(change), 0.99 * v + 0.01 * flat(change) ** 2
        rate = 0.01 * np.sqrt(1 - 0.99 ** (number + 1)) / (1 - 0.9 ** (number + 1))
        expected = expected + rate * m / (np.sqrt(v) + 1e-3)
    assert np.allclose(flat(current), expected, atol=1e-5)


def test_median_and_trimmed_mean_pass_over_a_wild_site() -> None:
    updates = [update(str(seed), seed) for seed in range(4)] + [update("wild", 9, scale=1e6)]
    stacked = np.stack([flat(one) for one in updates])
    after = Server("median").round(0, encoder(), updates)
    assert np.allclose(flat(after) - flat(encoder()), np.median(stacked, axis=0), atol=1e-6)
    after = Server("trimmed_mean", options={"trim": 0.2}).round(0, encoder(), updates)
    expected = np.sort(stacked, axis=0)[1:4].mean(axis=0)
    assert np.allclose(flat(after) - flat(encoder()), expected, atol=1e-6)


def test_multi_krum_averages_the_sites_that_agree() -> None:
    rng = np.random.default_rng(0)
    near = [Update(str(i), {name: 1 + 0.01 * rng.normal(size=(3, 4)) for name in NAMES}, 1) for i in range(3)]
    wild = Update("wild", {name: np.full((3, 4), -5.0) for name in NAMES}, 1)
    after = Server("multi_krum", options={"malicious": 1, "selected": 3}).round(0, encoder(), [*near, wild])
    expected = np.mean([flat(one) for one in near], axis=0)
    assert np.allclose(flat(after) - flat(encoder()), expected, atol=1e-6)


def test_longer_updates_are_clipped_to_the_median_euclidean_norm() -> None:
    updates = [update("a", 1), update("b", 1, scale=2), update("c", 1, scale=1000)]
    clipped = clip_to_median(updates)
    assert [euclidean_norm(one.changes) / euclidean_norm(updates[0].changes) for one in clipped] == pytest.approx(
        [1, 2, 2]
    )
    assert np.allclose(flat(clipped[2]) / 2, flat(updates[0]))
    same = [update("a", 1), update("b", 1)]
    assert all(np.array_equal(flat(one), flat(two)) for one, two in zip(clip_to_median(same), same, strict=True))


@pytest.mark.parametrize("strategy", METHODS)
def test_a_server_that_was_saved_goes_on_as_if_it_had_not_stopped(strategy: str) -> None:
    options = {"learning_rate": 0.1, "selected": 2}
    whole, first = Server(strategy, options), Server(strategy, options)
    rounds = [[update(site, 10 * number + place) for place, site in enumerate("abc")] for number in range(4)]
    one = two = encoder()
    for number in range(4):
        one = whole.round(number, one, rounds[number])
    for number in range(2):
        two = first.round(number, two, rounds[number])
    second = Server(strategy, options)
    second.load_state(first.state())
    for number in range(2, 4):
        two = second.round(number, two, rounds[number])
    assert all(torch.equal(one[name], two[name]) for name in NAMES)


def test_an_encoder_that_is_not_finite_ends_the_run() -> None:
    with pytest.raises(RunError, match="round 3: the encoder is not finite"):
        Server("fedavg").round(3, encoder(), [update("a", 1, scale=1e200)])


@pytest.mark.parametrize(("transport", "loss"), [("float16", 1e-3), ("bfloat16", 8e-3)])
def test_shorter_numbers_lose_little_of_a_change(transport: Transport, loss: float) -> None:
    received = encoder()
    trained = {name: value + 1e-3 * torch.randn_like(value) for name, value in received.items()}
    content = RecordDict(update_records(trained, received, transport))
    values = read_tensors(content, ENCODER, received, WIRE_TYPES[transport])
    changes = to_changes(values, to_arrays(received), transport)
    exact = flat(trained) - flat(received)
    assert np.linalg.norm(flat(Update("a", changes, 1)) - exact) < loss * np.linalg.norm(exact)
    assert len(content.array_records["encoder"]["values"].data) == 2 * 24 + 128


def test_ldawa_weighs_by_patients_and_angle() -> None:
    before = {"a.weight": torch.tensor([[1.0, 0.0]])}
    along = Update("a", {"a.weight": np.array([[1.0, 0.0]])}, 10)  # to (2, 0): cosine 1
    across = Update("b", {"a.weight": np.array([[0.0, 1.0]])}, 30)  # to (1, 1): cosine 1 / √2
    away = Update("c", {"a.weight": np.array([[-3.0, 0.0]])}, 60)  # to (-2, 0): cosine -1, which counts as 0
    after = Server("ldawa").round(0, before, [along, across, away])["a.weight"].numpy()
    weights = np.array([10, 30 / np.sqrt(2), 0])
    expected = (weights[:, None] * np.array([[2.0, 0.0], [1.0, 1.0], [-2.0, 0.0]])).sum(0) / weights.sum()
    assert after[0] == pytest.approx(expected, abs=1e-6)


def test_ldawa_falls_back_on_patients_where_all_turn_away() -> None:
    before = {"a.weight": torch.tensor([[1.0, 0.0]])}
    away = [Update(site, {"a.weight": np.array([[-3.0, 0.0]])}, 5) for site in "ab"]
    assert weigh_by_divergence(before, away)[0].changes["a.weight"].tolist() == [[-3.0, 0.0]]


@pytest.mark.parametrize("strategy", ["fedavg", "fedadam", "fedavgm", "median"])
def test_running_statistics_are_averaged_and_enter_no_optimiser(strategy: str) -> None:
    before = {"w.weight": torch.ones(2), "n.running_var": torch.ones(2)}
    server = Server(strategy)
    updates = [Update(s, {"w.weight": np.full(2, x), "n.running_var": np.full(2, x)}, n)
               for s, x, n in (("a", 1.0, 10), ("b", 4.0, 30))]  # fmt: skip
    for _ in range(2):  # an optimiser with momentum would go further the second time
        after = server.round(0, before, updates)
        assert after["n.running_var"].numpy() == pytest.approx(1 + 0.25 * 1 + 0.75 * 4)
    assert not any("running_var" in name for name in server.state())


def test_the_control_variate_is_the_sum_of_changes_over_all_sites() -> None:
    server = Server("scaffold")
    one, two = update("a", 1), update("b", 2)
    sent = [replace(one, extra=one.changes), replace(two, extra=two.changes)]
    server.aggregate(0, encoder(), sent, sites=4)
    for name in NAMES:
        assert np.allclose(server.state()[f"control.{name}"], (one.changes[name] + two.changes[name]) / 4)
    again = Server("scaffold")
    again.load_state(server.state())
    assert all(torch.equal(value, again.state()[name]) for name, value in server.state().items())


def test_what_a_method_sends_is_clipped_to_its_own_median() -> None:
    server = Server("scaffold", clip=True)
    short, long = update("a", 1), update("b", 1, scale=1000)
    sent = [replace(short, extra=short.changes), replace(update("c", 1), extra=short.changes)]
    server.aggregate(0, encoder(), [*sent, replace(long, extra=long.changes)], sites=3)
    for name in NAMES:
        assert np.allclose(server.state()[f"control.{name}"], short.changes[name])


def test_client_drift_by_hand() -> None:
    drift = client_drift([{"a": np.array([1.0, 0.0])}, {"a": np.array([0.0, 1.0])}])
    assert drift["cosine"] == pytest.approx(0)
    assert drift["drift"] == pytest.approx(1)  # both lie √½ from a mean of length √½
    assert client_drift([{"a": np.array([1.0])}]) == {}
    assert client_drift([{"a": np.array([1.0])}, {"a": np.array([0.0])}]) == {}
