"""What an encoder is not asked to embed, and in which words."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.release.recordings import checked_window
from cape_fed.signal.given import MAX_MV
from cape_fed.signal.leads import LEADS
from cape_fed.signal.profile import get_profile
from cape_fed.signal.quality import Quality, assess
from tests.archive.files import ecg

X = ecg(1).astype(np.float64)


@pytest.fixture(scope="module")
def encoder() -> PretrainedEncoder:
    return PretrainedEncoder(build_encoder(MODELS["tiny"], 0), get_profile("compact100"))


def with_missing(signal: np.ndarray) -> np.ndarray:
    signal = signal.copy()
    signal[:, 100:600] = np.nan
    signal[7] = np.nan
    return signal


def masked(fill: float) -> np.ma.MaskedArray[Any, Any]:
    missing = np.isnan(with_missing(X))
    return np.ma.masked_array(np.where(missing, fill, X), missing)


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x: x * np.nan, "has no finite sample"),
        (lambda x: x * np.inf, "has no finite sample"),
        (lambda x: x * 1e3, "microvolts or ADC counts"),
        (lambda x: x * 1e6, "microvolts or ADC counts"),
        (lambda x: x * 200, "microvolts or ADC counts"),
        (lambda x: x * 40 + 1, "microvolts or ADC counts"),
        (lambda x: x * 1e300, "microvolts or ADC counts"),
        (lambda x: np.where(np.arange(12)[:, None] == 3, x * 1e3, x), "microvolts or ADC counts"),
        (lambda x: x / 1e3, "volts, or no ECG"),
        (lambda x: x / 1e6 + 0.3, "volts, or no ECG"),
        (lambda x: x * 0, "volts, or no ECG"),
        (lambda x: x * 0 + 1.5, "volts, or no ECG"),
    ],
)
def test_every_check_holds_record_by_record(encoder: PretrainedEncoder, index: int, change: Any, says: str) -> None:
    batch = np.stack([X, X, X])
    batch[index] = change(X)
    with pytest.raises(ValueError, match=f"record {index} .*{says}"):
        encoder.embed(batch, 500)
    with pytest.raises(ValueError, match=f"the recording .*{says}"):
        encoder.embed(change(X), 500)


@pytest.mark.parametrize(
    "fs",
    [
        "500",
        b"500",
        None,
        True,
        np.bool_(True),
        500j,
        np.array([500.0]),
        np.array(500.0),
        [500],
        (500,),
        {},
        torch.tensor(500.0),
    ],
)
def test_a_rate_of_another_type_is_a_sentence(encoder: PretrainedEncoder, fs: Any) -> None:
    with pytest.raises(ValueError, match=f"sampling rate fs as one number in Hz, got {type(fs).__name__}"):
        encoder.embed(X, fs)


@pytest.mark.parametrize("fs", [0, -500, float("nan"), float("inf"), 10**400, 0.5, 20_001, 1e-300, -(10**400)])
def test_impossible_rates(encoder: PretrainedEncoder, fs: float) -> None:
    with pytest.raises(ValueError, match="expected a sampling rate"):
        encoder.embed(X, fs)


@pytest.mark.parametrize("fs", [500, 500.0, np.int32(500), np.float32(500), np.uint16(500)])
def test_numbers_of_any_kind_are_rates(encoder: PretrainedEncoder, fs: float) -> None:
    np.testing.assert_array_equal(encoder.embed(X, fs), encoder.embed(X, 500))


@pytest.mark.parametrize("fill", [0.0, 9999.0, -1e20])
def test_what_is_masked_is_missing(encoder: PretrainedEncoder, fill: float) -> None:
    expected = encoder.embed(with_missing(X), 500)
    np.testing.assert_array_equal(encoder.embed(masked(fill), 500), expected)
    for many in (np.ma.stack([masked(fill), masked(fill)]), [masked(fill), masked(fill)]):
        np.testing.assert_allclose(encoder.embed(many, 500), np.stack([expected, expected]), atol=1e-5)
    counts = np.ma.masked_array(np.full((12, 5000), 7), mask=True)
    with pytest.raises(ValueError, match="no finite sample"):
        encoder.embed(counts, 500)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (X.astype(object), "an array of object"),
        ([[None] * 5000] * 12, "an array of object"),
        (X.astype(str), "an array of <U"),
        (X.astype(complex), "an array of complex128"),
        (X > 0, "an array of bool"),
        (np.zeros((12, 5000), "M8[s]"), "an array of datetime64"),
        (np.zeros((12, 5000), [("mv", float)]), "an array of ["),
        (np.ma.masked_array(X.astype(object)), "an array of object"),
        ([X, X[:, :4000]], "different lengths are embedded as a stream"),
        ([masked(0), X[:, :4000]], "different lengths are embedded as a stream"),
        (None, "an array of object"),
        ("ecg", "an array of <U"),
        (5.0, "[12, n] or [B, 12, n]"),
        (X[None, None], "[12, n] or [B, 12, n]"),
        (X[:8], "expected 12 leads"),
        (X.T, "transpose it"),
        (np.zeros((0, 12, 5000)), "at least one record"),
        (X[:, :100], "at least one second"),
        (torch.tensor(X, requires_grad=True), "an array of numbers"),
    ],
)
def test_what_is_no_recording_is_a_sentence(encoder: PretrainedEncoder, array: Any, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        encoder.embed(array, 500)


@pytest.mark.parametrize("make", [np.ndarray.tolist, torch.tensor, lambda x: x.astype(">f4"), lambda x: x[::-1][::-1]])
def test_arrays_of_other_kinds_are_recordings(encoder: PretrainedEncoder, make: Any) -> None:
    np.testing.assert_allclose(encoder.embed(make(X), 500), encoder.embed(X, 500), atol=1e-4)


@pytest.mark.parametrize("gap", [np.nan, 0.0])
def test_the_window_is_the_first_with_enough_signal(encoder: PretrainedEncoder, gap: float) -> None:
    late = np.concatenate((np.full((12, 6500), gap), X), axis=1)
    np.testing.assert_allclose(encoder.embed(late, 500), encoder.embed(X, 500), atol=1e-6)


def kept(*spans: tuple[int, int], missing: float = np.nan) -> np.ndarray:
    """The recording with what is outside of some spans of samples missing."""
    part = np.full_like(X, missing)
    for start, stop in spans:
        part[:, start:stop] = X[:, start:stop]
    return part


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("missing", [np.nan, np.inf, 0.0])
@pytest.mark.parametrize("span", [(0, 200), (2300, 2700), (4600, 5000)])
def test_what_is_missing_at_the_ends_is_no_signal(
    encoder: PretrainedEncoder, index: int, missing: float, span: tuple[int, int]
) -> None:
    batch = np.stack([X, X])
    batch[index] = kept(span, missing=missing)
    count = span[1] - span[0]
    with pytest.raises(ValueError, match=f"at least one second of signal, record {index} has {count} samples at 500"):
        encoder.embed(batch, 500)
    with pytest.raises(ValueError, match="at least one second of signal, the recording has"):
        encoder.embed(batch[index], 500)
    encoder.embed(kept((2000, 2500), missing=missing), 500)


def test_most_samples_may_not_be_missing_as_in_a_store(encoder: PretrainedEncoder) -> None:
    few, half = (np.where(np.arange(5000) % 10 < there, X, np.nan) for there in (4, 5))
    assert assess(few.astype(np.float32), 500) & Quality.MOSTLY_NON_FINITE
    assert not assess(half.astype(np.float32), 500) & Quality.MOSTLY_NON_FINITE
    with pytest.raises(ValueError, match="record 1 cannot be embedded: most samples are missing"):
        encoder.embed(np.stack([X, few]), 500)
    with pytest.raises(ValueError, match="the recording cannot be embedded: most samples are missing"):
        encoder.embed(kept((0, 500), (4600, 4900)), 500)
    encoder.embed(half, 500)
    half[1:] = np.nan  # a lead that is not there has no samples that could be missing
    encoder.embed(half, 500)


@pytest.mark.parametrize("seed", range(40))
def test_what_reaches_too_far_is_what_is_far_from_its_median(seed: int) -> None:
    """Ranges from half to thrice the limit, on one side of the median or both, with and without what is missing."""
    draw = np.random.default_rng(seed)
    signal = draw.normal(0, 0.3, (12, 5000)).astype(np.float32)
    signal[draw.integers(12), draw.choice(5000, 40)] = draw.uniform(0.5, 1.5) * MAX_MV * draw.choice([-1, 1], 40)
    if seed % 2:
        signal[draw.random(signal.shape) < 0.1] = np.nan
        signal[draw.integers(12)] = np.nan
    there = signal[np.isfinite(signal).any(axis=1)].astype(np.float64)
    far = float(np.nanmax(np.abs(there - np.nanmedian(there, axis=1, keepdims=True))))
    if far > MAX_MV:
        with pytest.raises(ValueError, match=re.escape(f"it has values up to {far:.3g}")):
            checked_window(signal, 500, 10.5, "it")
    else:
        np.testing.assert_array_equal(checked_window(signal, 500, 10.5, "it").signal_mv, signal)


@pytest.mark.parametrize("change", [lambda x: x, with_missing, lambda x: x[[5, 4, 3, 2, 1, 0, *range(6, 12)]]])
def test_float32_and_float64_make_the_same_rows(encoder: PretrainedEncoder, change: Any) -> None:
    single = change(X.astype(np.float32))
    for names in (None, LEADS[::-1], LEADS[1:]):
        few = single[-len(names) :] if names else single
        for found, expected in zip(
            encoder.prepare(few, 500, names), encoder.prepare(few.astype(np.float64), 500, names), strict=True
        ):
            np.testing.assert_array_equal(found, expected)
