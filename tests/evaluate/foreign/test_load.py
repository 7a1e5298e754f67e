from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cape_fed.errors import InputError
from cape_fed.evaluate.foreign.load import load_foreign, load_one
from tests.evaluate.foreign.conftest import WriteModule

GOOD = """
class Mean:
    def embed(self, ecg_mv, fs, leads):
        return ecg_mv.mean(axis=2)

def mean():
    return Mean()

def broken():
    raise RuntimeError("no weights\\nat all")

def nothing():
    return None

constant = 3
"""


def test_a_factory_in_the_working_directory_gives_an_encoder_that_is_described(write_module: WriteModule) -> None:
    module = write_module(GOOD)
    loaded = load_foreign({"ECG-X": f"{module}:mean"})["ECG-X"]
    assert type(loaded.encoder).__name__ == "Mean"
    assert loaded.info.factory == f"{module}:mean"
    assert loaded.info.version is None
    assert loaded.info.sha256 == hashlib.sha256(Path(f"{module}.py").read_bytes()).hexdigest()
    assert loaded.info.overlap == "unknown"
    assert loaded.called == f"encoder ECG-X ({module}:mean)"


def test_a_package_that_is_installed_is_described_by_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numpy.embedder", lambda: SimpleNamespace(embed=np.mean), raising=False)
    assert load_one("x", "numpy:embedder").info.version == f"numpy {np.__version__}"


def test_no_module_of_the_working_directory_takes_the_place_of_an_installed_one(write_module: WriteModule) -> None:
    write_module(GOOD)
    Path("colorsys.py").write_text("raise RuntimeError('not this one')")
    sys.modules.pop("colorsys", None)
    with pytest.raises(InputError, match=r"the factory raised TypeError: hls_to_rgb\(\) missing"):
        load_one("x", "colorsys:hls_to_rgb")


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        ("{}:average", "has no function 'average': it has Mean, broken, mean, nothing"),
        ("{}:constant", "has no function 'constant'"),
        ("{}:broken", "the factory raised RuntimeError: no weights at all"),
        ("{}:nothing", "the factory returned a NoneType, which has no method embed"),
        ("no_such_module_here:load", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module_here'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(factory: str, says: str, write_module: WriteModule) -> None:
    specification = factory.format(write_module(GOOD))
    with pytest.raises(InputError) as error:
        load_one("x", specification)
    assert f"encoder={specification}: " in str(error.value)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_module_that_fails_as_it_is_imported_is_named(write_module: WriteModule) -> None:
    module = write_module("import math\nmath.sqrt(-1)\n")
    with pytest.raises(InputError, match=f"{module} cannot be imported: ValueError"):
        load_one("x", f"{module}:make")
