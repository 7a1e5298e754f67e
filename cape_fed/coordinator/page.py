"""The page on a run, made by the cape-fed that is installed here: the app that Flower unpacks carries no templates."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

log = logging.getLogger(__name__)


def have_page_written(directory: Path) -> None:
    """Start writing ``federation.html`` into a run directory; do not wait, since this process may be about to end."""
    program = Path(sys.executable).with_name("cape-fed")
    command = [str(program), "top", str(directory), "--page"]
    try:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        log.warning("federation.html is not written (%s): cape-fed top DIR --page does it", error.strerror)
