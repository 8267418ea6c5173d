"""What a person decides and has written down: that a risk is accepted, that access was reviewed."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import duckdb

from nhiscan import cells, ledger, narrow, statements
from nhiscan.config import nearest
from nhiscan.errors import NhiscanError
from nhiscan.model import Acceptance, Record, Review
from nhiscan.rule import Rule, effective

_SHORTEST_PREFIX: Final = 8  # characters of a finding's id that stand for it
LIMITING_RULE: Final = "gov-exception-expired"
_LEFT: Final = frozenset({"left", "leaver", "inactive", "departed"})


class RefusedError(NhiscanError):
    """The user decides otherwise, or somebody else decides."""

    exit_code = 2


@dataclass(frozen=True)
class Person:
    """Somebody by today's address; `is_known` False: the register does not list that address."""

    mail: str
    is_known: bool
    has_left: bool = False
    is_ours: bool | None = None
    can_approve: frozenset[str] | None = None
    partner_id: str | None = None


@dataclass(frozen=True)
class Limits:
    """How many days an acceptance may run, and how often it may be prolonged."""

    days: int
    renewals: int


@dataclass(frozen=True)
class Wish:
    """What somebody wants accepted: the finding of `rule_id` on `subject`, by its id, its finding's id or its name."""

    rule_id: str
    subject: str
    approver: str
    reason: str
    control: str
    expires: date
    requested_by: str | None = None
    is_renewal: bool = False


def accept(
    con: duckdb.DuckDBPyConnection, wish: Wish, said: Iterable[Record], *, limits: Limits, at: datetime
) -> tuple[Acceptance, str]:
    """The acceptance to be written down, and the finding's sentence.

    `said`: what stands in the ledger, which the scan may not know yet.
    Raises: RefusedError saying what is in the way.
    """
    subject_id, partner_id, severity, message = _finding(con, wish)
    reason = _text(wish.reason, "--reason")
    control = _text(wish.control, "--control")
    approver = person(con, wish.approver, "--approver", at=at)
    requester = None if wish.requested_by is None else person(con, wish.requested_by, "--requested-by", at=at)
    if requester is not None and requester.mail == approver.mail:
        raise RefusedError(
            f"{approver.mail} asks and approves", hint="let somebody else approve it: nobody accepts their own risk"
        )
    _may_approve(con, approver, severity)
    if wish.expires < at.date():
        raise RefusedError(f"--expires {wish.expires} has passed", hint="give a day to come")
    last = at.date() + timedelta(days=limits.days)
    if wish.expires > last:
        raise RefusedError(
            f"--expires {wish.expires} is more than {limits.days} days off",
            hint=f"accept it until {last} at most; the limit is max_exception_days of [rules.{LIMITING_RULE}]",
        )
    renewals = _renewals(con, wish, subject_id, said, at)
    if renewals > limits.renewals:
        raise RefusedError(
            f"it would be prolonged for the {renewals}. time, and {limits.renewals} is allowed: it would not count",
            hint=f"mend it; the limit is max_renewals of [rules.{LIMITING_RULE}]",
        )
    digest = hashlib.sha256(f"{wish.rule_id}\n{subject_id}".encode("utf-8", "surrogatepass")).hexdigest()
    return Acceptance(
        acceptance_id=f"A-{digest[:12]}",
        rule_id=wish.rule_id,
        subject_id=subject_id,
        partner_id=partner_id,
        reason=reason,
        compensating_control=control,
        requested_by=None if requester is None else requester.mail,
        approved_by=approver.mail,
        approved_at=at,
        expires_at=wish.expires,
        renewals=renewals,
    ), message


def limits(rules: Mapping[str, Rule], overrides: Mapping[str, Mapping[str, Any]]) -> Limits:
    """The parameters of the rule that finds acceptances which run too long: they bind both."""
    given = effective(rules[LIMITING_RULE], overrides.get(LIMITING_RULE, {}))
    return Limits(given["max_exception_days"], given["max_renewals"])


def review(
    con: duckdb.DuckDBPyConnection,
    *,
    scope: str,
    partner: str,
    reviewer: str,
    items: int | None,
    revoked: int | None,
    seconds: int | None,
    evidence: str | None,
    at: datetime,
) -> Review:
    """The review to be written down, completed `at`.

    Raises: QueryError for an unknown partner, RefusedError for what cannot be.
    """
    partner_id, name = narrow.find_partner(con, partner)
    by = person(con, reviewer, "--reviewer", at=at)
    if by.is_ours is False:
        raise RefusedError(
            f"{by.mail} is a person of a partner in the register, and this is our own review",
            hint=f"name who of ours reviewed {name}; what the partner says itself is taken by `nhiscan attest import`",
        )
    if revoked is not None and (items is None or revoked > items):
        raise RefusedError(
            f"--revoked {revoked} of {'an unknown number of' if items is None else items} items",
            hint="give with --items how many were looked at",
        )
    return Review(
        review_id=f"R-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
        scope=scope,
        partner_id=partner_id,
        reviewer=by.mail,
        completed_at=at,
        items=items,
        items_revoked=revoked,
        seconds_spent=seconds,
        evidence=None if evidence is None else _text(evidence, "--evidence"),
    )


