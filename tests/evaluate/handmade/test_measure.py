"""What is measured, against cohorts in which it is known; and what cannot be measured is NaN and nothing worse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cape_fed.evaluate.handmade.beats import DelineationError
from cape_fed.evaluate.handmade.measure import NAMES, measure
from cape_fed.signal.leads import LEADS
from cape_fed.signal.profile import apply_profile, get_profile
from cape_fed.synthetic.cohort import CohortSpec, make_cohort
from cape_fed.synthetic.population import Population
from tests.synthetic.conftest import CLEAN, QUIET

pytest.importorskip("neurokit2", reason="needs the extra baseline")

BUMPS = ((-0.16, 0.02, 0.15), (-0.025, 0.008, -0.1), (0, 0.01, 1.0), (0.03, 0.01, -0.25), (0.28, 0.045, 0.3))
"""Middle and width in s and height in mV of P, Q, R, S and T."""


@pytest.fixture(scope="module")
def cohort() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The truth about some patients, and what is measured of them in a small profile."""
    spec = CohortSpec("quiet", "train", Population(58, 17, 0.5), (QUIET,), flaws=CLEAN)
    (batch,) = make_cohort(spec, 40, seed=0)
    profile = get_profile("compact100")
    stored = [apply_profile(np.float32(QUIET.adc_step / 1000) * counts.T, 500, profile) for counts in batch.signals]
    rows = [measure(row[:, :valid] / np.float32(1000), 100) for row, valid in stored]
    return batch.truth, pd.DataFrame(rows, columns=NAMES)


def beats(seconds: float = 10, fs: int = 500, rate: float = 70.0, gains: np.ndarray | None = None) -> np.ndarray:
    """Beats of `BUMPS`, ``[12, n]`` mV, R at 1 mV in every lead unless ``gains [12]`` say otherwise."""
    time = np.arange(int(seconds * fs)) / fs
    ecg = np.zeros(len(time))
    for middle in np.arange(0.5, seconds, 60 / rate):
        for at, width, height in BUMPS:
            ecg += height * np.exp(-0.5 * ((time - middle - at) / width) ** 2)
    noise = np.random.default_rng(0).normal(0, 0.004, (12, len(time)))
    return ((np.ones(12) if gains is None else gains)[:, None] * ecg + noise).astype(np.float32)


def seen(ecg: np.ndarray, fs: float = 500) -> dict[str, float]:
    return dict(zip(NAMES, measure(ecg.astype(np.float32), fs).tolist(), strict=True))


