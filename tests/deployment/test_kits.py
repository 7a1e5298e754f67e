"""From nothing to a bundle by the lines of the kits' READMEs, with real processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cape_fed.appfiles import ROOT
from cape_fed.release.bundle import load_encoder
from tests.deployment.deployment import Deployment, unavailable
from tests.deployment.kits import Kits, lines_of, nginx_missing

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]


def test_the_readmes_lead_from_nothing_to_a_bundle(tmp_path: Path, cohorts: Path) -> None:
    if reason := unavailable() or nginx_missing():
        pytest.skip(reason)
    with Deployment(tmp_path / "d") as host:
        kits = Kits(host, cohorts)
        start, *register, run = lines_of(kits.coordinator / "README.md")
        assert start == "sh start.sh"
        coordinator = kits.start_coordinator()
        for name, line in zip(kits.stores, register, strict=True):
            enrol, approve, check, rehearse, go = lines_of(kits.site(name) / "README.md")
            assert f"send {kits.site(name) / name}.pub" in kits.type(kits.site(name), enrol)
            kits.hand_over(name)
            assert f"{name} is registered" in kits.type(kits.coordinator, line)
            assert "approved by" in kits.type(kits.site(name), approve)
            assert "key in use     no process is online" in kits.type(kits.site(name), check)
            if name == "hospital-a":
                assert "all files of the rehearsal are deleted" in kits.type(kits.site(name), rehearse)
            assert go == "cape-fed site site.toml"
            kits.start_site(name)
        assert kits.type(kits.coordinator, run).strip().endswith("runs/first/bundle")
        load_encoder(kits.coordinator / "runs" / "first" / "bundle")
        assert coordinator.returncode is None
        # Sites are let in on the one port that is open, and each of them asked for nothing else.
        assert {line.split()[3].rpartition("/")[0] for line in kits.asked().splitlines()} <= {"/v1/fleet", ""}
        require_no_run_from_outside(kits, host)


def require_no_run_from_outside(kits: Kits, host: Deployment) -> None:
    """Whoever has a kit of a site knows the address and the authority, and starts a run by Flower's own command."""
    home, before = host.folder / "outside", len(kits.asked().splitlines())
    home.mkdir()
    (home / "config.toml").write_text(
        f'[superlink.door]\naddress = "127.0.0.1:{kits.port}"\nroot-certificates = "{kits.site("hospital-a")}/ca.crt"\n'
    )
    done = host.run_cli(["flwr", "run", str(ROOT), "door", "--format", "json"], 120, env={"FLWR_HOME": str(home)})
    assert json.loads(done.stdout[done.stdout.index("{") :])["success"] is False, done.stdout
    asked = [line for line in kits.asked().splitlines()[before:] if "/v1/fleet/" not in line]
    assert asked
    assert all(" 403 " in line and "/v1/control/" in line for line in asked), asked
