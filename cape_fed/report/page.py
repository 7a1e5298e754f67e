"""From a template to one HTML file that asks for nothing outside itself."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from cape_fed.files import atomic_file

REPORT_FILE = "report.html"
TEMPLATE = "report.html.j2"
"""A report's own template lies in the folder of its code under this name and extends ``base.html.j2``."""
SVG, PNG = "image/svg+xml", "image/png"


@dataclass(frozen=True)
class Picture:
    """An SVG or PNG file to be put into a page."""

    caption: str
    mime: str
    data: bytes


def svg_picture(caption: str, svg: str) -> Picture:
    """A figure that was drawn as SVG."""
    return Picture(caption, SVG, svg.encode())


def data_uri(picture: Picture) -> str:
    """A picture as the address of an ``img``, so that identifiers of one SVG never meet those of another."""
    return f"data:{picture.mime};base64,{b64encode(picture.data).decode()}"


def render_page(package: str, filters: Mapping[str, Callable[..., Any]], **values: Any) -> str:
    """The page that a package's template makes of ``values``."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, ""), PackageLoader(__package__, "")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters, data_uri=data_uri)
    return environment.get_template(TEMPLATE).render(values)


def write_page(html: str, out: Path) -> None:
    """Put a page into ``out`` as its report."""
    with atomic_file(out / REPORT_FILE) as partial:
        partial.write_text(html, encoding="utf-8")
