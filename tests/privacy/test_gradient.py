"""What one patient can change in a step's sum is bounded whatever the weights and the others; the rest is noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from opacus import PrivacyEngine
from pydantic import ValidationError
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from cape_fed.errors import InputError
from cape_fed.pretrain.feed import Pairs
from cape_fed.pretrain.learner import Learner
from cape_fed.privacy.config import LEAST_CLIP, MOST_CLIP, PrivacyConfig
from cape_fed.privacy.gradient import Blocks, clipped_sum, fast_gradients, loop_gradients
from tests.privacy.blocks import SAMPLES, learner, model_of, norm, pairs, recordings, source

CLIP = 0.7


def summed(made: Learner, blocks: Blocks) -> list[torch.Tensor]:
    return clipped_sum(loop_gradients(model_of(made), blocks), CLIP)


def without(blocks: Blocks, index: int) -> Blocks:
    """The sum over the other blocks is what is left where a patient of this one is taken out: the slot is empty."""
    kept = [other for other in range(len(blocks[0])) if other != index]
    return blocks[0][kept], blocks[1][kept]


def spoil(made: Learner, how: str) -> None:
    with torch.no_grad():
        for parameter in made.parameters():
            if how == "huge":
                parameter.mul_(300.0)
            elif how == "tiny":
                parameter.mul_(1e-3)
            elif how == "one nan":
                parameter.view(-1)[0] = float("nan")
            elif how == "one infinity":
                parameter.view(-1)[-1] = float("inf")
            elif how == "equal":
                parameter.fill_(0.02)


@settings(max_examples=8, deadline=None)
@given(
    how=st.sampled_from(["as they are", "huge", "tiny", "one nan", "one infinity", "equal"]),
    seed=st.integers(0, 10**6),
    duplicates=st.booleans(),
    block=st.sampled_from([2, 3]),
)
def test_one_patient_changes_the_sum_by_no_more_than_the_bound(
    how: str, seed: int, duplicates: bool, block: int
) -> None:
    made = learner()
    spoil(made, how)
    ecg, valid = recordings(3, block, seed)
    if duplicates:  # a cohort of near-duplicates is where per-sample clipping fails
        ecg = ecg[:1, :, :, :1] + 1e-3 * ecg
    everybody = summed(made, (ecg, valid))
    zeroed = summed(made, without((ecg, valid), 1))
    other = ecg.clone()
    other[1, :, :, 0] = 5 * torch.randn_like(other[1, :, :, 0])
    replaced = summed(made, (other, valid))
    assert all(bool(tensor.isfinite().all()) for tensor in (*everybody, *zeroed, *replaced))
    assert norm([a - b for a, b in zip(everybody, zeroed, strict=True)]) <= CLIP * (1 + 1e-5)
    assert norm([a - b for a, b in zip(everybody, replaced, strict=True)]) <= 2 * CLIP * (1 + 1e-5)


def test_the_bound_is_reached_so_that_the_test_above_can_fail() -> None:
    made = learner()
    blocks = recordings(3, 3)
    change = [a - b for a, b in zip(summed(made, blocks), summed(made, without(blocks, 1)), strict=True)]
    assert norm(change) > 0.99 * CLIP


@pytest.mark.parametrize("bound", [LEAST_CLIP, 1.0, MOST_CLIP])
@pytest.mark.parametrize("exponent", range(-42, 39, 4))
def test_no_size_of_a_gradient_gets_past_the_bound(bound: float, exponent: int) -> None:
    """A coordinator chooses weights and temperature, so that gradients may be of any size, mixed ones as well."""
    generator = torch.Generator().manual_seed(exponent)
    gradients = [torch.randn(2, size, generator=generator, dtype=torch.float64) for size in (3000, 7)]
    gradients[0] *= 10.0**exponent
    gradients[1] *= 10.0 ** (exponent // 2)
    for block in range(2):
        alone = [gradient[block : block + 1].float() for gradient in gradients]
        assert norm([total.double() for total in clipped_sum(alone, bound)]) <= bound


@pytest.mark.parametrize("clip", [0.0, 1e-7, 1e-46, 1e7, float("inf"), float("nan")])
def test_a_bound_that_float32_cannot_keep_is_refused(clip: float) -> None:
    with pytest.raises(ValidationError):
        PrivacyConfig(mode="patient", clip=clip)


@pytest.mark.parametrize("noise", [1e-40, 1e-33, 1e45, float("inf"), float("nan")])
def test_noise_that_float32_has_no_number_for_is_refused(noise: float) -> None:
    with pytest.raises(InputError, match=r"is none in float32"):
        source(learner(), noise=noise, clip=LEAST_CLIP)


def test_a_recording_that_is_not_finite_voids_its_block_alone() -> None:
    made, blocks = learner(), recordings(3, 2)
    blocks[0][1, 0, 0, 0, 0, 0] = float("nan")
    for one, other in zip(summed(made, blocks), summed(made, without(blocks, 1)), strict=True):
        assert torch.allclose(one, other, atol=1e-7)


@pytest.mark.parametrize("views", [1, 3])
def test_the_fast_way_equals_the_loop(views: int) -> None:
    made, blocks = learner(), recordings(4, 3, views=views)
    slow, fast = (way(model_of(made), blocks) for way in (loop_gradients, fast_gradients))
    for one, other in zip(slow, fast, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-5 * float(one.abs().max()))


def test_views_are_averaged_before_the_clip() -> None:
    made = learner()
    ecg, valid = recordings(1, 3, views=2)
    both = loop_gradients(model_of(made), (ecg, valid))
    each = [loop_gradients(model_of(made), (ecg[:, :, [view]], valid[:, :, [view]])) for view in range(2)]
    for mean, one, two in zip(both, *each, strict=True):
        assert torch.allclose(mean, (one + two) / 2, atol=1e-5)


def test_one_clip_bounds_encoder_and_head_together() -> None:
    made = learner()
    gradients = loop_gradients(model_of(made), recordings(1, 3))
    count = len(list(made.encoder.parameters()))
    clipped = clipped_sum(gradients, 0.1)
    assert norm(clipped) == pytest.approx(0.1, rel=1e-4)
    assert norm(clipped[:count]) / norm(clipped[count:]) == pytest.approx(
        norm([gradient[0] for gradient in gradients[:count]]) / norm([gradient[0] for gradient in gradients[count:]]),
        rel=1e-3,
    )


def noise_of(made: Learner, batch: Pairs, **settings: float) -> torch.Tensor:
    made.optimiser.zero_grad(set_to_none=True)
    source(made, **settings).backward(batch, 0)  # type: ignore[arg-type]
    return torch.cat([parameter.grad.flatten() for parameter in made.parameters() if parameter.grad is not None])


def test_an_empty_step_is_noise_of_the_right_size_on_encoder_and_head() -> None:
    made, nobody = learner(), pairs(0, 4)
    noise = noise_of(made, nobody, noise=2.0, clip=0.5, blocks=40)
    assert len(noise) == sum(parameter.numel() for parameter in made.parameters())
    deviation = 2.0 * 0.5 / (0.5 * 40)
    count = len(noise)
    assert abs(float(noise.mean())) < 5 * deviation / np.sqrt(count)
    assert float(noise.std()) == pytest.approx(deviation, rel=5 / np.sqrt(2 * count))
    head = sum(parameter.numel() for parameter in made.head.parameters())
    assert float(noise[-head:].std()) == pytest.approx(deviation, rel=5 / np.sqrt(2 * head))
    assert not torch.equal(noise, noise_of(learner(), nobody, noise=2.0, clip=0.5, blocks=40))  # the same seed


def test_the_denominator_is_constant() -> None:
    """Neither how many blocks were drawn nor how many counted has a say in it."""
    made = learner()
    for blocks in (10, 20):
        made.optimiser.zero_grad(set_to_none=True)
        source(made, noise=1e-9, blocks=blocks).release([torch.ones_like(value) for value in made.parameters()])
        for parameter in made.parameters():
            assert parameter.grad is not None
            assert torch.allclose(parameter.grad, torch.full_like(parameter, 1 / (0.5 * blocks)))
    alone = noise_of(made, pairs(1, 4), noise=1e-9, clip=1e-3, blocks=10)
    assert float(alone.norm()) == pytest.approx(1e-3 / (0.5 * 10), rel=1e-3)


def test_the_loss_is_not_told() -> None:
    made = learner()
    assert source(made).backward(pairs(1, 4), 0).isnan()


def test_cpu_noise_does_not_come_from_a_generator_with_32_bits() -> None:
    """PyTorch's generator on the CPU forgets the upper half of a seed: whoever sees the noise could find it."""
    generator = torch.Generator()
    draws = [torch.randn(4, generator=generator.manual_seed(seed)) for seed in (5, 5 + 2**32)]
    assert torch.equal(*draws)
    noise = noise_of(learner(), pairs(0, 4))
    state = torch.get_rng_state()
    assert not torch.equal(noise, noise_of(learner(), pairs(0, 4)))
    assert torch.equal(state, torch.get_rng_state())


