"""What a scan found, as one HTML file for people and one JSON shape for programs.

Everything is read from the published scan; the page is painted on the server's side of the fence:
no script, no request, no style attribute, so its content security policy can forbid all three.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from datetime import datetime
from importlib import resources
from pathlib import Path

import duckdb
import jinja2
from markupsafe import Markup

from nhiscan import printable
from nhiscan.atomic import write_text
from nhiscan.narrow import narrow
from nhiscan.report.page import WIDE, ByHand, Limits, page_of
from nhiscan.report.reading import Reader, anchor
from nhiscan.report.shape import summary
from nhiscan.report.standing import rollup

__all__ = ["ByHand", "Limits", "render", "rollup", "summary", "write"]


def render(
    con: duckdb.DuckDBPyConnection,
    *,
    partner: str | None = None,
    owner: str | None = None,
    generated_at: datetime,
    limits: Limits = WIDE,
    by_hand: ByHand | None = None,
) -> str:
    """The report as one HTML text; the same scan and arguments give the same text.

    `partner` (id, or name where only one has it) and `owner` (mail address) narrow it to what is theirs. `by_hand` says
    what a person does about a finding; a narrowed report leaves that out, since commands name what others hold.
    Raises: NhiscanError for a partner or owner that the scan does not know.
    """
    cursor, scope = narrow(con, partner=partner, owner=owner)
    try:
        page = page_of(Reader(cursor, scope), limits, by_hand if scope is None else None)
    finally:
        cursor.close()
    css = _squeezed(resources.files("nhiscan.reports").joinpath("style.css").read_text(encoding="utf-8"))
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    html = (
        _environment()
        .get_template("report.html.j2")
        .render(
            page,
            css=Markup(css),  # noqa: S704 - our own file, and the policy holds its hash
            css_hash=f"sha256-{digest}",
            generated_at=generated_at,
            limits=limits,
        )
    )
    return _squeezed(html) + "\n"


def _squeezed(text: str) -> str:
    """Without empty lines and spaces at line ends; a second pass changes nothing, so a hash of a part stays true."""
    return "\n".join(line for line in (line.rstrip() for line in text.split("\n")) if line)


def write(path: Path, text: str) -> None:
    """Writes a report in one step, readable by its owner alone."""
    write_text(path, text)


def _template(name: str) -> str | None:
    source = resources.files("nhiscan.reports").joinpath(name)
    return source.read_text(encoding="utf-8") if source.is_file() else None


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "name": printable.name,
        "sentence": printable.sentence,
        "full": printable.full,
        "plain": printable.plain,
        "moment": printable.moment,
        "day": printable.day,
        "anchor": lambda of, kind: anchor(kind, of),
        "words": lambda text: str(text).replace("_", " "),
        "count": lambda number: f"{number:,}".replace(",", "\u202f"),
        "number": lambda number: f"{number:,.10g}".replace(",", "\u202f"),
    }
    return environment
