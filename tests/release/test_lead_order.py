"""Leads by name, in any order, and what becomes of those that are not there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.release.lead_order import lead_order
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.signal.leads import LEADS
from cape_fed.signal.profile import get_profile
from tests.archive.files import ecg

X = ecg(1).astype(np.float64)
"""A recording whose limb leads keep to their definitions."""
X[2:6] = np.stack([X[1] - X[0], -(X[0] + X[1]) / 2, X[0] - X[1] / 2, X[1] - X[0] / 2])
EIGHT = ["V6", "V5", "V4", "V3", "V2", "V1", "II", "I"]


@pytest.fixture(scope="module")
def encoder() -> PretrainedEncoder:
    return PretrainedEncoder(build_encoder(MODELS["tiny"], 0), get_profile("compact100"))


def taken(names: list[str]) -> np.ndarray:
    return X[[LEADS.index(name) for name in names]]


@pytest.mark.parametrize("seed", range(3))
def test_any_order_by_name_gives_the_same(encoder: PretrainedEncoder, seed: int) -> None:
    names = np.random.default_rng(seed).permutation(LEADS).tolist()
    np.testing.assert_array_equal(encoder.embed(taken(names), 500, names), encoder.embed(X, 500))
    spelt = [f"MDC_ECG_LEAD_{name.upper()}" for name in names]
    np.testing.assert_array_equal(encoder.embed(taken(names)[None], 500, spelt)[0], encoder.embed(X, 500))


@pytest.mark.parametrize("limb", [["I", "II"], ["aVF", "aVL"], ["III", "aVR", "I"]])
def test_limb_leads_are_derived_where_two_are_given(encoder: PretrainedEncoder, limb: list[str]) -> None:
    names = [*limb, *LEADS[6:]]
    order = lead_order(names, "error")
    assert order.absent == []
    np.testing.assert_allclose(order.arrange(taken(names)), X, atol=1e-9)
    np.testing.assert_allclose(encoder.embed(taken(names), 500, names), encoder.embed(X, 500), atol=1e-3)


def test_what_is_missing_in_a_lead_is_missing_in_those_derived_from_it() -> None:
    part = taken(EIGHT)
    part[6, 100:200] = np.inf
    arranged = lead_order(EIGHT, "error").arrange(np.ma.masked_array(part, np.abs(part) > 1e9))
    assert np.isnan(arranged[1:6, 100:200]).all()
    assert np.isfinite(arranged[:, 200:]).all()


def test_a_missing_lead_is_an_error_or_masked(encoder: PretrainedEncoder) -> None:
    names = ["V1", "I", "V3"]
    with pytest.raises(ValueError, match="leads II, III, aVR, aVL, aVF, V2, V4, V5, V6 are neither given nor derived"):
        encoder.embed(taken(names), 500, names)
    known = np.full_like(X, np.nan)
    for name in names:
        known[LEADS.index(name)] = X[LEADS.index(name)]
    np.testing.assert_array_equal(encoder.embed(taken(names), 500, names, missing="mask"), encoder.embed(known, 500))


@pytest.mark.parametrize(
    ("leads", "says"),
    [
        (["I", "II", "V7"], "leads V7 are none of I, II"),
        (["I", "II", "Lead I"], "leads I are named more than once"),
        ("I,II", "a list of names"),
        ([1, 2], "a list of names"),
        ([], "at least one lead"),
        (EIGHT[:7], "leads I, III, aVR, aVL, aVF are neither"),
    ],
)
def test_names_that_do_not_fit_are_named(encoder: PretrainedEncoder, leads: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        encoder.embed(X[: len(leads)], 500, leads)


@pytest.mark.parametrize(
    "kind", [list, tuple, np.array, iter, dict.fromkeys, lambda names: dict.fromkeys(names).keys()]
)
def test_whatever_has_an_order_names_leads(encoder: PretrainedEncoder, kind: Any) -> None:
    assert lead_order(kind(EIGHT), "error") == lead_order(EIGHT, "error")
    expected = encoder.embed(taken(EIGHT), 500, EIGHT)
    np.testing.assert_array_equal(encoder.embed(taken(EIGHT), 500, kind(EIGHT)), expected)


@pytest.mark.parametrize("kind", [set, frozenset])
def test_a_set_names_no_leads(encoder: PretrainedEncoder, kind: Any) -> None:
    with pytest.raises(ValueError, match="got a set, which has none: give a list"):
        encoder.embed(taken(EIGHT), 500, kind(EIGHT))


@pytest.mark.parametrize("leads", [5, np.array("I"), b"I", [["I"], ["II"]], np.array([["I"], ["II"]])])
def test_what_is_no_list_of_names_is_a_sentence(leads: Any) -> None:
    with pytest.raises(ValueError, match="expected leads as a list of names"):
        lead_order(leads, "mask")


def test_an_array_of_another_number_of_leads(encoder: PretrainedEncoder) -> None:
    with pytest.raises(ValueError, match="expected 8 leads on the second last axis, got shape"):
        encoder.embed(X, 500, EIGHT)
    with pytest.raises(ValueError, match=r"name the leads that it has: leads=\[\.\.\.\]"):
        encoder.embed(taken(EIGHT), 500)
    with pytest.raises(ValueError, match="missing='error' or missing='mask'"):
        encoder.embed(X, 500, None, "zero")  # type: ignore[call-overload]
