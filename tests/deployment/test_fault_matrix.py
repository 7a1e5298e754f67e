"""Every fault of a site on real SuperNodes: the log names the site and the reason, and the run goes on."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest
from cryptography.hazmat.primitives import serialization

from cape_fed.lock import is_locked
from cape_fed.rundir import LOCK_FILE
from cape_fed.site.approvals import Approvals
from cape_fed.site.node import read_site
from cape_fed.status import read_status
from tests.deployment.hospitals import Hospitals, simulate
from tests.deployment.outcome import encoder_of, log_of, missing, named, rounds, rounds_done, same
from tests.deployment.processes import Process
from tests.faults import CORRUPTIONS, VARIABLE

pytestmark = pytest.mark.timeout(1500)

QUICK = ["federation.evaluate=false", "federation.measure_every=99"]


@pytest.mark.slow
def test_each_spoilt_reply_is_refused_with_its_code(faulty: Hospitals, tmp_path: Path) -> None:
    faults = [*CORRUPTIONS, "raise"]
    faulty.start(fault={"b": ",".join(f"{fault}@{number}" for number, fault in enumerate(faults, 1))})
    out = tmp_path / "run"
    total = len(faults) + 2
    done = faulty.run(out, *QUICK, f"federation.rounds={total}", "federation.strikes=99", timeout=900)
    assert done.returncode == 0, done.stderr
    assert missing(out) == [[], *[["b"]] * len(faults), []]
    log = log_of(out)
    for number, (fault, (_, code)) in enumerate(CORRUPTIONS.items(), 1):
        assert f"round {number}: the reply of site b was refused: {code}" in log, fault
    assert f"round {len(faults)}: site b failed; its own log says why" in log
    assert "secret" not in log


@pytest.mark.slow
def test_three_refusals_quarantine_and_the_run_ends_well(faulty: Hospitals, tmp_path: Path) -> None:
    faulty.start("ab", fault={"b": "nan@0-9"})
    out = tmp_path / "run"
    done = faulty.run(out, *QUICK, "federation.rounds=5")
    assert done.returncode == 0, done.stderr
    assert missing(out) == [["b"]] * 5
    assert "site b is quarantined after 3 refused replies in a row (nonfinite)" in log_of(out)
    assert log_of(out).count("the reply of site b was refused") == 3


@pytest.mark.parametrize(("fault", "free_within"), [("hang", 30), ("stuck", 130)])
@pytest.mark.nightly
def test_a_step_that_hangs_does_not_keep_the_supernode(
    faulty: Hospitals, tmp_path: Path, fault: str, free_within: float
) -> None:
    faulty.start("ab", fault={"b": f"{fault}@1"})
    out = tmp_path / "run"
    slowness = faulty.deployment.slowness  # as measured while the sites started
    settings = ["federation.rounds=20", f"federation.round_deadline={40 * slowness:.0f}"]
    follower = faulty.start_run(out, *QUICK, *settings)
    faulty.wait_for_rounds(out, 1)
    begin = monotonic()
    back = faulty.deployment.wait_for(
        lambda: [line for line in rounds(out) if line["round"] > 1 and "b" in line["sites"]],
        free_within + 60,
        "b again",
    )
    assert monotonic() - begin < (free_within + 40) * faulty.deployment.slowness
    assert back
    assert missing(out)[1] == ["b"]
    # The site's watchdog and the end of the message are a second apart: either may come first.
    said = log_of(out).partition("round 1: site b ")[2]
    assert said.startswith(("was not done before the deadline", "did not answer"))
    follower.kill(signal.SIGINT, group=False)


@pytest.mark.nightly
def test_a_clientapp_that_dies_costs_its_round(faulty: Hospitals, tmp_path: Path) -> None:
    faulty.start("ab", fault={"b": "exit@1"})
    out = tmp_path / "run"
    done = faulty.run(out, *QUICK, "federation.rounds=3")
    assert done.returncode == 0, done.stderr
    assert missing(out) == [[], ["b"], []]
    assert "round 1: site b lost the process that was working" in log_of(out)


@pytest.mark.nightly
def test_a_site_ends_with_its_superexec(hospitals: Hospitals) -> None:
    hospitals.start("a")
    site = hospitals.deployment.nodes["a"]
    (superexec,) = hospitals.deployment.processes(site, "flower-superexec")
    os.kill(superexec.pid, signal.SIGKILL)
    hospitals.deployment.wait_for(lambda: site.returncode is not None, 30, "the site's end")
    assert site.returncode == 1
    assert "SuperExec ended" in site.output()


@pytest.mark.nightly
def test_a_killed_site_is_named_within_a_minute_and_joins_again(hospitals: Hospitals, tmp_path: Path) -> None:
    hospitals.start("ab")
    out = tmp_path / "run"
    follower = hospitals.start_run(out, *QUICK, "federation.rounds=60")
    hospitals.wait_for_rounds(out, 2)
    begin = monotonic()
    hospitals.deployment.nodes.kill("b")
    hospitals.deployment.wait_for(lambda: named(out, "b"), 70, "b named")
    took = monotonic() - begin
    print(f"a killed site was named after {took:.0f} s")
    assert took < 60
    hospitals.deployment.wait_for(lambda: ["b"] in missing(out), 90, "a round without b")
    hospitals.deployment.wait_for(lambda: starts(hospitals, "b"), 120, "b back", every=5)
    hospitals.deployment.wait_for(lambda: missing(out)[-1] == [] and ["b"] in missing(out), 120, "a round with b again")
    follower.kill(signal.SIGINT, group=False)


def starts(hospitals: Hospitals, name: str) -> bool:
    return begins(hospitals, hospitals.start_site(name, wait=0))


BACK = """
import os, sys, time
from flwr.supercore import heartbeat
from flwr.supernode import fleet_http_client, fleet_http_connection

