"""SITE/COHORT in a federation, the short name in reports where there is no second one."""

from __future__ import annotations

from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.release.bundle import load_encoder, write_bundle
from cape_fed.release.cohort_names import federated_name, may_overlap, own_name, shown_names
from cape_fed.release.provenance import Provenance
from cape_fed.release.seen import check_same_split, check_unseen, split_of_run
from cape_fed.signal.profile import get_profile
from cape_fed.store.counts import CohortCounts, count_store
from tests.conftest import TinyStore


def test_the_short_name_is_shown_where_it_is_unique() -> None:
    names = ["a/cardiology", "b/cardiology", "b/holter", "central"]
    assert shown_names(names) == {
        "a/cardiology": "a/cardiology",
        "b/cardiology": "b/cardiology",
        "b/holter": "holter",
        "central": "central",
    }
    assert [own_name(name) for name in names] == ["cardiology", "cardiology", "holter", "central"]
    assert own_name(federated_name("b+c", "b")) == "b"


def test_a_bundle_knows_a_store_by_what_its_site_calls_it(tiny_store: TinyStore, tmp_path: Path) -> None:
    store, other = tiny_store("cardiology", patients=20), tiny_store("holter")
    counts = {
        "a/cardiology": CohortCounts(records=3, patients=3, fingerprint="f"),
        "b/cardiology": count_store(store),
        "b/emergency": CohortCounts(records=5, patients=4, fingerprint="g"),
    }
    bundle = tmp_path / "bundle"
    write_bundle(bundle, build_encoder(MODELS["tiny"], 0), get_profile("compact100"), Provenance(cohorts=counts))
    encoder = load_encoder(bundle)
    assert encoder.provenance.trained_as("cardiology").keys() == {"a/cardiology", "b/cardiology"}
    with pytest.raises(InputError, match="was trained on a/cardiology, b/cardiology: not OOD"):
        check_unseen(bundle, encoder, [other, store])
    check_unseen(bundle, encoder, [other])
    assert len(split_of_run(bundle, encoder, store).test)
    assert "| trained on | a/cardiology, b/cardiology, emergency |" in (bundle / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "counts", "says"),
    [
        ("a/cardiology", CohortCounts(records=3, patients=3, fingerprint="f"), "changed since"),
        ("cardiology", CohortCounts(records=20, patients=20, fingerprint="withheld"), "does not say which patients"),
    ],
)
def test_a_store_that_changed_since_at_every_site_of_its_name_or_is_not_known_has_no_split(
    tiny_store: TinyStore, tmp_path: Path, name: str, counts: CohortCounts, says: str
) -> None:
    store = tiny_store("cardiology", patients=20)
    bundle = tmp_path / "bundle"
    known = Provenance(cohorts={name: counts})
    write_bundle(bundle, build_encoder(MODELS["tiny"], 0), get_profile("compact100"), known)
    with pytest.raises(InputError, match=says):
        split_of_run(bundle, load_encoder(bundle), store)


ROUGH = CohortCounts(records=20, patients=20, fingerprint="withheld")
FOUND = CohortCounts(records=3, patients=2, fingerprint="f")


@pytest.mark.parametrize(
    ("one", "other", "may"),
    [
        ({"a/x": ROUGH}, {"a/x": ROUGH}, True),
        ({"a/x": ROUGH}, {"x": ROUGH}, True),
        ({"a/x": ROUGH}, {"b/y": ROUGH}, False),
        ({"a/x": ROUGH}, {"SITE-1/cohort-1": ROUGH}, True),  # its site did not agree to be named
        ({"x/x": ROUGH}, {"x+y/x": ROUGH}, True),  # put together otherwise
        ({"a/x": FOUND}, {"SITE-1/cohort-1": FOUND}, True),
        ({"a/x": FOUND}, {"b/x": FOUND.model_copy(update={"fingerprint": "g"})}, False),
        ({"a/x": FOUND}, {"SITE-1/cohort-1": FOUND.model_copy(update={"fingerprint": "g"})}, False),
    ],
)
def test_whether_somebody_may_be_in_both_errs_on_the_side_of_yes(
    one: dict[str, CohortCounts], other: dict[str, CohortCounts], may: bool
) -> None:
    assert may_overlap(one, other) == may_overlap(other, one) == may


def test_what_an_encoder_began_with_is_neither_ood_nor_split_otherwise(tiny_store: TinyStore, tmp_path: Path) -> None:
    store, other = tiny_store("cardiology", patients=20), tiny_store("holter", patients=20)
    bundle = tmp_path / "bundle"
    before = Provenance(cohorts={"cardiology": count_store(store)}, config={"split": {"seed": 4}})
    known = Provenance(cohorts={"holter": count_store(other)}, started_from=Provenance(started_from=before))
    write_bundle(bundle, build_encoder(MODELS["tiny"], 0), get_profile("compact100"), known)
    encoder = load_encoder(bundle)
    with pytest.raises(InputError, match="began with an encoder that was trained on cardiology: neither OOD nor ID"):
        check_unseen(bundle, encoder, [store])
    check_same_split(bundle, encoder, [other])
    grown = known.model_copy(
        update={"started_from": Provenance(cohorts={"holter": CohortCounts(records=9, patients=9, fingerprint="f")})}
    )
    write_bundle(tmp_path / "grown", build_encoder(MODELS["tiny"], 0), get_profile("compact100"), grown)
    with pytest.raises(InputError, match="was trained on holter when it was divided otherwise"):
        check_same_split(bundle, load_encoder(tmp_path / "grown"), [other])
    with pytest.raises(InputError, match="was trained on cardiology when it was divided otherwise"):
        check_same_split(bundle, encoder, [other, store])
