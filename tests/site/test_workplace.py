"""A process may serve many sites: each keeps its learner from message to message."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from cape_fed.site.config import SiteConfig
from cape_fed.site.state import save_local_state
from cape_fed.site.workplace import monitor, workplace
from tests.site.conftest import request


def test_more_sites_than_any_cache_holds_keep_their_learners(site: SiteConfig, tmp_path: Path) -> None:
    sites = [site.model_copy(update={"name": f"s{n}", "state": tmp_path / f"s{n}"}) for n in range(20)]
    first = [workplace(request(), one) for one in sites]
    assert all(workplace(request(round=1), one) is place for one, place in zip(sites, first, strict=True))


def test_another_run_takes_the_place_of_the_last_one(site: SiteConfig) -> None:
    first = workplace(request(), site)
    assert workplace(request(run="1" * 12), site) is not first
    assert workplace(request(), site) is not first


def test_a_site_that_joins_late_begins_anew_and_says_so(site: SiteConfig, caplog: pytest.LogCaptureFixture) -> None:
    place = workplace(request(), site)
    before = {name: value.clone() for name, value in place.bench.learner.head.state_dict().items()}
    with torch.no_grad():
        place.bench.learner.head[0].weight.zero_()
    with caplog.at_level(logging.WARNING):
        place.stand_before(request(round=3), site)
    assert "took no part before round 3: its head and optimiser are new" in caplog.text
    after = place.bench.learner.head.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_site_that_missed_rounds_goes_on_from_where_it_was(
    site: SiteConfig, caplog: pytest.LogCaptureFixture
) -> None:
    place = workplace(request(), site)
    kept = {"scale": torch.tensor(2.0)}
    save_local_state(site.run_folder("0" * 12), place.bench.learner, 1, keep_from=0, kept=kept)
    with caplog.at_level(logging.WARNING):
        place.stand_before(request(round=3), site)
    assert "its head and optimiser are those of round 1" in caplog.text
    assert float(place.kept["scale"]) == 2.0
    place.kept = {}
    place.stand_before(request(round=3), site)  # it stands there already: nothing is read again
    assert place.kept == {}


def test_a_site_for_evaluation_is_measured_on_any_of_its_patients(site: SiteConfig) -> None:
    evaluates = site.model_copy(update={"role": "evaluate"})
    assert monitor(request(), evaluates) is monitor(request(), evaluates)
    assert monitor(request(), site) is workplace(request(), site).bench.monitor
    assert len(monitor(request(), evaluates).views[0].first[1]) > len(monitor(request(), site).views[0].first[1])
