"""``federation.yaml``: who takes part in a federation and where its coordinator is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, field_validator

from cape_fed.errors import InputError
from cape_fed.federation.names import NAME_RULE, is_name
from cape_fed.federation.roster import RosterEntries
from cape_fed.section import Section, mistake

_HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
LOCAL_NAMES = ("localhost", "127.0.0.1")
"""By which the proxy in front of a SuperLink, and the coordinator's own commands, reach it."""


class Federation(Section):
    """A federation as its coordinator describes it."""

    name: str = Field(description="what the federation is called in commands and certificates")
    address: str = Field(description="HOST:PORT that the sites connect to")
    names: tuple[str, ...] = Field(default=(), description="further names or addresses of the coordinator's machine")
    local_port: int = Field(default=8000, gt=0, lt=65536, description="port of the SuperLink on the loopback interface")
    plan: tuple[str, ...] = Field(
        default=("experiment=small",), description="what is to be run, as key=value; the sites' checks go by it"
    )
    sites: RosterEntries = Field(min_length=1, description="each site with its role, as in a roster")

    @field_validator("name")
    @classmethod
    def _is_plain(cls, name: str) -> str:
        if not is_name(name):
            raise ValueError(NAME_RULE)
        return name

    @field_validator("address")
    @classmethod
    def _has_host_and_port(cls, address: str) -> str:
        host, _, port = address.rpartition(":")
        if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError("write HOST:PORT, such as federation.example.org:443")
        _check_host(host.removeprefix("[").removesuffix("]"))
        return address

    @field_validator("names")
    @classmethod
    def _are_hosts(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            _check_host(name)
        return names

    @field_validator("plan")
    @classmethod
    def _is_printable(cls, plan: tuple[str, ...]) -> tuple[str, ...]:
        for word in plan:
            if not word.isprintable() or any(sign in word for sign in "'\"\\`$ "):
                raise ValueError(f"{word!r} holds a blank, a quote or another sign that is not allowed")
        return plan

    @field_validator("sites")
    @classmethod
    def _have_plain_names(cls, sites: RosterEntries) -> RosterEntries:
        for name in sites:
            if not is_name(name):
                raise ValueError(f"{name!r}: {NAME_RULE}")
        return sites

    @property
    def host(self) -> str:
        """Name or address that the sites connect to."""
        return self.address.rpartition(":")[0].removeprefix("[").removesuffix("]")

    @property
    def port(self) -> int:
        """Port that the sites connect to."""
        return int(self.address.rpartition(":")[2])

    @property
    def settings(self) -> tuple[str, ...]:
        """What is to be run, with the federation's name, which sites may insist on."""
        return (f"federation.name={self.name}", *self.plan)

    @property
    def all_names(self) -> list[str]:
        """Names and addresses that the server's certificate is for, each once and as a certificate spells them."""
        return list(dict.fromkeys(_spelt(name) for name in [self.host, *self.names, *LOCAL_NAMES]))


def read_federation(path: Path) -> Federation:
    """The federation in a YAML file; InputError naming the first thing that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
        _check_keys(yaml.compose(text, Loader=yaml.SafeLoader))
        values = yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())[:200]}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: {error}") from error
    if not isinstance(values, Mapping):
        raise InputError(f"{path}: a federation has name, address and sites, as key: value")
    try:
        return Federation.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{path}: {_first(error)}") from error


def _check_keys(node: Any) -> None:
    """ValueError for a key that stands twice, which would hide one of two sites, or is no text."""
    if isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_keys(value)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        if key.tag != "tag:yaml.org,2002:str":
            raise ValueError(f"line {key.start_mark.line + 1}: {key.value} is no text: put it in quotes")
        if key.value in seen:
            raise ValueError(f"line {key.start_mark.line + 1}: {key.value} stands there twice")
        seen.add(key.value)
        _check_keys(value)


def _check_host(host: str) -> None:
    try:
        ip_address(host)
    except ValueError:
        if not _HOST.fullmatch(host):
            raise ValueError(f"{host!r} is neither a host name nor an address") from None


def _spelt(name: str) -> str:
    """An address in its one short form; any other name as it is."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name


def _first(error: ValidationError) -> str:
    """The first thing that pydantic found, with the nearest key where one is not known."""
    found = error.errors()[0]
    where, words = mistake(found)
    if found["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(found["loc"][-1]), Federation.model_fields, 1)
        return f"unknown key '{where}'" + (f": the nearest is '{near[0]}'" if near else "")
    if found["type"] == "missing":
        return f"'{where}' is missing"
    return f"{where}: {words}"
