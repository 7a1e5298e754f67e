"""A process that spends steps for ever: in the ledger first, then in a file that stands for the gradients."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cape_fed.privacy.ledger import Ledger


def main(folder: Path) -> None:
    ledger = Ledger(folder / "privacy", "a", folder / "head")
    with (folder / "spent").open("a") as spent:
        number = 0
        while True:
            number += 1
            ledger.append("reserved", {"roster": "r", "run": "x", "steps": 1}, request=f"{os.getpid()} {number}")
            spent.write("1\n")
            spent.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
