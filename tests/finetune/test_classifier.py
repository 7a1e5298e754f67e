from __future__ import annotations

import numpy as np
import pytest
import torch

from cape_fed.finetune.classifier import Classifier, parameter_groups
from cape_fed.pretrain.encoders import MODELS, build_encoder
from tests.finetune.conftest import SMALL

pytestmark = pytest.mark.usefixtures("one_thread")


def test_every_encoder_parameter_is_in_one_layer() -> None:
    encoder = build_encoder(MODELS["tiny"])
    inside = [id(parameter) for layer in encoder.layers() for parameter in layer]
    assert sorted(inside) == sorted(id(parameter) for parameter in encoder.parameters())
    assert len(encoder.layers()) == 4  # a stem and three blocks


def test_decayed_rates_by_hand() -> None:
    classifier = Classifier(build_encoder(MODELS["tiny"]), 3)
    groups = parameter_groups(classifier, "decayed", rate=0.8, decay=0.5)
    assert [group["lr"] for group in groups] == [0.8, 0.4, 0.2, 0.1, 0.05]
    assert groups[0]["params"] == list(classifier.head.parameters())
    stem, *blocks = classifier.encoder.layers()
    assert [id(group["params"][0]) for group in groups[1:]] == [id(layer[0]) for layer in [*reversed(blocks), stem]]


@pytest.mark.parametrize("mode", ["full", "scratch"])
def test_other_modes_have_one_rate(mode: str) -> None:
    groups = parameter_groups(Classifier(build_encoder(SMALL), 2), mode, rate=0.3, decay=0.5)  # type: ignore[arg-type]
    assert {group["lr"] for group in groups} == {0.3}
    assert len(groups) == 4


def test_begins_at_one_half_on_standardised_embeddings() -> None:
    classifier = Classifier(build_encoder(SMALL), 2)
    embeddings = torch.from_numpy(np.random.default_rng(0).normal(5, 3, (50, 16)).astype(np.float32))
    classifier.standardise(embeddings)
    assert torch.equal(classifier.outputs(embeddings), torch.zeros(50, 2))
    standardised = (embeddings - classifier.centre) / classifier.scale
    assert torch.allclose(standardised.mean(0), torch.zeros(16), atol=1e-5)
    assert torch.allclose(standardised.std(0, correction=0), torch.ones(16), atol=1e-5)


@pytest.mark.parametrize("wakes", [0.0, 1e-6])
def test_a_unit_that_is_silent_in_the_labelled_records_does_not_shout_in_others(wakes: float) -> None:
    classifier = Classifier(build_encoder(SMALL), 2)
    embeddings = torch.from_numpy(np.random.default_rng(0).normal(5, 3, (50, 16)).astype(np.float32))
    embeddings[:, 3] = 0.0
    embeddings[7, 3] = wakes
    classifier.standardise(embeddings)
    elsewhere = torch.full((1, 16), 0.1)
    assert ((elsewhere - classifier.centre) / classifier.scale)[0, 3].abs() < 4
    classifier.standardise(torch.full((5, 16), 2.0))
    assert torch.equal(classifier.scale, torch.ones(16))
