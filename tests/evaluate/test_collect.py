"""Methods are scored on the same resamples, and a bundle is known by its weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cape_fed.evaluate.collect import identify
from cape_fed.evaluate.results import BundleInfo
from tests.evaluate.conftest import OPTIONS, Evaluated


def test_a_bundle_is_known_by_the_hash_of_its_weights(tmp_path: Path) -> None:
    bundle = tmp_path / "run" / "bundle"
    assert identify(bundle) == BundleInfo(name="run/bundle", sha256=None)
    bundle.mkdir(parents=True)
    (bundle / "model.safetensors").write_bytes(b"weights")
    assert identify(bundle) == BundleInfo(name="run/bundle", sha256=hashlib.sha256(b"weights").hexdigest())


def test_the_encoder_is_set_against_every_baseline(evaluated: Evaluated) -> None:
    results = evaluated.good
    assert {(entry.method, entry.reference) for entry in results.differences} == {
        ("good", "random-init"),
        ("good", "demographics"),
    }
    means = {
        e.reference: e.point for e in results.differences if (e.task, e.scope, e.metric) == ("mean", "id", "auroc")
    }
    for name, baseline in results.baselines.items():
        own, other = results.summary["auroc"].id, baseline.summary["auroc"].id
        assert own is not None
        assert other is not None
        assert means[name] == pytest.approx((own.point or 0) - (other.point or 0))


def test_cohorts_are_counted_as_the_stores_have_them(evaluated: Evaluated) -> None:
    for store in (*evaluated.train, *evaluated.others):
        described = evaluated.good.cohorts[store.cohort]
        assert (described.records, described.patients) == (len(store), len(store.patient_keys))
        assert described.role == ("id" if store in evaluated.train else "ood")
        assert 0 < described.evaluated["transfer"] <= len(store)


def test_every_method_has_the_cohort_probe_on_demographics_next_to_its_own(evaluated: Evaluated) -> None:
    found = [method.artefact_probe for method in evaluated.good.methods().values()]
    expected = evaluated.good.baselines["demographics"].artefact_probe.point
    assert [probe.demographics.point for probe in found if probe.demographics] == [expected] * len(found)
    assert evaluated.good.seed == OPTIONS.seed
