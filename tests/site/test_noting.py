"""What a site notes of its messages."""

from __future__ import annotations

from flwr.app import RecordDict

from cape_fed.federation.messages import source_hash
from cape_fed.monitoring.activity import read_activity
from cape_fed.site.answering import answer_as
from cape_fed.site.config import SiteConfig
from tests.site.conftest import content_of, message_of, request


def test_every_message_is_counted_with_how_it_ended(site: SiteConfig) -> None:
    own = site.model_copy(update={"own_process": True})
    assert not answer_as(own, "train", message_of(content_of(request()))).has_error()
    found = read_activity(site.state)
    assert found is not None
    assert found.messages == {"train": {"answered": 1}}
    assert (found.run, found.round, found.source) == ("0" * 12, 0, source_hash())
    assert found.samples == 2 * 1 * 8
    assert found.loss is not None
    assert found.samples_per_second is not None
    assert found.bytes_down > 10_000
    assert found.bytes_up > 10_000
    assert found.gpu_peak_bytes is None

    assert answer_as(own, "train", message_of(content_of(request(local_steps=9)))).has_error()
    assert answer_as(own, "train", message_of(RecordDict())).has_error()
    found = read_activity(site.state)
    assert found is not None
    assert sum(found.messages["train"].values()) == 3
    assert found.messages["train"]["malformed"] == 1
    assert found.samples == 2 * 1 * 8
    assert found.working is None


def test_a_simulated_site_notes_nothing(site: SiteConfig) -> None:
    assert not answer_as(site, "train", message_of(content_of(request()))).has_error()
    assert read_activity(site.state) is None
