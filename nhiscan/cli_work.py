"""The command that says what waits for whose decision."""

from __future__ import annotations

import csv
import dataclasses
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from nhiscan.printable import guarded
from nhiscan.terminal import (
    SHORT_ID,
    cell,
    config_option,
    counted,
    iso_moment,
    now,
    print_json,
    print_rows,
    printing_into,
    published,
    scan_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from nhiscan.lifecycle.work import Item

_TICKETS: Final = ("jira", "servicenow")
_PAGE: Final = 40  # decisions on a page


@click.command()
@config_option
@scan_option
@click.option("--owner", metavar="MAIL", help="Whose decisions; without it everybody's load, and what nobody owns.")
@click.option(
    "-f",
    "--format",
    "shape",
    type=click.Choice(["text", "json", "csv", *_TICKETS]),
    default="text",
    show_default=True,
    help="jira, servicenow: the cases alone, as CSV to import there.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the result here.")
@click.option("--as-of", type=iso_moment, metavar="TIME", help="What counts as now for due dates; now by default.")
def work(
    config_file: Path, scan_id: str | None, owner: str | None, shape: str, output: Path | None, as_of: datetime | None
) -> None:
    """Say what waits for whose decision, and by when: overdue first.

    Cases are due 1, 7, 30 or 90 days after they were first seen, by their band. Open steps of offboardings, statements
    and reviews that run out, acceptances that end and checkpoints of contracts are listed from 90 days before.

    Example: nhiscan work --owner erika.brandt@acme.example
    """
    from nhiscan.lifecycle import work as lists

    at = as_of or now()
    with published(config_file, scan_id) as con:
        found = lists.items(con, at=at)
        mail = None if owner is None else _known(con, owner, found)
        is_complete = con.execute("select is_complete from scans").fetchone() == (True,)
    if mail is not None:
        found = [item for item in found if item.owner_mail == mail]
    with printing_into(output):
        if shape in _TICKETS:
            sys.stdout.write(lists.tickets(found, shape))
        elif shape == "csv":
            _write_csv(found, at)
        elif shape == "json":
            loads = [dataclasses.asdict(load) for load in lists.owners(found, at=at)]
            decisions = [_shape(item, at) for item in found]
            print_json({"schema_version": 1, "as_of": at, "owners": loads, "decisions": decisions})
        elif mail is not None:
            _print_page(mail, found, at)
        else:
            _print_loads(found, at)
    if not is_complete:
        click.echo("the scan is incomplete: what it could not read is in no list; see its blind-spots query", err=True)


def _known(con: duckdb.DuckDBPyConnection, owner: str, found: Sequence[Item]) -> str:
    """The address as the lists write it. Raises: QueryError for somebody whom the scan does not know."""
    from nhiscan import narrow

    for item in found:
        if item.owner_mail is not None and item.owner_mail.casefold() == owner.casefold():
            return item.owner_mail
    return narrow.find_owner(con, owner)


def _shape(item: Item, at: datetime) -> dict[str, Any]:
    return {**dataclasses.asdict(item), "is_overdue": item.is_overdue(at)}


def _write_csv(found: Sequence[Item], at: datetime) -> None:
    from nhiscan.lifecycle.work import Item

    writer = csv.writer(sys.stdout)
    writer.writerow([*(field.name for field in dataclasses.fields(Item)), "is_overdue"])
    for item in found:
        writer.writerow([guarded(_plain(value)) for value in _shape(item, at).values()])


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else value


def _print_page(mail: str, found: Sequence[Item], at: datetime) -> None:
    overdue = sum(item.is_overdue(at) for item in found)
    click.echo(f"{cell(mail)}: {counted(len(found), 'decision')}, {overdue} overdue on {at:%Y-%m-%d}")
    if found and found[0].owner_status == "left":
        click.echo("this person has left: hand these over")
    _print_items(found, at)


def _print_loads(found: Sequence[Item], at: datetime) -> None:
    from nhiscan.lifecycle.work import owners

    loads = owners(found, at=at)
    columns = ("owner", "", "overdue", "due in 7 days", "cases", "decisions")
    rows = [
        (
            "nobody" if load.mail is None else load.mail,
            load.status or "",
            load.overdue,
            load.soon,
            load.cases,
            load.decisions,
        )
        for load in loads
    ]
    print_rows(columns, rows)
    unowned = [item for item in found if item.owner_mail is None]
    if unowned:
        click.echo(f"\n{counted(len(unowned), 'decision')} that nobody answers for:")
        _print_items(unowned, at)


def _print_items(found: Sequence[Item], at: datetime) -> None:
    rows = [
        (
            "no date"
            if item.due_at is None
            else f"{item.due_at:%Y-%m-%d}" + (" overdue" if item.is_overdue(at) else ""),
            item.band or item.kind,
            item.partner_name,
            item.subject_name,
            item.what,
            item.item_id[:SHORT_ID] if item.kind == "case" else item.item_id,
        )
        for item in found[:_PAGE]
    ]
    print_rows(("due", "kind", "partner", "of", "decision", "id"), rows)
    if len(found) > _PAGE:
        click.echo(f"and {len(found) - _PAGE} more; --format csv lists all")
