"""A site makes its key itself and completes its site.toml."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.federation.keys import fingerprint, read_public
from cape_fed.provision.provision import provision
from cape_fed.site.check.key import load_key
from cape_fed.site.enrol import enrol
from cape_fed.site.node import read_site
from tests.conftest import TinyStore
from tests.provision.test_provision import FEDERATION


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    provision(FEDERATION, tmp_path / "kits")
    return tmp_path / "kits" / "sites" / "hospital-a"


def test_the_site_file_is_complete_and_the_key_is_the_sites_own(kit: Path, tiny_store: TinyStore) -> None:
    stores = [tiny_store("a", patients=4).path, tiny_store("b", patients=4).path]
    done = enrol(kit, stores)
    assert (done.name, done.new, done.public) == ("hospital-a", True, kit / "hospital-a.pub")
    site = read_site(kit / "site.toml")
    assert site.stores == tuple(path.resolve() for path in stores)
    assert site.plan == "federation.name=hearts experiment=small train.pairs=8"
    assert site.superlink is not None
    assert (site.superlink.key, site.superlink.certificate) == (kit / "site.key", kit / "ca.crt")
    assert site.state == kit / "state"
    assert stat.S_IMODE((kit / "site.key").stat().st_mode) == 0o600
    assert fingerprint(load_key(kit / "site.key").public_key()) == done.fingerprint
    assert fingerprint(read_public(done.public.read_bytes())) == done.fingerprint
    assert "# longest work on one message" in (kit / "site.toml").read_text()


def test_a_second_call_keeps_the_key_and_what_was_edited(kit: Path, tiny_store: TinyStore, tmp_path: Path) -> None:
    first = enrol(kit, [tiny_store("a", patients=4).path])
    file = kit / "site.toml"
    file.write_text(file.read_text().replace("minutes = 120", "minutes = 7"))
    again = enrol(kit, [], tmp_path / 'a "state"')
    assert (again.fingerprint, again.new) == (first.fingerprint, False)
    site = read_site(file)
    assert (site.limits.minutes, site.state) == (7, tmp_path / 'a "state"')
    assert len(site.stores) == 1
    assert enrol(kit, [], replace_key=True).fingerprint != first.fingerprint
    assert read_site(file).state == site.state  # with the ledger in it


def test_a_store_that_is_none_or_a_folder_that_is_no_kit_leaves_nothing_behind(kit: Path, tmp_path: Path) -> None:
    before = sorted(kit.iterdir())
    with pytest.raises(InputError, match="no store"):
        enrol(kit, [tmp_path / "nothing"])
    assert sorted(kit.iterdir()) == before
    with pytest.raises(InputError, match="is no kit of a site"):
        enrol(tmp_path, [])
    (kit / "site.toml").write_text('name = "../x"\n[superlink]\n')
    with pytest.raises(InputError, match="is not what the coordinator's kit holds"):
        enrol(kit, [])
    assert not (kit / "site.key").exists()
