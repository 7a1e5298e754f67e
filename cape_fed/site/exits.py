"""What Flower's SuperNode ends with, in sentences."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from cape_fed.errors import InputError, RunError

NOT_A_KEY, NO_CONNECTION, OTHER_VERSION = 302, 305, 606
"""Flower's exit codes that a site can do something about."""
NOT_ACTIVATED = 2004
"""The SuperLink's code for a key that is not registered or is in use."""


class LastWords(logging.Handler):
    """Remembers the code that Flower logs before it ends."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message that names an exit code."""
        text = record.getMessage()
        if "Exit Code:" in text:
            self.text = text


@contextmanager
def explained_exit(address: str) -> Iterator[None]:
    """Turn an exit of Flower's within the block into the error that `explain_exit` makes of it."""
    words = LastWords()
    log = logging.getLogger("flwr")
    log.addHandler(words)
    try:
        yield
    except SystemExit as ended:
        if ended.code and (error := explain_exit(words.text, address)):
            raise error from None
        raise
    finally:
        log.removeHandler(words)


def explain_exit(text: str, address: str) -> InputError | RunError | None:
    """The sentence for what Flower said when it ended; None for codes that nobody at a site can act on."""
    found = re.search(r"Exit Code: (\d+)", text)
    code = int(found[1]) if found else 0
    if code == NOT_A_KEY:
        return InputError("Flower cannot use superlink.key: cape-fed site check says why")
    if code == OTHER_VERSION:
        return InputError(f"{address} runs another version of Flower: install that of the coordinator")
    if code == NO_CONNECTION and f"[code: {NOT_ACTIVATED}]" in text:
        return RunError(
            f"{address} does not let this site in: a process is online with its key, as for up to a minute after a "
            "crash, or the key is not registered; cape-fed site check tells which"
        )
    if code == NO_CONNECTION:
        reason = " ".join(text.split("SuperLink.", 1)[-1].split("\n\n")[0].split())[:200]
        return RunError(f"no connection to {address} ({reason}): cape-fed site check goes through every step")
    return None
