"""What a site's check says about its key, asked of a real SuperLink."""

from __future__ import annotations

import pytest

from cape_fed.site.check.finding import Finding, Subject
from cape_fed.site.check.look import look
from cape_fed.site.check.registration import check_free
from cape_fed.site.node import read_site
from tests.deployment.hospitals import Hospitals

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def found(hospitals: Hospitals, name: str, *, thorough: bool = True) -> dict[str, Finding]:
    file = hospitals.folder / f"{name}.toml"
    file.write_text(hospitals.toml(name))
    return dict(look(Subject(read_site(file)), thorough=thorough))


def test_a_key_is_unknown_then_registered_then_in_use_and_a_superlink_that_went_is_missed(
    hospitals: Hospitals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    deployment = hospitals.deployment
    unknown = found(hospitals, "a")
    assert (unknown["key"].state, unknown["registered"].state) == ("ok", "failed")
    assert "does not know the key" in unknown["registered"].said
    assert unknown["tls"].state == "warning"  # the certificates of these tests last a week
    assert "ends in 6 days" in unknown["tls"].said

    deployment.nodes.register("a")
    states = {name: finding.state for name, finding in found(hospitals, "a").items()}
    assert (states["registered"], states["key in use"]) == ("ok", "ok"), states
    assert [name for name, state in states.items() if state in ("failed", "waiting")] == ["app"], states  # not approved

    hospitals.start_site("a")  # the check that asked whether the key is free has left it free
    assert check_free(Subject(read_site(hospitals.folder / "a.toml"))).state == "warning"
    second = hospitals.start_site("a", wait=0)
    assert hospitals.wait_for_end(second, 60) == 1
    assert "a process is online with its key" in second.output()
    assert "Traceback" not in second.output()

    deployment.link.kill()
    gone = found(hospitals, "a", thorough=False)
    assert (gone["route"].state, gone["registered"].state) == ("waiting", "skipped")
