"""The tutorial's blocks run as printed, on synthetic archives and with less training; its reports read well."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from cape_fed.cli.main import run
from cape_fed.store.store import open_store
from tests.docs.browser import CHROMIUM, WHY_NOT, open_browser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.M | re.S)
LESS = {
    "pretrain": ["train.steps=4", "train.pairs=8", "train.monitor_every=2"],
    "simulate": ["federation.rounds=2", "federation.local_steps=1", "train.pairs=8"],
    "evaluate": ["evaluation.resamples=100", "evaluation.map_records=50", "evaluation.min_patients=5"],
}
CODES = {"NORM": "NORM", "AF": "AFIB", "LVH": "LVH", "LBBB": "CLBBB", "SINUS": "SR"}


def blocks() -> list[tuple[str, str]]:
    return BLOCK.findall(TUTORIAL.read_text())


def shortened(line: str) -> str:
    """A command with settings that make less work of it."""
    words = shlex.split(line)
    return shlex.join([*words, *LESS.get(words[1], [])]) if words[:1] == ["cape-fed"] else line


def write_ptbxl(cohort: Path, truth: pd.DataFrame, out: Path) -> None:
    """A synthetic cohort in the layout of PTB-XL."""
    rows = []
    for number, (path, known) in enumerate(zip(sorted(cohort.rglob("*.hea")), truth.itertuples(), strict=True), 1):
        name = f"records500/00000/{number:05d}_hr"
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_suffix(".hea").write_text(path.read_text().replace(path.stem, target.name))
        shutil.copy(path.with_suffix(".dat"), target.with_suffix(".dat"))
        codes = {code: 100.0 for label, code in CODES.items() if getattr(known, label)}
        person = (int(known.patient[1:]), round(known.age), int(known.sex == "F"))
        rows.append((number, *person, str(codes), number % 10 + 1, "", name))
    heads = ["ecg_id", "patient_id", "age", "sex", "scp_codes", "strat_fold", "filename_lr", "filename_hr"]
    pd.DataFrame(rows, columns=heads).to_csv(out / "ptbxl_database.csv", index=False)


def write_archives(folder: Path) -> None:
    """What the tutorial downloads, from synthetic cohorts."""
    synthetic = folder / "synthetic"
    assert run(["synth", str(synthetic), "--patients", "60", "--cohorts", "3"]) == 0
    first, second, third = sorted(path for path in synthetic.iterdir() if path.is_dir() and path.name != "truth")
    write_ptbxl(first, pd.read_csv(synthetic / "truth" / f"{first.name}.csv"), folder / "archives" / "ptb-xl")
    training = folder / "archives" / "challenge-2021" / "training"
    training.mkdir(parents=True)
    second.rename(training / "georgia")
    third.rename(training / "cpsc_2018")


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every block of the tutorial has been run, in order."""
    folder = tmp_path_factory.mktemp("tutorial")
    write_archives(folder)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CAPE_FED_SALT_FILE": str(folder / "salt")}
    for language, text in blocks():
        if "wfdb.dl_" in text:
            continue
        code = text if language == "python" else "\n".join(map(shortened, text.splitlines()))
        command = [sys.executable, "-c", code] if language == "python" else ["bash", "-euc", code]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    return folder


def test_the_tutorial_leads_where_it_says(worked: Path) -> None:
    ptbxl = open_store(worked / "stores" / "ptbxl")
    assert ptbxl.records[0].startswith("records500/")
    assert ptbxl.meta.patients > 50
    assert (worked / "runs" / "federated" / "bundle" / "model.safetensors").exists()
    assert (worked / "cpsc2018.npz").exists()


@pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)
def test_its_reports_read_well_in_a_browser(worked: Path, tmp_path: Path) -> None:
    assert run(["top", str(worked / "runs" / "federated"), "--page"]) == 0
    names = ("idb/report.html", "federated/report.html", "compared/report.html", "federated/federation.html")
    with open_browser(tmp_path / "profile") as browser:
        for name in names:
            page = worked / "runs" / name
            for width in (400, 1200):
                seen = browser.open(page.as_uri(), width)
                assert seen.outside() == [], name
                assert seen.errors == [], name
                assert seen.without_text == [], name
                assert seen.width <= width, f"{name} is {seen.width} pixels wide on a screen of {width}"