def test_rate_and_axis_are_what_was_drawn(cohort: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    truth, found = cohort
    regular = ~truth.AF  # where the median interval is also the mean one
    assert ((found.rate - truth.rate)[regular].abs() < 2).mean() > 0.95
    away = (found.qrs_axis - truth.axis + 180) % 360 - 180
    assert away.abs().median() < 12


@pytest.mark.parametrize(("name", "order"), [("pr", 0.6), ("qrs", 0.4), ("qt", 0.6)])
def test_intervals_follow_what_was_drawn(name: str, order: float, cohort: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    truth, found = cohort
    calm = ~truth.AF & (truth.rate < 100)
    assert found[name][calm].notna().mean() > 0.9
    assert found[name][calm].corr(truth[name][calm], method="spearman") > order
    assert (found[name] - truth[name])[calm].abs().median() < 40


def test_irregular_rhythm_is_measured(cohort: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    truth, found = cohort
    assert found.rr_spread[truth.AF].min() > found.rr_spread[~truth.AF].median() if truth.AF.any() else True


def test_amplitudes_are_in_millivolts_and_belong_to_their_lead() -> None:
    gains = np.linspace(0.4, 1.5, 12)
    gains[3] = -0.8
    found = seen(beats(gains=gains))
    assert found["rate"] == pytest.approx(70, abs=0.5)
    for lead, gain in zip(LEADS, gains, strict=True):
        wave = "R" if gain > 0 else "S"
        assert found[f"{lead} {wave}"] == pytest.approx(gain, abs=0.12), lead
        assert found[f"{lead} T"] == pytest.approx(0.3 * gain, abs=0.1), lead
        assert found[f"{lead} P"] == pytest.approx(0.15 * gain, abs=0.1), lead
    assert found["rr_spread"] < 0.01
    assert found["alike"] > 0.99


@pytest.mark.parametrize("fs", [100, 400, 500])
def test_the_rate_of_the_profile_hardly_matters(fs: int) -> None:
    found, expected = seen(beats(fs=fs), fs), seen(beats())
    for name in ("rate", "pr", "qrs", "qt", "qrs_axis", "V1 R", "V5 T"):
        assert found[name] == pytest.approx(expected[name], abs=max(12, 0.15 * abs(expected[name]))), name


def test_axis_and_hypertrophy_go_by_their_leads() -> None:
    gains = np.ones(12)
    gains[LEADS.index("I")], gains[LEADS.index("aVF")] = 1.0, -np.sqrt(3) / 2
    assert seen(beats(gains=gains))["qrs_axis"] == pytest.approx(-45, abs=3)
    gains = np.ones(12)
    gains[LEADS.index("V5")], gains[LEADS.index("V1")] = 3.0, -2.0
    assert seen(beats(gains=gains))["sokolow"] == pytest.approx(5.0, abs=0.3)


def test_leads_without_a_signal_are_missing_and_the_others_are_not() -> None:
    ecg = beats()
    whole, ecg[6:] = seen(ecg), 0
    found = seen(ecg)
    assert all(np.isnan(found[f"{lead} {wave}"]) for lead in LEADS[6:] for wave in ("P", "Q", "R", "S", "ST", "T"))
    assert np.isnan([found["sokolow"], found["v1_end"], found["v1_r_time"]]).all()
    for name in ("rate", "pr", "qrs", "qt", "qrs_axis", "II R"):
        assert found[name] == pytest.approx(whole[name], abs=max(10, 0.1 * abs(whole[name]))), name


@pytest.mark.parametrize("error", [IndexError, ValueError, ZeroDivisionError])
def test_what_the_library_cannot_take_is_said_to_be_that(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error("inside the library")

    monkeypatch.setattr("neurokit2.ecg_findpeaks", fail)
    with pytest.raises(DelineationError):
        seen(beats())


RNG = np.random.default_rng(0)
HOSTILE = {
    "nothing": np.zeros((12, 5000)),
    "a constant": np.full((12, 5000), 3.0),
    "too short": beats(seconds=1.5),
    "one sample": np.zeros((12, 1)),
    "one beat": np.where(np.arange(5000) < 700, beats(), 0.0),
    "two beats": beats(seconds=2.2, rate=60),
    "white noise": RNG.normal(0, 0.5, (12, 5000)),
    "wander": np.cumsum(RNG.normal(0, 0.05, (12, 5000)), axis=1),
    "hum": np.sin(np.arange(5000) / 500 * 50 * 2 * np.pi) * np.ones((12, 1)),
    "steps": np.repeat(RNG.normal(0, 1, (12, 50)), 100, axis=1),
    "spikes": np.where(RNG.random((12, 5000)) < 0.002, 10.0, 0.0),
    "a ramp": np.arange(5000) / 500 * np.ones((12, 1)),
    "rails": np.sign(beats() - 0.1) * 32.0,
    "one lead": np.where(np.arange(12)[:, None] == 1, beats(), 0.0),
    "very fast": beats(rate=320),
    "very slow": beats(rate=18),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", HOSTILE)
def test_whatever_comes_is_measured_or_missing(kind: str) -> None:
    found = measure(HOSTILE[kind].astype(np.float32), 500)
    assert found.shape == (len(NAMES),)
    assert not np.isinf(found).any()
    if kind in ("nothing", "a constant", "too short", "one sample", "one beat"):
        assert np.isnan(found).all()
    if kind == "one lead":
        assert found[NAMES.index("rate")] == pytest.approx(70, abs=0.5)
