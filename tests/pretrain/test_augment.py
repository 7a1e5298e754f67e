"""What augmentations do to a signal, and what they leave alone."""

from __future__ import annotations

import pytest
import torch

from cape_fed.pretrain.augment import Augmentation, add_mains_, add_wander_, random_crop, random_stretch
from cape_fed.pretrain.config import AugmentConfig

OFF = {"crop": 1.0, "time_mask": 0, "gain": 0, "noise_mv": 0, "wander_mv": 0, "mains_mv": 0, "lead_mask": 0}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def signals(batch: int = 8, samples: int = 400) -> torch.Tensor:
    return (1000 * torch.randn(batch, 12, samples, generator=generator(9))).to(torch.int16)


def full(batch: int = 8, samples: int = 400) -> torch.Tensor:
    return torch.full((batch,), samples)


def test_everything_off_changes_nothing() -> None:
    x, valid = Augmentation(AugmentConfig(**OFF), 100)(signals(), full(), generator())
    assert torch.allclose(x, signals() / 1000)
    assert torch.equal(valid, full())


def test_same_generator_same_view_and_another_another() -> None:
    augmentation = Augmentation(AugmentConfig(), 500)
    one, two, other = (augmentation(signals(), full(), generator(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_a_crop_is_a_stretch_of_the_recording() -> None:
    ramp = torch.arange(400.0).expand(64, 12, 400)
    cropped, valid = random_crop(ramp, full(64), 0.5, generator())
    assert cropped.shape == (64, 12, 200)
    assert torch.equal(cropped.diff(dim=2), torch.ones(64, 12, 199))
    starts = cropped[:, 0, 0]
    assert starts.min() >= 0
    assert starts.max() <= 200
    assert len(starts.unique()) > 20
    assert (valid == 200).all()


def test_a_crop_avoids_padding_where_it_can() -> None:
    valid = torch.tensor([400, 300, 100])
    _, kept = random_crop(signals(3), valid, 0.5, generator())
    assert kept.tolist() == [200, 200, 100]


def test_padding_stays_silent() -> None:
    valid = torch.tensor([400, 150, 60])
    x, kept = Augmentation(AugmentConfig(), 500)(signals(3), valid, generator())
    for record, length in zip(x, kept, strict=True):
        assert not record[:, length:].any()
        assert record[:, :length].any()


def test_masks_cover_what_they_say() -> None:
    stretch = random_stretch(signals(500), full(500), 0.25, generator())
    lengths = stretch.sum(dim=1)
    assert lengths.max() <= 101
    assert 40 < lengths.float().mean() < 60
    masked, _ = Augmentation(AugmentConfig(**{**OFF, "lead_mask": 0.25}), 100)(signals(500), full(500), generator())
    assert (~masked.any(dim=2)).float().mean() == pytest.approx(0.25, abs=0.02)


def test_gain_is_common_to_all_leads_of_a_view() -> None:
    x, _ = Augmentation(AugmentConfig(**{**OFF, "gain": 0.3}), 100)(signals(), full(), generator())
    before = signals() / 1000
    gain = (x * before).sum(dim=(1, 2), keepdim=True) / before.square().sum(dim=(1, 2), keepdim=True)
    assert torch.allclose(x, gain * before, atol=1e-5)
    assert gain.std() > 0.05


def test_mains_hum_is_only_added_where_the_rate_can_show_it() -> None:
    silence, hum = torch.zeros(8, 12, 1000), torch.zeros(64, 12, 5000)
    add_mains_(silence, 0.1, 100, generator())
    assert not silence.any()
    add_mains_(hum, 0.1, 500, generator())
    spectrum = torch.fft.rfft(hum[:, 0]).abs()
    peaks = set((spectrum.argmax(dim=1) * 500 / 5000).tolist())
    assert peaks == {50.0, 60.0}
    assert hum.abs().max() <= 0.1


def test_wander_is_slow_and_bounded() -> None:
    drift = torch.zeros(64, 12, 5000)
    add_wander_(drift, 0.2, 500, generator())
    power = torch.fft.rfft(drift).abs().square().sum(dim=(0, 1))
    assert power[: int(1.0 * 10) + 1].sum() / power.sum() > 0.95
    assert drift.abs().max() <= 0.2