def person(con: duckdb.DuckDBPyConnection, mail: str, option: str, *, at: datetime) -> Person:
    """Who an address stands for, also one that somebody had before.

    Raises: RefusedError where it is no address, or its person has left.
    """
    try:
        address = cells.mail(mail)
    except cells.CellError as error:
        raise RefusedError(f"{option} {mail!r} {error.problem}", hint=f"give {error.allowed}") from error
    rows = con.execute(statements.sql("nhiscan.lifecycle", "decisions_person"), {"mail": address}).fetchall()
    if not rows:
        return Person(address, is_known=False)
    found, side, status, left_on, can_approve, partner_id = rows[0]
    if (status or "").lower() in _LEFT or (left_on is not None and left_on <= at.date()):
        raise RefusedError(
            f"{option} {found} has left, says the register", hint="name somebody who answers for it from now on"
        )
    severities = None if can_approve is None else frozenset(word.strip().lower() for word in can_approve.split(";"))
    is_ours = None if side is None else side == "ours"
    return Person(found, is_known=True, is_ours=is_ours, can_approve=severities, partner_id=partner_id)


def one_of_ours(con: duckdb.DuckDBPyConnection, mail: str, option: str, *, at: datetime) -> str:
    """The present address of somebody who may say that a partner was cut off.

    Raises: RefusedError where it is no address, or its person has left or is a partner's.
    """
    by = person(con, mail, option, at=at)
    if by.is_ours is False:
        raise RefusedError(
            f"{option} {by.mail} is a person of a partner in the register", hint="one of ours says what was done"
        )
    return by.mail


def _may_approve(con: duckdb.DuckDBPyConnection, approver: Person, severity: str) -> None:
    """Where the register says of anybody what they may approve, whoever it says nothing of may approve nothing."""
    if approver.is_ours is False:
        raise RefusedError(
            f"{approver.mail} is a person of a partner in the register", hint="one of ours approves what is our risk"
        )
    ((declared,),) = con.execute("select count(can_approve) from people").fetchall()
    if not declared or severity in (approver.can_approve or ()):
        return
    may = ", ".join(sorted(approver.can_approve or ()))
    able = con.execute(statements.sql("nhiscan.lifecycle", "decisions_approvers"), {"severity": severity}).fetchall()
    raise RefusedError(
        f"{approver.mail} may not approve what is {severity}: the register "
        + (f"lets them approve {may}" if may else "lists no severity in people.can_approve of theirs"),
        hint="may approve it: " + ", ".join(mail for (mail,) in able)
        if able
        else f"nobody in the register may; add {severity} to somebody's can_approve",
    )


def _finding(con: duckdb.DuckDBPyConnection, wish: Wish) -> tuple[str, str | None, str, str]:
    """Subject id, partner, severity and sentence of the one finding that is meant."""
    rows = con.execute(
        statements.sql("nhiscan.lifecycle", "decisions_findings_of_rule"), {"rule": wish.rule_id}
    ).fetchall()
    matching = [row for row in rows if wish.subject == row[0]]
    matching = matching or [row for row in rows if _begins(row[1], wish.subject)]
    matching = matching or [row for row in rows if row[2] is not None and row[2].casefold() == wish.subject.casefold()]
    if not matching:
        known = {word for row in rows for word in (row[0], row[2]) if word is not None}
        raise RefusedError(
            f"{wish.rule_id} says nothing about {wish.subject!r} in this scan",
            hint=nearest(wish.subject, known) if known else "it has no finding at all, so there is nothing to accept",
        )
    if len(matching) > 1:
        raise RefusedError(
            f"{wish.subject!r} names {len(matching)} subjects of {wish.rule_id}",
            hint="give the id: " + ", ".join(row[0] for row in matching[:5]),
        )
    subject_id, _, _, partner_id, severity, message, status = matching[0]
    if status == "fixed":
        raise RefusedError(f"{wish.rule_id} on {subject_id} is fixed", hint="there is nothing left to accept")
    return subject_id, partner_id, severity, message


def _begins(finding_id: str, word: str) -> bool:
    return len(word) >= _SHORTEST_PREFIX and finding_id.startswith(word)


def _renewals(con: duckdb.DuckDBPyConnection, wish: Wish, subject_id: str, said: Iterable[Record], at: datetime) -> int:
    """How often the risk was accepted before, which only --renew goes beyond."""
    earlier = list(_earlier(con, wish.rule_id, subject_id, said))
    if not earlier:
        if wish.is_renewal:
            raise RefusedError("there is no acceptance of this to renew", hint="leave out --renew")
        return 0
    last = max(earlier, key=lambda acceptance: acceptance.expires_at or date.min)
    until = f"until {last.expires_at}" if last.expires_at else "without an end"
    stands = last.expires_at is None or last.expires_at >= at.date()
    if stands and not ledger.is_row(last.register_row):
        raise RefusedError(
            f"the register holds it: {last.acceptance_id} in {last.register_row}, {until}",
            hint="prolong it there; what the register says beats what commands write",
        )
    if not wish.is_renewal:
        raise RefusedError(
            f"it was accepted before: {last.acceptance_id} by {last.approved_by or 'nobody'}, {until}",
            hint="add --renew to prolong it, which is counted",
        )
    return 1 + max(acceptance.renewals or 0 for acceptance in earlier)


def _earlier(
    con: duckdb.DuckDBPyConnection, rule_id: str, subject_id: str, said: Iterable[Record]
) -> Iterator[Acceptance]:
    for record in said:
        if isinstance(record, Acceptance) and (record.rule_id, record.subject_id) == (rule_id, subject_id):
            yield record
    for row in con.execute(
        statements.sql("nhiscan.lifecycle", "decisions_registered_acceptances"),
        {"rule": rule_id, "subject": subject_id},
    ).fetchall():
        acceptance_id, approved_by, expires_at, renewals, register_row = row
        yield Acceptance(
            acceptance_id,
            rule_id,
            subject_id,
            approved_by=approved_by,
            expires_at=expires_at,
            renewals=renewals,
            register_row=register_row,
        )


def _text(text: str, option: str) -> str:
    kept = cells.clean(text)
    if not kept:
        raise RefusedError(f"{option} is empty", hint="say it in words that somebody else understands in a year")
    return kept
