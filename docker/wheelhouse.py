"""Makes a wheelhouse: all wheels of a coordinator or site, their hashes, and a list of components (SBOM).

It is made where package indexes are reachable, and installs anywhere without a network. Further arguments go to
``pip wheel``, such as another index for another build of PyTorch.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
DEPENDENCIES, PACKAGE = "dependencies", "package"
"""Folders of a wheelhouse: what a new version of this project usually leaves alone, and the project's own wheel."""
OWN, INSTALLER = "cape_fed", "pip"
"""Distributions that are no dependencies."""
EXTRAS = "federation,formats"
"""What a coordinator and a site need; hospitals export DICOM and XML."""
REQUIREMENTS, OWN_LIST, BILL, SUMS = "requirements.txt", "package.txt", "sbom.cdx.json", "SHA256SUMS"


def make_wheelhouse(out: Path, arguments: Sequence[str]) -> None:
    """Write the wheelhouse ``out``, whole or not at all; what was there under this name is replaced."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch:
        folder = Path(scratch) / "wheels"
        dependencies, package = folder / DEPENDENCIES, folder / PACKAGE
        pip = ["wheel", "--quiet", "--wheel-dir", str(dependencies), "--constraint", str(CONSTRAINTS), *arguments]
        run_pip([*pip, f"{ROOT}[{EXTRAS}]"])
        run_pip([*pip, "--no-deps", INSTALLER])
        package.mkdir()
        (own,) = dependencies.glob(f"{OWN}-*.whl")
        write_package_list(own.rename(package / own.name))
        write_dependency_lists(dependencies)
        shutil.rmtree(out, ignore_errors=True)
        folder.replace(out)


def write_dependency_lists(folder: Path) -> None:
    """Write what the wheels of a folder are called and hash to, for pip, for auditors and for sha256sum."""
    wheels = sorted(folder.glob("*.whl"))
    installed = [wheel for wheel in wheels if distribution(wheel)[0] != INSTALLER]
    (folder / REQUIREMENTS).write_text("".join(map(requirement, installed)))
    write_bill(folder)
    (folder / SUMS).write_text(sums([*wheels, folder / REQUIREMENTS, folder / BILL]))


def write_package_list(wheel: Path) -> None:
    """Write the requirement that the project's own wheel satisfies beside it."""
    (wheel.parent / OWN_LIST).write_text(requirement(wheel))


def distribution(wheel: Path) -> tuple[str, str]:
    """Name and version of a wheel, as its file name gives them."""
    name, version, *_ = wheel.name.split("-")
    return name, version


def requirement(wheel: Path) -> str:
    """A line of a requirements file that this wheel alone satisfies."""
    name, version = distribution(wheel)
    return f"{name}=={version} --hash=sha256:{sha256(wheel)}\n"


def sums(files: Iterable[Path]) -> str:
    """Lines that ``sha256sum --check`` reads."""
    return "".join(f"{sha256(path)}  {path.name}\n" for path in sorted(files))


def sha256(path: Path) -> str:
    """Hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bill(folder: Path) -> None:
    """Write the components with their hashes as CycloneDX JSON, the same from the same wheels."""
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", "--output-reproducible"]
    command += ["--pyproject", str(ROOT / "pyproject.toml"), "--of", "JSON", "-o", str(folder / BILL)]
    subprocess.run([*command, str(folder / REQUIREMENTS)], check=True)


def run_pip(arguments: Sequence[str]) -> None:
    """Run the pip of this virtual environment."""
    subprocess.run([sys.executable, "-m", "pip", *arguments], check=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write")
    known, others = parser.parse_known_args()
    make_wheelhouse(known.out, others)


if __name__ == "__main__":
    main()
