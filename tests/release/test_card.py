"""The model card says what is known of an encoder, and what is not."""

from __future__ import annotations

import json
from pathlib import Path

from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.release.bundle import amend_bundle, load_encoder, write_bundle
from cape_fed.release.card import model_card
from cape_fed.release.figures import AtSites, Figure, Figures, Gap, Summary
from cape_fed.release.protection import Protection, SiteProtection
from cape_fed.release.provenance import Provenance
from cape_fed.signal.profile import get_profile
from cape_fed.store.composition import Composition
from cape_fed.store.counts import CohortCounts

PROFILE = get_profile("compact100")
KNOWN = Provenance(
    method="central idb",
    cohorts={"a": CohortCounts(records=120, patients=90)},
    composition={"a": Composition(several=25, women=50, men=40, age=(40, 60, 71), labels={"AF": 30})},
    config={"seed": 3, "model": "tiny", "batching": "idb", "train": {"steps": 50, "pairs": 96}},
    licence="CC BY 4.0",
    evaluation=Figures(
        id_cohorts=1,
        ood_cohorts=2,
        records=300,
        patients=200,
        summary={"auroc": Summary(id=Figure(point=0.9, low=0.85, high=0.95), ood=Figure(point=0.8), tasks=4)},
        gaps={"sex": Gap(metric="auroc", task="AF", gap=Figure(point=0.05, low=0.01, high=0.1))},
        probe=Figure(point=0.4, low=0.3, high=0.5),
        chance=0.333,
    ),
)


def test_everything_known_is_in_the_card() -> None:
    card = model_card(KNOWN, MODELS["tiny"], PROFILE)
    for line in (
        "| a | 90 | 120 | 25 | 50 | 40 | 40 / 60 / 71 | AF 30 |",
        "- batching: idb",
        "- train: steps 50, pairs 96",
        "| mean AUROC | 4 | 0.900 (0.850 to 0.950) | 0.800 | – |",
        "- Subgroups by sex: the widest gap in AUROC is 0.050 (0.010 to 0.100), for AF.",
        "0.400 (0.300 to 0.500); chance is 0.333.",
        "CC BY 4.0",
    ):
        assert line in card, line
    headings = [line.removeprefix("## ") for line in card.splitlines() if line.startswith("## ")]
    assert headings == [
        "Who it was trained on", "How it was trained", "Evaluation", "Use", "Intended use", "Limits", "Licence",
        "Citation",
    ]  # fmt: skip


def test_what_is_not_known_is_said() -> None:
    card = model_card(Provenance(cohorts={"a": CohortCounts(records=2, patients=1)}), MODELS["tiny"], PROFILE)
    assert "| a | 1 | 2 | – | – | – | – | – |" in card
    assert "Not measured here: how it does in and out of distribution and in subgroups" in card
    assert "| patients told from the encoder | not measured: " in card
    assert "Not stated: ask whoever gave you the bundle." in card


def test_what_sites_measured_says_what_they_do_not_send() -> None:
    assert KNOWN.evaluation is not None
    at_sites = AtSites(rounds=7, dimensions=12, missing=1)
    figures = KNOWN.evaluation.model_copy(update={"at_sites": at_sites, "gaps": {}, "probe": None})
    card = model_card(KNOWN.model_copy(update={"evaluation": figures}), MODELS["tiny"], PROFILE)
    for words in ("over 12 dimensions", "after 7 rounds", "gave no numbers: 1", "300 test records", "0.900 (0.850 to"):
        assert words in card, words
    assert "Subgroups and cohort probe: not measured, since sites send no numbers for them" in card


def test_what_a_bundle_says_can_be_amended_and_its_weights_stay(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    write_bundle(path, build_encoder(MODELS["tiny"], 0), PROFILE, Provenance())
    weights = (path / "model.safetensors").read_bytes()
    amend_bundle(path, lambda _: KNOWN)
    assert load_encoder(path).provenance == KNOWN
    assert (path / "README.md").read_text() == model_card(KNOWN, MODELS["tiny"], PROFILE)
    assert (path / "model.safetensors").read_bytes() == weights
    assert json.loads((path / "config.json").read_text())["provenance"]["licence"] == "CC BY 4.0"


COST = SiteProtection(patients=10, noise_multiplier=1, sample_rate=0.1, steps=3, delta=1e-5, epsilon=2, epsilon_prv=1)
PRIVATE = Protection(block=4, clip=1, views=1, sites={"central": COST})


def test_what_an_encoder_had_cost_the_same_patients_before_is_added() -> None:
    counts = {"hospital/a": CohortCounts(records=120, patients=90)}
    other = Provenance(cohorts={"b": CohortCounts(records=3, patients=3)}, privacy=PRIVATE)
    begun = Provenance(cohorts=counts, privacy=PRIVATE, started_from=other)
    card = model_card(begun, MODELS["tiny"], PROFILE)
    assert "| privacy | ε = 2.00 at δ = 1.0e-05 for every training patient, by differential privacy |" in card
    assert "It covers this run alone" in card
    before = KNOWN.model_copy(update={"privacy": PRIVATE, "started_from": other})
    card = model_card(begun.model_copy(update={"started_from": before}), MODELS["tiny"], PROFILE)
    assert "| privacy | ε = 4.00 at δ = 2.0e-05 for every training patient, by differential privacy at most, " in card
    assert "protected by (ε = 4.00, δ)-differential privacy" in card
    assert "with ε = 2.00. It began with an encoder" in card
    assert "It covers this run alone" not in card
