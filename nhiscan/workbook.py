"""Sheets of .xlsx workbooks, line by line, as people and programs save them."""

from __future__ import annotations

import contextlib
import io
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from nhiscan.cells import clean, fold
from nhiscan.delimited import TableError, unreadable

MOST_BYTES: Final = 256 * 1024**2  # of a file, unpacked; a million partners take a fifth of it


def lines(path: Path, *, sheet: str) -> list[tuple[int, Sequence[Any]]]:
    """(number, cells) of each line with anything in it: of the sheet called so, else of the first.

    Raises: TableError naming the file and the next step.
    """
    with _opened(path) as sheets:
        chosen = next((found for found in sheets if fold(found.title) == sheet), None)
        return list(_filled(chosen or sheets[0])) if sheets else []


def heads(path: Path) -> list[tuple[str, Sequence[Any]]]:
    """Title and first filled line of each sheet, hidden ones too. Raises: TableError."""
    with _opened(path) as sheets:
        return [(sheet.title, next((cells for _, cells in _filled(sheet)), ())) for sheet in sheets]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[list[Any]]:
    """The sheets of openpyxl, which reads of each as far as somebody asks."""
    # Imported late: commands that read no workbook should not pay for it.
    from openpyxl import load_workbook

    try:
        if path.stat().st_size > MOST_BYTES:
            raise too_large(path)
        data = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        with zipfile.ZipFile(data) as package:
            # A few kilobytes can unpack to more than the machine has; zipfile reads no more than is declared here.
            if sum(part.file_size for part in package.infolist()) > MOST_BYTES:
                raise too_large(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl tells of styling and validation that it drops: no data
            yield load_workbook(data, read_only=True, data_only=True).worksheets
    except (  # each of these was seen or can be read in openpyxl's parsing of a damaged package
        zipfile.BadZipFile,
        zlib.error,
        ParseError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        EOFError,
        OSError,
    ) as error:
        hint = "open it in a spreadsheet program and save it again as .xlsx, without a password"
        raise TableError(f"{path} is not a workbook that can be read: {error}", hint=hint) from error


def _filled(sheet: Any) -> Iterator[tuple[int, Sequence[Any]]]:
    sheet.reset_dimensions()  # the size noted in the file is often wrong, and rows beyond it would be lost
    # Formatting can stretch a sheet to a million empty rows.
    return (
        (line, cells) for line, cells in enumerate(sheet.iter_rows(values_only=True), 1) if any(map(is_filled, cells))
    )


def is_filled(cell: Any) -> bool:
    return cell is not None and (not isinstance(cell, str) or clean(cell) != "")


def too_large(path: Path) -> TableError:
    return TableError(
        f"{path} holds more than {MOST_BYTES // 1024**2} MiB", hint="split it into files of one table each, or cut it"
    )
