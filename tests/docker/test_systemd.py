"""The systemd units are right, and as closed as the documentation says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deployment.host import BIN
from tests.docker.federation import DOCKER

UNITS = sorted((DOCKER / "systemd").glob("*.service"))
EXPOSURE = 1.4
"""Of 10; docs/coordinator.md and docs/site-admin.md say it."""

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="units are checked by systemd-analyze of Debian's systemd"
)


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    copies = []
    for unit in UNITS:
        copies.append(tmp_path / unit.name)
        copies[-1].write_text(unit.read_text().replace("/opt/cape-fed/.venv/bin/", f"{BIN}/"))
    done = subprocess.run(["systemd-analyze", "verify", *map(str, copies)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    copies[0].write_text(copies[0].read_text().replace("ProtectHome=yes", "ProtectHomes=yes"))
    done = subprocess.run(["systemd-analyze", "verify", str(copies[0])], capture_output=True, text=True, check=False)
    assert "ProtectHomes" in done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_service_can_do_little_beyond_its_work(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", said)
    assert found, said
    print(f"{unit.stem}: {found[1]}")
    assert float(found[1]) <= EXPOSURE
    for document in ("coordinator.md", "site-admin.md"):
        assert f"{EXPOSURE} of 10" in (DOCKER.parent / "docs" / document).read_text()
