"""A process for the next message, started before it comes: it loads what every ClientApp loads, and waits to be told.

Run as a script with the modules to load as arguments. Of this project nothing may be loaded here, since an app brings
its own; the command line of Flower's ``flwr-clientapp`` comes as a line of JSON on standard input.
"""

from __future__ import annotations

import importlib
import json
import select
import sys


def main() -> None:
    """Load the modules, wait for a command line, and do what it says; end where none comes.

    Once there is a command line no more is loaded: Flower takes an app that has not called back within 30 s for lost.
    """
    for name in sys.argv[1:]:
        if select.select([sys.stdin], [], [], 0)[0]:
            break
        importlib.import_module(name)
    if line := sys.stdin.readline():
        sys.argv = json.loads(line)
        importlib.import_module("flwr.supernode.cli").flwr_clientapp()


if __name__ == "__main__":
    main()