heartbeat.HEARTBEAT_DEFAULT_INTERVAL = fleet_http_connection.HEARTBEAT_DEFAULT_INTERVAL = 10
activate = fleet_http_client.FleetHttpClient.ActivateNode

def at_the_moment(client, request):
    time.sleep(max(0.0, float(os.environ.get("TEST_MOMENT", "0")) - time.time()))
    return activate(client, request)

fleet_http_client.FleetHttpClient.ActivateNode = at_the_moment
from cape_fed.cli.main import main
main()
"""
"""``cape-fed`` with Flower's shortest heartbeat, so that it expires after 20 s, which asks to be let in at a moment."""
MOMENTS = (-1.0, -0.3, -0.1, 0.0, 0.05, 0.1, 0.3, 0.6, 1.0, 3.0)
"""Seconds after the heartbeat's expiry at which a site is back."""


@pytest.mark.nightly
def test_a_site_killed_in_a_round_and_back_around_its_expiry_costs_that_round_only(
    faulty: Hospitals, tmp_path: Path
) -> None:
    """The deadline is an hour: a round that waited for the lost answer would hang. Before its expiry it is refused."""
    faulty.start("a")
    faulty.deployment.nodes.register("b")
    file = faulty.folder / "b.toml"
    file.write_text(faulty.toml("b"))
    Approvals(read_site(file)).approve(faulty.app)

    def start_b(moment: float = 0, *, fault: str = "hang@0-999", wait: float = 0) -> Process:
        env = {VARIABLE: fault, "TEST_MOMENT": str(moment)}
        return faulty.deployment.nodes.start_command("b", ["python", "-c", BACK, "site", str(file)], env, wait=wait)

    site, lost, out = start_b(wait=60), list[int](), tmp_path / "run"
    follower = faulty.start_run(out, *QUICK, "federation.rounds=500")
    for moment in MOMENTS:
        number = at_work(faulty, site)
        site.kill()
        expiry = online_until(faulty, "b")
        assert expiry is not None
        fault = "hang@0-999" if moment != MOMENTS[-1] else ""
        site = start_b(expiry + moment, fault=fault)
        while not begins(faulty, site):
            site = start_b(fault=fault)
        began = monotonic()
        faulty.wait_for_rounds(out, number + 1, 60)
        print(
            f"back {moment:+.2f} s after the expiry: round {number} ended {monotonic() - began:.1f} s later", flush=True
        )
        lost.append(number)
    faulty.deployment.wait_for(lambda: missing(out)[-1] == [], 120, "a round with b again")
    follower.kill(signal.SIGINT, group=False)
    assert [missing(out)[number] for number in lost] == [["b"]] * len(MOMENTS)
    for number in lost:
        said = log_of(out).partition(f"round {number}: site b ")[2]
        assert said.startswith(("is gone", "was started anew and lost what it was asked")), (number, said[:80])


