"""From ``package.module:factory`` to an encoder, with one line for whatever is wrong with it."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import ModuleType

from cape_fed.errors import InputError
from cape_fed.evaluate.foreign.protocol import ForeignEncoder
from cape_fed.evaluate.results import ForeignInfo


@dataclass(frozen=True)
class LoadedForeign:
    """A foreign encoder with its name in tables and where it came from."""

    name: str
    encoder: ForeignEncoder
    info: ForeignInfo

    @property
    def called(self) -> str:
        """How messages call it."""
        return (
            f"encoder {self.name}" if self.name == self.info.factory else f"encoder {self.name} ({self.info.factory})"
        )


def load_foreign(specifications: Mapping[str, str]) -> dict[str, LoadedForeign]:
    """The encoders of ``encoder=`` by the names that they have in tables; InputError as `load_one`."""
    return {name: load_one(name, specification) for name, specification in specifications.items()}


def load_one(name: str, specification: str) -> LoadedForeign:
    """Import ``package.module``, also from the working directory, and call its ``factory`` without arguments.

    InputError where the module cannot be imported, where it has no such factory, where the factory raises, and where
    what it returns has no ``embed``.
    """
    where, _, factory = specification.partition(":")
    module = _import(where, specification)
    make = getattr(module, factory, None)
    if not callable(make):
        raise InputError(f"encoder={specification}: {where} has no function '{factory}': {_offered(module)}")
    try:
        encoder = make()
    except Exception as error:
        raise InputError(f"encoder={specification}: the factory raised {one_line(error)}") from error
    if not isinstance(encoder, ForeignEncoder):
        raise InputError(
            f"encoder={specification}: the factory returned a {type(encoder).__name__}, which has no method "
            "embed(ecg_mv, fs, leads)"
        )
    return LoadedForeign(name, encoder, _describe(module, where, specification))


def one_line(error: BaseException) -> str:
    """An exception of somebody else's code with its kind, in one line of a readable length."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".removesuffix(": ")


def _import(where: str, specification: str) -> ModuleType:
    here = os.getcwd()  # noqa: PTH109 - entries of sys.path are text
    if here not in sys.path:
        sys.path.append(here)  # behind all that is installed, so that no file here takes the place of a package
    try:
        return import_module(where)
    except Exception as error:
        raise InputError(
            f"encoder={specification}: {where} cannot be imported: {one_line(error)}; install it, or start where it is"
        ) from error


def _offered(module: ModuleType) -> str:
    own = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
    return f"it has {', '.join(sorted(own)[:10])}" if own else "it has none at all"


def _describe(module: ModuleType, where: str, specification: str) -> ForeignInfo:
    """The package's version where it is installed, and a hash of the module's file."""
    distributions = packages_distributions().get(where.partition(".")[0], [])
    file = Path(module.__file__) if module.__file__ else None
    return ForeignInfo(
        factory=specification,
        version=f"{distributions[0]} {version(distributions[0])}" if distributions else None,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest() if file and file.is_file() else None,
    )
