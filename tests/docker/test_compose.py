"""What security reviews ask of every service in the compose files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docker.federation import DOCKER

FILES = sorted(DOCKER.glob("*/compose.yaml"))
SERVICES = [(file, name) for file in FILES for name in yaml.safe_load(file.read_text())["services"]]


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


@pytest.mark.parametrize(("file", "name"), SERVICES, ids=[f"{file.parent.name}-{name}" for file, name in SERVICES])
def test_a_service_is_hardened(file: Path, name: str) -> None:
    service = read(file)["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].split(":")[0] not in ("0", "root")
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["init"] is True
    assert service["stop_grace_period"] == "30s"
    assert service["logging"]["options"]["max-size"]
    assert not {"privileged", "cap_add", "devices", "pid", "ipc"} & service.keys()
    assert all("noexec" in entry for entry in service["tmpfs"])
    writable = [volume for volume in service.get("volumes", ()) if not volume.endswith(":ro")]
    approved = ["./site.apps:/etc/cape-fed/site.apps"] if name == "admin" else []
    outside = [volume for volume in writable if volume.startswith((".", "/", "$"))]
    assert outside == approved, "only named volumes are written to, and approvals by the admin's own container"


def test_each_container_gets_the_secrets_that_it_needs_as_files() -> None:
    found = {(file.parent.name, name): read(file)["services"][name].get("secrets", []) for file, name in SERVICES}
    assert {key: value for key, value in found.items() if value} == {
        ("coordinator", "superlink"): ["server.key"],
        ("coordinator", "proxy"): ["server.key"],
        ("site", "site"): ["site.key"],
        ("monitoring", "grafana"): ["grafana.password"],
    }


def test_the_superlink_is_reached_by_the_proxy_alone() -> None:
    compose = read(DOCKER / "coordinator/compose.yaml")
    services = compose["services"]
    inside = [name for name, service in services.items() if "inside" in service["networks"]]
    assert (services["superlink"]["networks"], sorted(inside)) == (["inside"], ["proxy", "superlink"])
    assert compose["networks"]["inside"] == {"internal": True}
    assert "ports" not in services["superlink"]
    assert services["proxy"]["ports"] == ["443:8443"]


def test_what_need_not_be_public_is_on_loopback() -> None:
    for file, name in SERVICES:
        service = read(file)["services"][name]
        for port in service.get("ports", ()):
            assert name == "proxy" or port.startswith("127.0.0.1:"), (file, name)
    monitoring = read(DOCKER / "monitoring/compose.yaml")["services"]
    assert "--web.listen-address=127.0.0.1:9090" in monitoring["prometheus"]["command"]
    assert monitoring["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"


def test_what_runs_at_a_site_cannot_approve_itself() -> None:
    services = read(DOCKER / "site/compose.yaml")["services"]
    assert "./site.apps:/etc/cape-fed/site.apps:ro" in services["site"]["volumes"]
    assert services["admin"]["profiles"] == ["admin"]
    assert services["admin"]["network_mode"] == "none"


def test_a_site_opens_no_port_and_cannot_write_to_its_stores() -> None:
    site = read(DOCKER / "site/compose.yaml")["services"]["site"]
    assert "ports" not in site
    assert next(volume for volume in site["volumes"] if "/srv/stores" in volume).endswith(":ro")
