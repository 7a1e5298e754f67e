"""Network namespaces: sites train over a slow, lossy and interrupted link, and with a wrong clock they are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.deployment.harness import Deployment, unavailable
from tests.deployment.network import COORDINATOR, Network, available, clock, clock_available
from tests.deployment.toy import write_toy_app

pytestmark = [pytest.mark.slow, pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))]

SITES = ("hospital-a", "hospital-b")


def test_sites_train_over_bad_links(tmp_path: Path) -> None:
    if reason := available():
        pytest.skip(reason)
    with Network(SITES) as network:
        address, prefix = network.address(COORDINATOR), network.prefix(COORDINATOR)
        with Deployment(tmp_path / "deployment", address=address, prefix=prefix) as deployment:
            deployment.start_superlink()
            network.shape(SITES[0], "1mbit", 0.02)
            for site in SITES:
                deployment.register(site)
                deployment.start_node(site, {"site": site}, prefix=network.prefix(site))
            network.cut(SITES[1])
            out = tmp_path / "result.json"
            run = deployment.submit(write_toy_app(tmp_path / "app"), f'out="{out}"')
            deployment.wait_for(lambda: "Receiving" in deployment.nodes[SITES[0]].output(), 40, "one site's message")
            assert "Receiving" not in deployment.nodes[SITES[1]].output()
            network.restore(SITES[1])
            assert deployment.wait_finished(run, 80) == "finished:completed"
            assert json.loads(out.read_text())["nodes"].keys() == set(SITES)


@pytest.mark.parametrize("seconds", [600, -600])
def test_a_site_with_another_clock_is_refused(tmp_path: Path, seconds: int) -> None:
    if reason := clock_available():
        pytest.skip(reason)
    shifted = clock(tmp_path, seconds)
    script = "import threading, time; threading.Event().wait(0.1); time.sleep(0.1); print(time.time())"
    told = subprocess.run([sys.executable, "-c", script], env=os.environ | shifted, capture_output=True, timeout=20)
    assert float(told.stdout) - time.time() == pytest.approx(seconds, abs=20)
    with Deployment(tmp_path / "deployment") as deployment:
        deployment.start_superlink()
        deployment.register("hospital-a")
        node = deployment.start_node("hospital-a", env=shifted, wait=0)
        deployment.wait_for(lambda: node.returncode is not None, 30, "the refusal")
        assert "SuperNode ID:" not in node.output()
        assert 'activate-node HTTP/1.1" 401' in deployment.logs()["superlink"].read_text()
