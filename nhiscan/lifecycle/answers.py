"""What came back from a partner: read strictly against what was asked, and held against the current scan."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from nhiscan import cells, delimited, workbook
from nhiscan.cells import CellError, fold
from nhiscan.config import nearest
from nhiscan.errors import NhiscanError
from nhiscan.lifecycle import attest
from nhiscan.lifecycle.attest import ANSWERS, COLUMNS, Item, Request
from nhiscan.lifecycle.decisions import person
from nhiscan.model import Attestation, AttestationItem, Record

_WORKBOOKS: Final = frozenset({".xlsx", ".xlsm"})
_NEEDED: Final = (
    attest.REQUEST,
    attest.PARTNER,
    attest.NUMBER,
    attest.ID,
    attest.ANSWER,
    attest.SIGNED_BY,
    attest.SIGNED_ON,
)
_MOST_LISTED: Final = 12
_DOTTED: Final = "%d.%m.%Y"  # what spreadsheet programs make of a date in much of Europe; slashes could be either way


class AnswersError(NhiscanError):
    """The partner mends its answers, or the user takes those that are usable."""

    exit_code = 2


@dataclass(frozen=True)
class Row:
    """One filled line of the file: its cells by folded column name."""

    line: int
    cells: Mapping[str, Any]

    def text(self, column: str) -> str:
        return cells.show(self.cells.get(fold(column))) or ""


@dataclass(frozen=True)
class Problem:
    """Why a row, or a thing that was asked about, has no usable answer; line 0: the row is not there."""

    line: int
    says: str

    def __str__(self) -> str:
        return f"line {self.line} {self.says}" if self.line else self.says


@dataclass(frozen=True)
class Statement:
    """`answers`: what was said of each item that was asked about; `problems`: what was not usable."""

    request: Request
    signed_by: str
    signed_on: date
    answers: Mapping[int, str]
    problems: tuple[Problem, ...]
    evidence: str

    @property
    def counted(self) -> dict[str, int]:
        counts = Counter(self.answers.get(item.number, "unknown") for item in self.request.items)
        return {word: counts[word] for word in ANSWERS if counts[word]}

    def records(self) -> list[Record]:
        """Every thing that was asked about has an answer: `unknown` where none was usable.

        A statement with problems is valid on no day, so that it stays due; what it says counts all the same.
        """
        id_ = self.request.request_id
        items: list[Record] = [
            AttestationItem(id_, item.subject_kind, item.subject_id, self.answers.get(item.number, "unknown"))
            for item in self.request.items
        ]
        signed = datetime(self.signed_on.year, self.signed_on.month, self.signed_on.day, tzinfo=UTC)
        whole = Attestation(
            attestation_id=id_,
            partner_id=self.request.partner_id,
            kind=self.request.kind,
            attested_by=self.signed_by,
            attested_at=signed,
            valid_to=self.signed_on - timedelta(days=1) if self.problems else None,
            declared_items=len(self.answers),
            evidence=self.evidence,
        )
        return [*items, whole]


def read(path: Path) -> list[Row]:
    """The filled lines of a file that came back.

    Raises: TableError where it cannot be read as a table, AnswersError where a column is missing.
    """
    known = {fold(name) for name in COLUMNS}
    lines: Iterable[tuple[int, Sequence[Any]]]
    if path.suffix.lower() in _WORKBOOKS:
        lines = workbook.lines(path, sheet=_sheet(path))
    else:
        lines = delimited.lines(path, encoding=None, delimiter=None, is_known=lambda name: fold(name) in known)
    filled = [(line, row) for line, row in lines if any(map(workbook.is_filled, row))]
    if not filled:
        raise AnswersError(f"{path} is empty", hint="import the file that the partner sent back")
    (_, head), *rows = filled
    names = [fold(str(name)) if workbook.is_filled(name) else "" for name in head]
    for name in _NEEDED:
        if names.count(fold(name)) != 1:
            many = "two columns" if fold(name) in names else "no column"
            raise AnswersError(f"{path} has {many} {name!r}", hint=nearest(fold(name), filter(None, names)))
    return [Row(line, dict(zip(names, row, strict=False))) for line, row in rows]


def _sheet(path: Path) -> str:
    """The one sheet that holds answers, under whatever name. Raises: AnswersError where several do, hidden ones too."""
    wanted = {fold(attest.REQUEST), fold(attest.ANSWER)}
    found = [title for title, head in workbook.heads(path) if wanted <= {fold(str(name)) for name in head}]
    if len(found) > 1:
        raise AnswersError(
            f"{path} holds answers on {len(found)} sheets: {', '.join(map(repr, found[:_MOST_LISTED]))}",
            hint="leave the one that was signed, and delete the others; some may be hidden",
        )
    return fold(found[0]) if found else attest.SHEET


def request_id(path: Path, rows: Sequence[Row]) -> str:
    """Which request a file answers.

    Raises: AnswersError where that is none or more than one.
    """
    named = Counter(filter(None, (row.text(attest.REQUEST) for row in rows)))
    if len(named) == 1:
        return next(iter(named))
    if not named:
        raise AnswersError(f"{path} names no request", hint="the column `request` has to come back as it went out")
    raise AnswersError(
        f"{path} answers {len(named)} requests: {', '.join(sorted(named)[:_MOST_LISTED])}",
        hint="import one file a request",
    )


def judge(
    con: duckdb.DuckDBPyConnection, request: Request, path: Path, rows: Sequence[Row], *, at: datetime
) -> Statement:
    """What the partner said, and each row that is not as it was asked.

    Raises: AnswersError where nobody signed, two people did, or on a day that cannot be.
    """
    signed_by = _signer(con, request, path, rows, at=at)
    signed_on = _signed_on(request, path, rows, at=at)
    answers, problems = _answers(request, rows)
    if not answers:
        raise AnswersError(
            f"{path} holds no usable answer to {request.request_id}",
            hint=_listed(problems),
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Statement(request, signed_by, signed_on, answers, problems, f"{cells.clean(path.name)} sha256:{digest}")


def refuse_incomplete(path: Path, statement: Statement) -> None:
    """Raises: AnswersError listing what has to be mended."""
    if statement.problems:
        raise AnswersError(
            f"{path}: {len(statement.problems)} of its rows are not usable: {_listed(statement.problems)}",
            hint="let the partner mend them, or import what is usable with --incomplete: the statement then stays due",
        )


def is_repeat(statement: Statement, said: Iterable[Record], *, is_replaced: bool) -> bool:
    """Whether the ledger says the same already.

    Raises: AnswersError where another content was signed under the same request, unless it is replaced. An incomplete
    statement may be completed, as long as what it did say stays.
    """
    id_ = statement.request.request_id
    records = [record for record in said if getattr(record, "attestation_id", None) == id_]
    whole = next((record for record in records if isinstance(record, Attestation)), None)
    if whole is None:
        return False
    before = {
        (record.subject_kind, record.subject_id): record.answer
        for record in records
        if isinstance(record, AttestationItem)
    }
    differing = [
        (item.number, old, new)
        for item in statement.request.items
        if (old := before.get((item.subject_kind, item.subject_id)))
        != (new := statement.answers.get(item.number, "unknown"))
    ]
    signed_on = None if whole.attested_at is None else whole.attested_at.date()
    is_signed_alike = (whole.attested_by, signed_on) == (statement.signed_by, statement.signed_on)
    was_incomplete = whole.valid_to is not None
    if not differing and is_signed_alike and was_incomplete == bool(statement.problems):
        return True
    contradicting = [
        f"no. {number} was {old}, now {new}"
        for number, old, new in differing
        if not (was_incomplete and old in (None, "unknown"))
    ]
    if not was_incomplete and not is_signed_alike:
        contradicting.append(f"signed by {statement.signed_by} on {statement.signed_on}")
    if not was_incomplete and statement.problems:
        contradicting.append("it was complete, and this file is not")
    if contradicting and not is_replaced:
        raise AnswersError(
            f"{id_} was signed with other content by {whole.attested_by} on {signed_on}: "
            + "; ".join(contradicting[:_MOST_LISTED]),
            hint="ask the partner which of the two holds; if it is this one, import it with --replace",
        )
    return False


def _answers(request: Request, rows: Sequence[Row]) -> tuple[dict[int, str], tuple[Problem, ...]]:
    asked = {item.number: item for item in request.items}
    bearers = {
        (column, text): item
        for item in reversed(request.items)
        for column, sent in _told(item).items()
        for text in _as_sent(sent)
    }
    given: dict[int, list[tuple[Row, str]]] = {}
    problems: list[Problem] = []
    there: set[int] = set()
    for row in rows:
        item, problem = _item(request, asked, row)
        if item is not None:
            there.add(item.number)
            problem = problem or _moved(bearers, item, row)
        word = fold(row.text(attest.ANSWER))
        if item is None or problem:
            problems.append(Problem(row.line, problem))
        elif not word:
            problems.append(Problem(row.line, f"has no answer for {item.shown}"))
        elif word not in ANSWERS:
            problems.append(
                Problem(row.line, f"answers {row.text(attest.ANSWER)!r}, which is none of {', '.join(ANSWERS)}")
            )
        else:
            given.setdefault(item.number, []).append((row, word))
    answers: dict[int, str] = {}
    for number, said in given.items():
        words = {word for _, word in said}
        if len(words) == 1:
            answers[number] = words.pop()
        else:
            told = ", ".join(f"{word} in line {row.line}" for row, word in said)
            problems.append(Problem(said[-1][0].line, f"answers no. {number} again: {told}"))
    problems += [
        Problem(0, f"no. {item.number}, {item.shown}, is not in the file: its row was taken out")
        for item in request.items
        if item.number not in there
    ]
    return answers, tuple(sorted(problems, key=lambda problem: (problem.line == 0, problem.line)))


def _item(request: Request, asked: Mapping[int, Item], row: Row) -> tuple[Item | None, str]:
    """The item that a row speaks of, and what speaks against it."""
    shown = row.text(attest.ID)
    try:
        item = asked.get(cells.integer(row.text(attest.NUMBER)))
    except CellError:
        item = None
    if item is None:
        return None, f"speaks of {shown or 'nothing'}, which was not asked about: the row was added"
    if row.text(attest.REQUEST) not in ("", request.request_id):
        return item, f"belongs to {row.text(attest.REQUEST)!r}"
    if row.text(attest.PARTNER) not in ("", *_as_sent(request.partner_shown)):
        return item, f"speaks for {row.text(attest.PARTNER)!r}, and {request.partner_name} was asked"
    if shown not in _as_sent(item.shown):
        return item, f"names {shown or 'nothing'}, where no. {item.number} went out as {item.shown}: the id was changed"
    return item, ""


def _moved(bearers: Mapping[tuple[str, str], Item], item: Item, row: Row) -> str:
    """What speaks against a row whose cells were sorted apart from its id: people answer by the name that they read.

    A name that no other row has is what some program made of it.
    """
    for column, sent in _told(item).items():
        text = row.text(column)
        other = bearers.get((column, text))
        if text and other is not None and text not in _as_sent(sent):
            beside = f"beside the id of no. {item.number}: cells were moved"
            return f"bears the {column} of no. {other.number}, {text}, {beside}"
    return ""


def _told(item: Item) -> dict[str, str]:
    return {attest.NAME: item.name, attest.MAIL: item.mail}


def _as_sent(shown: str) -> tuple[str, str]:
    """A cell as it went out, and as a program hands it back that takes the guard of a formula for its own."""
    clean = cells.clean(shown)
    return clean, clean.removeprefix("'")


def _signer(con: duckdb.DuckDBPyConnection, request: Request, path: Path, rows: Sequence[Row], *, at: datetime) -> str:
    named: dict[str, int] = {}
    for row in rows:
        text = row.text(attest.SIGNED_BY)
        if text:
            try:
                named.setdefault(cells.mail(text.removeprefix("'")), row.line)
            except CellError as error:
                raise AnswersError(
                    f"{path}, line {row.line}: signed by {text!r}, which {error.problem}", hint=f"give {error.allowed}"
                ) from error
    if not named:
        raise AnswersError(
            f"{path} is not signed", hint=f"let somebody of {request.partner_name} fill `{attest.SIGNED_BY}`"
        )
    if len(named) > 1:
        raise AnswersError(
            f"{path} is signed by {' and '.join(f'{mail} in line {line}' for mail, line in named.items())}",
            hint="one person signs a statement; request one for each who answers for a part",
        )
    ((mail, line),) = named.items()
    signer = person(con, mail, f"{path}, line {line}: signed by", at=at)
    if signer.is_ours:
        raise AnswersError(
            f"{path}, line {line}: {mail} is a person of ours in the register", hint="the partner signs, not we for it"
        )
    if signer.partner_id not in (None, request.partner_id):
        raise AnswersError(
            f"{path}, line {line}: {mail} is a person of {signer.partner_id} in the register",
            hint=f"somebody of {request.partner_name} signs",
        )
    return mail


def _signed_on(request: Request, path: Path, rows: Sequence[Row], *, at: datetime) -> date:
    named: dict[date, int] = {}
    for row in rows:
        cell = row.cells.get(fold(attest.SIGNED_ON))
        if workbook.is_filled(cell):
            named.setdefault(_day(cell, f"{path}, line {row.line}"), row.line)
    if not named:
        raise AnswersError(f"{path} bears no date", hint=f"let the signer fill `{attest.SIGNED_ON}`")
    if len(named) > 1:
        raise AnswersError(
            f"{path} bears two dates: " + " and ".join(f"{day} in line {line}" for day, line in named.items()),
            hint="one day is the day of the statement",
        )
    ((day, line),) = named.items()
    # A day of slack on either side: the partner's calendar may be ahead of UTC, or behind.
    if day > at.date() + timedelta(days=1):
        raise AnswersError(f"{path}, line {line}: {day} is still to come", hint="let the signer correct the date")
    if day < request.asked_at.date() - timedelta(days=1):
        raise AnswersError(
            f"{path}, line {line}: {day} is before {request.asked_at.date()}, when it was asked for",
            hint="let the signer correct the date",
        )
    return day


def _day(cell: Any, where: str) -> date:
    if isinstance(cell, date):
        return cell.date() if isinstance(cell, datetime) else cell
    text = (cells.show(cell) or "").removeprefix("'")
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        pass
    try:
        return datetime.strptime(text, _DOTTED).date()
    except ValueError:
        raise AnswersError(f"{where}: {text!r} is not a date", hint="write it as 2026-01-31") from None


def _listed(problems: Sequence[Problem]) -> str:
    more = f"; and {len(problems) - _MOST_LISTED} more" if len(problems) > _MOST_LISTED else ""
    return "; ".join(map(str, problems[:_MOST_LISTED])) + more
