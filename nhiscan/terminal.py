"""How commands read a published scan and show what it holds: their options, tables and JSON.

With the modules of the commands the only one that prints and reads the clock.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from nhiscan.errors import ConfigError
from nhiscan.printable import cut, plain, width
from nhiscan.secret import RedactingFilter, Secret

if TYPE_CHECKING:
    import duckdb

    from nhiscan.report import ByHand
    from nhiscan.show import Section

EXIT_GATE: Final = 1
EXIT_INCOMPLETE: Final = 3
_CELL: Final = 300  # characters of a value in a table
LONG: Final = 5000  # characters of a statement or command on a line of its own
SHORT_ID: Final = 10  # digits of the id of a case or finding in a table: `nhiscan show` takes them for the whole
_NARROWEST: Final = 12  # columns of a table are not cut further to fit a terminal
# Of what is logged and of every error: commands add the secrets of the settings that they build.
redacting: Final = RedactingFilter()
YEARS: Final = range(1970, 2200)  # rules count back from --as-of, and dates end at both sides
_WIDE: Final = 6  # a single row with more columns is printed as a list


def now() -> datetime:
    return datetime.now(UTC)


def iso_moment(value: str) -> datetime:
    """An ISO time; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not an ISO time such as 2026-01-31T02:00:00Z") from error
    if moment.year not in YEARS:
        raise click.BadParameter(f"{value!r} is not between {YEARS[0]} and {YEARS[-1]}")
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


config_option = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    default=Path("nhiscan.toml"),
    envvar="NHISCAN_CONFIG",
    show_default=True,
    help="Settings file.",
)
scan_option = click.option("--scan", "scan_id", help="Id of a published scan; the current one by default.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of a command that reads a published scan."""
    return config_option(scan_option(json_option(command)))


@contextmanager
def published(config_file: Path, scan_id: str | None) -> Iterator[duckdb.DuckDBPyConnection]:
    from nhiscan import config, store

    settings = config.read(config_file)
    with store.open_published(settings.state, scan_id) as con:
        yield con


def by_hand(con: duckdb.DuckDBPyConnection) -> ByHand:
    """What a report says that a person does about findings, from the installed rules."""
    from nhiscan import rule as rule_folders
    from nhiscan.remediate import runbook

    return lambda finding_ids: runbook.lines(con, rule_folders.load(), finding_ids)


@contextmanager
def printing_into(output: Path | None) -> Iterator[None]:
    """Puts what is printed meanwhile into a file and says so; None: it is printed."""
    if output is None:
        yield
        return
    from nhiscan import atomic

    written = io.StringIO(newline="")
    with redirect_stdout(written):
        yield
    atomic.write_text(output, written.getvalue())
    click.echo(f"wrote {output}", err=True)


def list_rows(con: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any], *, as_json: bool) -> None:
    from nhiscan import statements

    columns, rows = statements.answer(con, sql, list(values))
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)


def print_sections(sections: Sequence[Section], *, as_json: bool) -> None:
    if as_json:
        told: dict[str, Any] = {s.title: [dict(zip(s.columns, row, strict=True)) for row in s.rows] for s in sections}
        cut = {section.title: section.more for section in sections if section.more}
        print_json({**told, "not listed": cut} if cut else told)
        return
    for section in sections:
        click.echo(f"{section.title}:{'' if section.rows else ' none'}")
        if len(section.rows) == 1 and len(section.columns) > _WIDE:
            for column, value in zip(section.columns, section.rows[0], strict=True):
                if value is not None:
                    click.echo(f"  {column}: {cell(value, 300)}")
        elif section.rows:
            print_table(section.columns, section.rows)
        if section.more:
            click.echo(f"and {section.more} more")
        click.echo()


def counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def ask_passphrase() -> Secret:
    """Of a protected key, from whoever sits at the terminal."""
    return Secret(click.prompt("passphrase of the key", hide_input=True, err=True))


def unknown(what: str, name: str, known: Iterable[str]) -> ConfigError:
    from nhiscan.config import nearest

    return ConfigError(f"no {what} {name!r}", hint=nearest(name, known))


def json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat() if value.tzinfo is None else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, default=json_value))


def cell(value: Any, most: int = _CELL) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if value >= 1 else f"{value:.2f}"
    return plain(value, most)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Prints rows under their columns, and how many they are."""
    print_rows(columns, rows)
    click.echo(f"{len(rows)} {'row' if len(rows) == 1 else 'rows'}", err=True)


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, indent: str = "") -> None:
    """Prints rows under their columns; on a terminal the widest columns give way until a row fits a line."""
    texts = [[plain(column) for column in columns], *([cell(value) for value in row] for row in rows)]
    widths = [max(map(width, column)) for column in zip(*texts, strict=True)]
    if sys.stdout.isatty():
        widths = _fitted(widths, shutil.get_terminal_size().columns - len(indent))
    for row in texts:
        cells = [cut(text, most) for text, most in zip(row, widths, strict=True)]
        padded = [text + " " * (most - width(text)) for text, most in zip(cells, widths, strict=True)]
        click.echo(indent + "  ".join(padded).rstrip())


def _fitted(widths: Sequence[int], room: int) -> list[int]:
    fitted = list(widths)
    excess = sum(fitted) + 2 * (len(fitted) - 1) - room
    while excess > 0 and max(fitted, default=0) > _NARROWEST:
        fitted[fitted.index(max(fitted))] -= 1
        excess -= 1
    return fitted
