"""The steps of a check on a site that has no SuperLink yet, or one that is not there."""

from __future__ import annotations

import importlib.metadata
import socket
from pathlib import Path

import pytest

from cape_fed.errors import InputError, RunError
from cape_fed.federation.config import FederationConfig
from cape_fed.pretrain.config import PretrainConfig, TrainConfig
from cape_fed.site import presence
from cape_fed.site.audit import log_file, record
from cape_fed.site.check import machine, route, rules
from cape_fed.site.check.finding import Finding, Subject
from cape_fed.site.check.look import look, require
from cape_fed.site.config import Limits, SiteConfig, SuperLinkAccess
from tests.conftest import TinyStore
from tests.deployment.certificates import make_certificates, make_key
from tests.deployment.superlink import free_port


@pytest.fixture
def site(tiny_store: TinyStore, tmp_path: Path) -> SiteConfig:
    store = tiny_store("a", patients=30)
    return SiteConfig(name="a", role="train", stores=(store.path,), state=tmp_path / "state", device="cpu", threads=1)


def access(folder: Path, port: int, host: str = "127.0.0.1") -> SuperLinkAccess:
    certificates = make_certificates(folder / "tls")
    return SuperLinkAccess(address=f"{host}:{port}", certificate=certificates.ca, key=make_key(folder / "keys", "a"))


def findings(site: SiteConfig, plan: PretrainConfig | None = None) -> dict[str, Finding]:
    return dict(look(Subject(site, plan), thorough=plan is not None))


def test_without_a_superlink_all_else_is_looked_at_and_the_site_cannot_take_part(
    site: SiteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "STEPS", 1)
    found = findings(site, PretrainConfig(train=TrainConfig(pairs=2)))
    assert {name for name, finding in found.items() if finding.state == "ok"} - {"cage"} == {
        "name", "stores", "disk", "privacy", "device", "training step", "versions", "policy", "presence",
    }  # fmt: skip
    assert "float32" in found["training step"].said
    assert "bfloat16" in found["training step"].said
    with pytest.raises(InputError, match="names no SuperLink"):
        require("a", found)


def test_a_batch_that_the_patients_do_not_fill_fails_the_stores(site: SiteConfig) -> None:
    found = findings(site, PretrainConfig(train=TrainConfig(pairs=512)))
    assert found["stores"].state == "failed"
    assert found["training step"].state == "skipped"


def test_cohorts_too_small_for_any_number_are_named(site: SiteConfig) -> None:
    found = findings(site.model_copy(update={"limits": Limits(min_patients=31)}))
    assert found["stores"].state == "warning"
    assert "fewer than 31 patients" in found["stores"].said


@pytest.mark.parametrize(("float32", "bfloat16", "state"), [(1.0, 2.0, "warning"), (2.0, 1.0, "ok")])
def test_bfloat16_is_called_the_slower_one_where_it_is(
    site: SiteConfig, monkeypatch: pytest.MonkeyPatch, float32: float, bfloat16: float, state: str
) -> None:
    times = {"float32": float32, "bfloat16": bfloat16}
    monkeypatch.setattr(machine, "_seconds", lambda subject, precision, device: times[precision])
    plan = PretrainConfig(train=TrainConfig(pairs=8), precision="bfloat16")
    found = machine.check_step(Subject(site, plan))
    assert found.state == state
    assert ("slower" in found.said) is (bfloat16 > float32)


def test_a_version_outside_what_is_required_is_named(site: SiteConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    right = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.20.0" if name == "flwr" else right(name))
    found = machine.check_versions(Subject(site))
    assert found.state == "failed"
    assert "flwr is 1.20.0" in found.said


def test_limits_that_refuse_the_plan_fail(site: SiteConfig) -> None:
    plan, federation = PretrainConfig(train=TrainConfig(pairs=2)), FederationConfig(local_steps=50, name="hearts")
    for limits, words in (
        (Limits(local_steps=9), "50 steps a round are planned, limits.local_steps allows 9"),
        (Limits(federations=("others",)), "'hearts', which is not among limits.federations"),
    ):
        subject = Subject(site.model_copy(update={"limits": limits}), plan, federation)
        found = dict(look(subject, thorough=False))["policy"]
        assert (found.state, words in found.said) == ("failed", True)


def test_a_pause_and_a_changed_log_keep_a_site_out(site: SiteConfig) -> None:
    subject = Subject(site)
    assert rules.check_audit(subject).state == "skipped"
    record(site, "paused")
    assert rules.check_audit(subject).state == "ok"
    log_file(site).write_text(log_file(site).read_text().replace("paused", "joined"))
    assert rules.check_audit(subject).state == "failed"
    assert rules.check_presence(subject).state == "ok"
    presence.pause(site)
    assert rules.check_presence(subject).state == "failed"


def test_a_superlink_that_is_not_there_is_no_success(site: SiteConfig, tmp_path: Path) -> None:
    found = findings(site.model_copy(update={"superlink": access(tmp_path, free_port())}))
    assert found["route"].state == "waiting"
    assert found["registered"].state == "skipped"
    assert found["key"].state == "ok"
    with pytest.raises(RunError, match="nothing listens there"):
        require("a", found)


def test_a_name_that_cannot_be_resolved_is_told(site: SiteConfig, tmp_path: Path) -> None:
    found = findings(site.model_copy(update={"superlink": access(tmp_path, 443, "nowhere.invalid")}))
    assert "nowhere.invalid cannot be resolved" in found["route"].said


def test_what_speaks_no_tls_is_told(site: SiteConfig, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        subject = Subject(
            site.model_copy(update={"superlink": access(tmp_path, listener.getsockname()[1])})
        )  # fmt: skip
        from threading import Thread

        def answer() -> None:
            with listener.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = Thread(target=answer)
        thread.start()
        found = route.check_tls(subject)
        thread.join()
    assert found.state == "failed"
    assert "speaks no TLS" in found.said


def test_a_proxy_is_named(site: SiteConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject(site.model_copy(update={"superlink": access(tmp_path, free_port())}))
    for name in ("no_proxy", "NO_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert route.check_proxy(subject).state == "ok"
    port = free_port()
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    found = route.check_proxy(subject)
    assert (found.state, f"127.0.0.1:{port}" in found.said) == ("warning", True)
    assert f"127.0.0.1:{port}" in route.check_route(subject).said
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert route.check_proxy(subject).state == "ok"
