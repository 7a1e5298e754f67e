"""Coordinator and three sites, each as a host: a cut cable, a bad line, wrong clocks, an expired certificate."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.deployment.certificates import make_certificates
from tests.deployment.clock import clock, clock_available
from tests.deployment.deployment import Deployment, unavailable
from tests.deployment.hospitals import ROLES, Hospitals, simulate
from tests.deployment.network import COORDINATOR, Network, available
from tests.deployment.outcome import encoder_of, missing, named, same

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]

QUICK = ["federation.evaluate=false", "federation.measure_every=99"]


@pytest.fixture
def spread(tmp_path: Path, cohorts: Path) -> Iterator[Hospitals]:
    if reason := unavailable() or available():
        pytest.skip(reason)
    with Network(list(ROLES)) as network:
        address, prefix = network.address(COORDINATOR), network.prefix(COORDINATOR)
        with Deployment(tmp_path / "deployment", address=address, prefix=prefix) as deployment:
            deployment.link.start()
            yield Hospitals(deployment, cohorts, network=network)


def test_a_site_that_is_cut_off_is_named_and_comes_back(spread: Hospitals, tmp_path: Path) -> None:
    assert spread.network is not None
    spread.start()
    out = tmp_path / "run"
    follower = spread.start_run(out, *QUICK, "federation.rounds=60")
    spread.wait_for_rounds(out, 2)
    spread.network.cut("b")
    spread.deployment.wait_for(lambda: named(out, "b"), 70, "b named")
    spread.deployment.wait_for(lambda: ["b"] in missing(out), 100, "a round without b")
    spread.network.restore("b")
    spread.deployment.wait_for(lambda: missing(out)[-1] == [] and ["b"] in missing(out), 200, "a round with b again")
    follower.kill(signal.SIGINT, group=False)


def test_a_slow_and_lossy_line_slows_the_run_and_changes_nothing(spread: Hospitals, tmp_path: Path) -> None:
    assert spread.network is not None
    spread.start()
    spread.network.shape("b", "1mbit", 0.02)
    out = tmp_path / "run"
    done = spread.run(out, *QUICK, "federation.rounds=2", timeout=600)
    assert done.returncode == 0, done.stderr
    assert missing(out) == [[], []]
    assert same(encoder_of(out), simulate(spread.cohorts, tmp_path / "simulated", *QUICK, "federation.rounds=2"))


@pytest.mark.parametrize(("seconds", "words"), [(600, "600 s ahead of"), (-600, "600 s behind")])
def test_a_site_whose_clock_is_wrong_says_so(hospitals: Hospitals, tmp_path: Path, seconds: int, words: str) -> None:
    if reason := clock_available():
        pytest.skip(reason)
    hospitals.deployment.nodes.register("a")
    site = hospitals.start_site("a", env=clock(tmp_path, seconds), wait=0)
    hospitals.deployment.wait_for(lambda: site.returncode is not None, 60, "the refusal")
    assert site.returncode == 2
    assert "this machine's clock is " in site.output()
    assert words.split(" ", 1)[1] in site.output()


def test_a_site_whose_clock_is_wrong_is_refused_by_flower_as_well(hospitals: Hospitals, tmp_path: Path) -> None:
    if reason := clock_available():
        pytest.skip(reason)
    hospitals.deployment.nodes.register("a")
    node = hospitals.deployment.nodes.start("a", env=clock(tmp_path, 600), wait=0)
    hospitals.deployment.wait_for(lambda: node.returncode is not None, 60, "the refusal")
    assert 'activate-node HTTP/1.1" 401' in hospitals.deployment.logs()["superlink"].read_text()


def test_an_expired_certificate_is_named(tmp_path: Path, cohorts: Path) -> None:
    if reason := unavailable():
        pytest.skip(reason)
    expired = make_certificates(tmp_path / "tls", valid=(timedelta(days=-2), timedelta(days=-1)))
    with Deployment(tmp_path / "deployment", certificates=expired) as deployment:
        deployment.link.start(wait=0)
        hospitals = Hospitals(deployment, cohorts)
        file = hospitals.folder / "a.toml"
        file.write_text(hospitals.toml("a"))
        check = ["cape-fed", "site", str(file), "--check"]
        deployment.wait_for(lambda: deployment.run_cli(check, 60).returncode == 2, 60, "the link's answer")
        done = deployment.run_cli(check, 60)
        assert done.stderr.count("\n") == 1
        assert "certificate has expired" in done.stderr
        run = hospitals.run(tmp_path / "run")
        assert (run.returncode, run.stderr.count("\n")) == (2, 1), run.stderr
        assert "is not valid here: certificate has expired" in run.stderr
