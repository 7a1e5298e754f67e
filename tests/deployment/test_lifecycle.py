"""What docs/lifecycle.md promises of sites that leave and of new keys, on a real SuperLink."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.deployment.hospitals import Hospitals
from tests.deployment.superlink import CONNECTION

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_site_that_was_removed_comes_back_with_a_new_key_only(hospitals: Hospitals) -> None:
    deployment = hospitals.deployment
    hospitals.start("a")
    old, new = deployment.nodes.make_key("a"), deployment.nodes.make_key("b")

    def register(key: object, name: str = "a") -> tuple[int, str]:
        done = deployment.run_cli(["cape-fed", "sites", CONNECTION, "--register", f"{key}.pub", "--name", name])
        return done.returncode, done.stdout + done.stderr

    code, said = register(new)
    assert (code, "the name a is taken" in said) == (2, True), said
    removed = deployment.run_cli(["cape-fed", "sites", CONNECTION, "--remove", "a"])
    assert removed.returncode == 0, removed.stderr
    deployment.wait_for(lambda: deployment.nodes["a"].returncode is not None, 40, "the site turned away")
    for name in ("a", "c"):
        code, said = register(old, name)
        assert code == 2
        assert "already in use" in said

    assert register(new)[0] == 0
    file = hospitals.folder / "a.toml"
    file.write_text(hospitals.toml("a").replace(f'key = "{old}"', f'key = "{new}"'))
    deployment.nodes.start_site("a", file)
    (site,) = shown(hospitals)
    assert (site["name"], site["online"]) == ("a", True)

    deployment.link.restart()
    deployment.wait_for(lambda: [site["online"] for site in shown(hospitals)] == [True], 90, "the site back")


def shown(hospitals: Hospitals) -> list[dict[str, Any]]:
    done = hospitals.deployment.run_cli(["cape-fed", "sites", CONNECTION, "--json"])
    found: list[dict[str, Any]] = json.loads(done.stdout) if done.returncode == 0 else []
    return found
