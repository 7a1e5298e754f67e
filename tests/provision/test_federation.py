"""federation.yaml says what is wrong with it in one line, and nothing hostile gets into a file or a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.provision.federation import read_federation

RIGHT = "name: hearts\naddress: federation.example.org:443\nsites: {hospital-a: train, hospital-b: evaluate}\n"


def read(tmp_path: Path, text: str) -> str:
    """The error for a text, empty where there is none."""
    path = tmp_path / "federation.yaml"
    path.write_text(text)
    try:
        read_federation(path)
    except InputError as error:
        return str(error)
    return ""


def test_a_right_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "federation.yaml"
    path.write_text(RIGHT + "names: [10.0.0.5, '::1']\nplan: [experiment=base, federation.rounds=3]\n")
    federation = read_federation(path)
    assert (federation.host, federation.port) == ("federation.example.org", 443)
    assert federation.all_names == ["federation.example.org", "10.0.0.5", "::1", "localhost", "127.0.0.1"]
    assert federation.sites["hospital-b"].role == "evaluate"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (RIGHT + "adress: x:1", "unknown key 'adress': the nearest is 'address'"),
        (RIGHT.replace("name: hearts\n", ""), "'name' is missing"),
        (RIGHT.replace(":443", ""), "write HOST:PORT"),
        (RIGHT.replace(":443", ":0"), "write HOST:PORT"),
        (RIGHT.replace(":443", ":99999"), "write HOST:PORT"),
        (RIGHT.replace("hearts", "Herzen der Stadt"), "lower-case letters"),
        (RIGHT.replace("train", "lead", 1), "sites.hospital-a.role"),
        (RIGHT.replace("hospital-b", "hospital-a"), "line 3: hospital-a stands there twice"),
        (RIGHT.replace("hospital-b", "no"), "no is no text: put it in quotes"),
        (RIGHT.replace("{hospital-a: train, hospital-b: evaluate}", "{}"), "sites"),
        (RIGHT.replace("{hospital-a: train, hospital-b: evaluate}", "[a, b]"), "roster"),
        ("- a\n- b\n", "name, address and sites"),
        ("name: [\n", "is not YAML"),
        ("", "name, address and sites"),
    ],
)
def test_a_wrong_one_is_told_in_a_line(tmp_path: Path, text: str, words: str) -> None:
    said = read(tmp_path, text)
    assert words in said
    assert str(tmp_path) in said
    assert "\n" not in said


HOSTILE = ["../../etc/cron.d/x", "a/b", "a b", "a;reboot", "$(reboot)", "`reboot`", 'a"x = 1', "a\\nb", "-rf", "é", ""]


@pytest.mark.parametrize("name", [*HOSTILE, "a" * 64])
@pytest.mark.parametrize("place", ["site", "name"])
def test_no_hostile_name_gets_through(tmp_path: Path, name: str, place: str) -> None:
    quoted = '"' + name.replace('"', '\\"') + '"'
    assert read(tmp_path, RIGHT.replace({"site": "hospital-a", "name": "hearts"}[place], quoted))


@pytest.mark.parametrize("host", HOSTILE)
def test_no_hostile_host_gets_through(tmp_path: Path, host: str) -> None:
    quoted = host.replace('"', '\\"')
    assert read(tmp_path, RIGHT.replace("federation.example.org:443", f'"{quoted}:443"'))
    assert read(tmp_path, RIGHT + f'names: ["{quoted}"]\n')


@pytest.mark.parametrize("sign", ["$(reboot)", "`reboot`", '\\"', "\\n", "'", "\\\\"])
def test_no_sign_that_would_end_a_quotation_gets_into_the_plan(tmp_path: Path, sign: str) -> None:
    assert "not allowed" in read(tmp_path, RIGHT + f'plan: ["experiment=small{sign}"]\n')


def test_yaml_with_an_object_in_it_is_refused(tmp_path: Path) -> None:
    assert "is not YAML" in read(tmp_path, RIGHT.replace("hearts", "!!python/object/apply:os.system ['true']"))
