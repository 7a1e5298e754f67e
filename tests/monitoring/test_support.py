from __future__ import annotations

import getpass
import json
import socket
import zipfile
from pathlib import Path

import pytest

from cape_fed.cli.main import run as run_command
from cape_fed.monitoring.activity import note
from cape_fed.store.store import open_store
from tests.conftest import TinyStore

PATIENT = "Erika Mustermann"
RUN = "0123456789ab"


@pytest.fixture
def site(tiny_store: TinyStore, tmp_path: Path) -> Path:
    """A site.toml whose state has logs with all that should not get out."""
    tiny_store("neurocardio", patients=4)
    state = tmp_path / "state"
    (state / RUN).mkdir(parents=True)
    store = open_store(tmp_path / "neurocardio")
    record = str(store.records[0])
    stamp = "2026-01-31 08:05:09,123"
    text = [
        f"{stamp} INFO cape_fed.site.handlers site charite-west: round 3 of run {RUN} trained in 12.5 s",
        f"{stamp} ERROR cape_fed.site.answering site charite-west: record {record} in {store.path}",
        "Traceback (most recent call last):",
        f'  File "{tmp_path}/venv/cape_fed/site/handlers.py", line 80, in train',
        f"ValueError: {PATIENT} on {socket.gethostname()} by {getpass.getuser()}, fed.example.org:443",
    ]
    line = {"time": "2026-01-31T08:05:11+00:00", "level": "INFO", "site": "charite-west", "run": RUN, "round": 4}
    (state / "log.txt.1").write_text("\n".join(text) + "\n")
    (state / "log.txt").write_text(
        json.dumps({**line, "message": f"cannot read {PATIENT}", "error": "\n".join(text)}) + "\n"
    )
    note(state, lambda activity: activity.end("train", "answered"))
    file = tmp_path / "site.toml"
    file.write_text(
        f'name = "charite-west"\nrole = "train"\nstate = "{state}"\ndevice = "cpu"\n[stores]\nward12 = "{store.path}"\n'
        '[limits]\nmin_patients = 3\n[superlink]\naddress = "fed.example.org:443"\n'
        f'certificate = "{tmp_path}/ca.crt"\nkey = "{tmp_path}/charite-west"\n'
    )
    return file


def secrets(site: Path) -> list[str]:
    store = open_store(site.parent / "neurocardio")
    return [
        "charite", "neurocardio", "ward12", "Erika", "Mustermann", "example", str(site.parent), str(store.records[0]),
        socket.gethostname(),
    ]  # fmt: skip


def test_nothing_is_written_before_it_was_shown_and_agreed_to(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = site.parent / "support.zip"
    assert run_command(["site", "report", str(site), str(out)]) == 2
    shown = capsys.readouterr()
    assert "nothing is written" in shown.err
    assert "round 3" in shown.out
    assert not out.exists()


def test_the_bundle_has_no_names_and_is_what_was_shown(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = site.parent / "support.zip"
    assert run_command(["site", "report", str(site), str(out), "--yes"]) == 0
    shown = capsys.readouterr().out
    with zipfile.ZipFile(out) as bundle:
        files = {name: bundle.read(name).decode() for name in bundle.namelist()}
    assert list(files) == ["ABOUT.txt", "facts.json", "site.toml", "log.txt", "log.txt.1"]
    for name, text in files.items():
        assert text.strip() in shown, name
        for secret in secrets(site):
            assert secret.casefold() not in text.casefold(), (name, secret)
    assert f"site ⟨site⟩: round 3 of run {RUN} trained in 12.5 s" in files["log.txt.1"]
    assert 'File "cape_fed/site/handlers.py", line 80' in files["log.txt.1"]
    entry = json.loads(files["log.txt"])
    assert (entry["site"], entry["run"], entry["round"], entry["level"]) == ("⟨site⟩", RUN, 4, "INFO")
    facts = json.loads(files["facts.json"])
    assert facts["stores"][0]["patients"] == 4
    assert facts["activity"]["messages"] == {"train": {"answered": 1}}
    assert facts["runs"] == [RUN]
    assert "limits.min_patients = 3" in files["site.toml"]
    assert "superlink.address = ⟨text⟩" in files["site.toml"]


def test_what_cannot_be_bundled_is_said_in_one_line(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["site", "report", str(site), str(site.parent), "--yes"]) == 2
    assert "is a directory" in capsys.readouterr().err
    for path in (site.parent / "state").glob("log.txt*"):
        path.unlink()
    assert run_command(["site", "report", str(site), str(site.parent / "x.zip"), "--yes"]) == 2
    assert "holds no log.txt" in capsys.readouterr().err
