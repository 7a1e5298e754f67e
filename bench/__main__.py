"""``python -m bench`` measures everything and writes bench/RESULTS.md; with names it measures and prints those only."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from bench import deployment, federation, idle, ingest, privacy, reading, serving, training
from bench.row import Row, as_markdown, machine

RESULTS = Path(__file__).with_name("RESULTS.md")


MODULES = {
    module.__name__.rpartition(".")[2]: module
    for module in (ingest, reading, training, privacy, federation, deployment, idle, serving)
}


def main(names: Sequence[str]) -> None:
    os.environ["CAPE_FED_SALT_FILE"] = str(Path(tempfile.gettempdir()) / f"cape-fed-bench-{os.getpid()}.salt")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        archive = ingest.make_archive(Path(scratch))
        for name in names or MODULES:
            for row in MODULES[name].measure(Path(scratch), archive):
                print(row.as_line(), flush=True)
                rows.append(row)
    if not names:
        RESULTS.write_text(_text(rows))
        print(f"written to {RESULTS}")


def _text(rows: list[Row]) -> str:
    return (
        "# Measured speed\n\n"
        f"`make bench` on {date.today():%Y-%m-%d}: {machine()}. Every ratio compares two ways of doing the same work "
        "within one run. The floor is what the work cannot do without.\n\n" + as_markdown(rows)
    )


if __name__ == "__main__":
    main(sys.argv[1:])
