"""Flower's exit codes become sentences."""

from __future__ import annotations

import logging

import pytest
from flwr.supercore.error import ApiErrorCode
from flwr.supercore.exit import ExitCode

from cape_fed.errors import InputError, RunError
from cape_fed.site.exits import (
    NO_CONNECTION,
    NOT_A_KEY,
    NOT_ACTIVATED,
    OTHER_VERSION,
    LastWords,
    explain_exit,
    explained_exit,
)

FAILED = "Exit Code: 305\nFailed to initialize the connection to the SuperLink.\n"


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("Exit Code: 302\nUnable to parse the private key file.", InputError, "cape-fed site check says why"),
        (FAILED + "[code: 2004] Activation failed.", RunError, "a process is online with its key"),
        (FAILED + "Connection refused\n\nFor more information", RunError, "(Connection refused)"),
        ("Exit Code: 606\nother", InputError, "another version of Flower"),
    ],
)
def test_each_code_has_its_sentence(text: str, kind: type[Exception], words: str) -> None:
    error = explain_exit(text, "host:443")
    assert isinstance(error, kind)
    assert words in str(error)
    assert "305" not in str(error)


def test_other_codes_are_left_to_flower() -> None:
    assert explain_exit("Exit Code: 800", "host:443") is None
    assert explain_exit("", "host:443") is None


def test_the_last_words_are_kept() -> None:
    words = LastWords()
    log = logging.getLogger("test of last words")
    log.addHandler(words)
    log.error("nothing of interest")
    log.error("Exit Code: %s", 305)
    log.error("nor this")
    assert words.text == "Exit Code: 305"


def end_with(words: str, code: int) -> None:
    with explained_exit("host:443"):
        logging.getLogger("flwr").error(words)
        raise SystemExit(code)


def test_an_exit_within_the_block_is_explained_and_others_pass() -> None:
    with pytest.raises(RunError, match="no connection to host:443"):
        end_with(FAILED, 1)
    with pytest.raises(SystemExit):
        end_with("nothing that is known", 1)
    with pytest.raises(SystemExit):
        end_with(FAILED, 0)


def test_the_installed_flower_ends_with_these_codes() -> None:
    assert (
        ExitCode.SUPERNODE_NODE_AUTH_KEY_INVALID,
        ExitCode.SUPERNODE_CONNECTION_ERROR,
        ExitCode.RUNTIME_VERSION_INCOMPATIBLE,
    ) == (NOT_A_KEY, NO_CONNECTION, OTHER_VERSION)
    assert ApiErrorCode.FLEET_NODE_ACTIVATION_FAILED == NOT_ACTIVATED