def at_work(hospitals: Hospitals, site: Process) -> int:
    """The round that a site is at work on, once it is."""
    rounds_of = lambda: re.findall(r"ROUND (\d+)\]", site.output())  # noqa: E731
    return int(hospitals.deployment.wait_for(rounds_of, 90, "the site at work")[-1])


def online_until(hospitals: Hospitals, name: str) -> float | None:
    """Unix time at which the SuperLink takes a site for gone if it hears nothing more."""
    public = (hospitals.deployment.nodes.keys[name]).with_name(f"{name}.pub").read_text()
    point = serialization.load_ssh_public_key(public.encode()).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with closing(sqlite3.connect(hospitals.folder / "state.db")) as database:
        rows = database.execute("SELECT public_key, online_until FROM node").fetchall()
    return next((float(until) for key, until in rows if bytes(key).strip() == point.strip()), None)


def begins(hospitals: Hospitals, process: Process) -> bool:
    """Whether a site is connected; false where it was refused."""
    hospitals.deployment.wait_for(
        lambda: "SuperNode ID:" in process.output() or process.returncode is not None, 60, "b connected or refused"
    )
    return process.returncode is None


@pytest.mark.nightly
def test_a_restarted_supernode_loses_nothing(hospitals: Hospitals, tmp_path: Path) -> None:
    hospitals.start("ab")
    out = tmp_path / "run"
    settings = ["federation.rounds=4", "federation.quorum=1.0"]
    follower = hospitals.start_run(out, *QUICK, *settings)
    for number in (1, 2):
        hospitals.wait_for_rounds(out, number)
        hospitals.deployment.nodes.kill("b", signal.SIGTERM)
        hospitals.deployment.wait_for(lambda: starts(hospitals, "b"), 120, "b back", every=5)
    assert hospitals.wait_for_end(follower, 300) == 0
    expected = simulate(hospitals.cohorts, tmp_path / "simulated", *QUICK, "federation.rounds=4")
    assert same(encoder_of(out), expected)


@pytest.mark.nightly
def test_killed_at_twenty_random_moments_a_run_ends_with_the_same_weights(hospitals: Hospitals, tmp_path: Path) -> None:
    hospitals.start("ab")
    out = tmp_path / "run"
    total, draw = 24, random.Random(0)
    settings = [f"federation.rounds={total}", "federation.strategy=fedadam"]
    settings += ["federation.options.learning_rate=0.001", "federation.quorum=1.0"]
    follower = hospitals.start_run(out, *QUICK, *settings)
    kills = 0
    while kills < 20 and rounds_done(out) < total - 1:
        before = rounds_done(out)
        wait_a_while(hospitals, follower, out, draw.uniform(0.0, 8.0))
        if follower.returncode == 0:
            break
        kind = draw.choice(["serverapp", "serverapp", "superlink", "both"])
        if kind != "superlink":
            hospitals.deployment.wait_for(hospitals.deployment.link.kill_serverapp, 60, "a ServerApp to kill")
        if kind != "serverapp":
            hospitals.deployment.link.restart()
        kills += 1
        hospitals.wait_for_end(follower, 120)
        assert rounds_done(out) >= before
        follower = hospitals.deployment.start_cli(["cape-fed", "run", "--resume", str(out)])
    assert hospitals.wait_for_end(follower, 400) == 0, follower.output()
    print(f"{kills} kills")
    assert kills >= 15
    assert [line["round"] for line in rounds(out)] == list(range(total))
    expected = simulate(hospitals.cohorts, tmp_path / "simulated", *QUICK, *settings)
    assert same(encoder_of(out), expected)


def wait_a_while(hospitals: Hospitals, follower: Process, out: Path, seconds: float) -> None:
    """Wait until the run has its sites, then for another ``seconds``; return earlier if the run ends."""
    wait_for = hospitals.deployment.wait_for
    wait_for(lambda: is_running(out) or follower.returncode is not None, 120, "the sites")
    end = monotonic() + seconds
    wait_for(lambda: monotonic() > end or follower.returncode is not None, seconds + 5, "a moment")


def is_running(out: Path) -> bool:
    """Whether the sites of the latest run have joined."""
    started, status = out / "superlink.json", read_status(out)
    if not started.exists() or status.get("state") != "running" or not is_locked(out / LOCK_FILE):
        return False
    return bool(json.loads(started.read_text())["run"] == status["flower_run"])