def test_batch_norm_is_refused() -> None:
    with pytest.raises(InputError, match=r"cannot train buffers.*norm=group"):
        source(learner(norm="batch"))


def test_opacus_finds_what_mixes_patients_without_a_buffer() -> None:
    made = learner()
    made.encoder.extra = nn.BatchNorm1d(4, track_running_stats=False)
    with pytest.raises(InputError, match=r"cannot train this encoder: .*BatchNorm"):
        source(made)


def test_per_sample_hooks_on_a_batch_loss_are_refused_with_the_reason() -> None:
    made = learner()
    model = nn.Sequential(made.encoder, made.head)
    loader = DataLoader(TensorDataset(torch.randn(8, 12, SAMPLES)), batch_size=4)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    private, *_ = PrivacyEngine().make_private(
        module=model, optimizer=optimiser, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
    )
    with pytest.raises(InputError, match="per-sample clipping protects nobody here"):
        private(torch.randn(8, 12, SAMPLES))  # which would give nt_xent its embeddings


def test_hooks_on_the_encoder_of_a_learner_are_refused_too() -> None:
    made = learner()
    loader = DataLoader(TensorDataset(torch.randn(8, 12, SAMPLES)), batch_size=4)
    PrivacyEngine().make_private(
        module=made.encoder, optimizer=torch.optim.SGD(made.encoder.parameters(), lr=0.1), data_loader=loader,
        noise_multiplier=1.0, max_grad_norm=1.0,
    )  # fmt: skip
    with pytest.raises(InputError, match="use privacy=patient"):
        made.step(pairs(2, 4), 0, 10)
