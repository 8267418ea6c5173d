"""Who agreed to what: one file an approval in `<folder>/approvals/`, signed by the key of the person.

An approval is for one plan as it stands, one decision and one operation or all of them, and for a time. A file that is
anything else counts for nothing and is said.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from nhiscan import atomic
from nhiscan.config import Person
from nhiscan.errors import NhiscanError, StoreError
from nhiscan.printable import plain
from nhiscan.remediate import journal, written
from nhiscan.remediate import people as keys
from nhiscan.remediate import plan as plans
from nhiscan.remediate.plan import DECISIONS, Decision, Operation, Plan, PlanError
from nhiscan.secret import Secret

FOLDER: Final = "approvals"
LASTS: Final = timedelta(hours=24)
LONGEST: Final = timedelta(days=7)
_SCHEMA_VERSION: Final = 1
_MOST_BYTES: Final = 64 * 1024
_NAME: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._@+-]{0,150}\.json")  # what a bundle of evidence can hold


class ApprovalError(NhiscanError):
    """The approval cannot be given: the user asks somebody else, or for something else."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Approval:
    """`plan`: the plan's digest; `operation`: its number, None for all; times are ISO 8601 in UTC."""

    plan: str
    decision: Decision
    operation: int | None
    person: str
    reason: str
    at: str
    expires_at: str
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """What the folder holds at some moment: `valid` approvals by file name, and why each other file is none."""

    valid: tuple[tuple[str, Approval], ...]
    refused: tuple[str, ...]


def add(
    plan: Plan,
    folder: Path,
    people: Sequence[Person],
    key_file: Path,
    decision: Decision,
    operation: int | None,
    reason: str,
    at: datetime,
    *,
    lasts: timedelta = LASTS,
    passphrase: Callable[[], Secret],
) -> Approval:
    """Signs an approval with the key in `key_file` and writes it down; `operation` None: all that ask for `decision`.

    Raises: ApprovalError where it could not count, PlanError where the plan does not hold, ConfigError for the key,
    StoreError when it cannot be written.
    """
    plans.check(plan, people, at, is_begun=is_begun(folder))
    if not timedelta(0) < lasts <= LONGEST:
        raise ApprovalError(f"an approval lasts at most {LONGEST.days} days", hint="say for how long with --for")
    if not reason.strip():
        raise ApprovalError("an approval needs a reason", hint="say why with --reason")
    asked = [each.number for each in plan.operations if any(step.decision == decision for step in each.steps)]
    if operation is not None and operation not in asked:
        raise ApprovalError(
            f"operation {operation} of plan {plan.plan_id} asks for no decision {decision!r}",
            hint=f"operations that do: {', '.join(map(str, asked)) or 'none'}",
        )
    if not asked:
        raise ApprovalError(f"nothing in plan {plan.plan_id} asks for a decision {decision!r}", hint=_decisions(plan))
    by = keys.signer(key_file, people, passphrase=passphrase)
    if by.mail == plan.requested_by:
        raise ApprovalError(
            f"{by.mail} asked for plan {plan.plan_id} and cannot agree to it", hint="have another person approve it"
        )
    given = Approval(plan.digest, decision, operation, by.mail, reason, written.stamp(at), written.stamp(at + lasts))
    signature = base64.b64encode(by.sign("approval", _content(given))).decode("ascii")
    given = dataclasses.replace(given, signature=signature)
    _write(folder / FOLDER, given)
    return given


def is_begun(folder: Path) -> bool:
    """Whether anything was done by the plan of this folder, or may have been. Raises: StoreError."""
    return any(record.kind == "intent" for record in journal.read(folder))


def judge(
    plan: Plan,
    folder: Path,
    people: Sequence[Person] | Callable[[], Sequence[Person]],
    *,
    at: datetime | Callable[[], datetime],
) -> Callable[[Operation, Decision], list[str]]:
    """Why an operation may not take a decision yet, in sentences; none: it may. The folder is read anew each time.

    `people` is a way to read them anew and `at` a clock, where what runs lasts: whoever is taken out meanwhile does not
    count any more.
    """
    return functools.partial(_missing, plan, folder, people, at)


def given(plan: Plan, folder: Path, people: Sequence[Person], *, at: datetime) -> Given:
    """The approvals of the plan that count at `at`, and why the other files there do not.

    Raises: StoreError when the folder cannot be read, ConfigError for people who cannot be told apart.
    """
    valid: list[tuple[str, Approval]] = []
    refused: list[str] = []
    told = plans.digest(plan)
    listed = keys.known(people)
    for path in _files(folder / FOLDER):
        where = f"{FOLDER}/{plain(path.name)}"
        if not _NAME.fullmatch(path.name):
            refused.append(f"{where} is no approval: name it with letters, digits and - only, and .json at its end")
            continue
        try:
            approval = read(path)
        except (written.WrittenError, OSError) as error:
            says = error.strerror if isinstance(error, OSError) else str(error)
            refused.append(f"{where} is no approval: {says}")
            continue
        why = _why_not(approval, plan, told, people, set(listed), at)
        if why is None:
            valid.append((path.name, approval))
        else:
            refused.append(f"{where} does not count: {why}")
    return Given(tuple(valid), tuple(refused))


def contents(folder: Path) -> dict[str, bytes]:
    """What may count of the approvals of the plan in `folder`, by file name; what is no file, or a link, is left out.

    Raises: StoreError when the folder cannot be read.
    """
    found = {}
    for path in _files(folder / FOLDER):
        if _NAME.fullmatch(path.name):
            with contextlib.suppress(written.WrittenError, OSError):  # `given` says it, and counts it for nothing
                found[path.name] = written.read(path, most=_MOST_BYTES)
    return found


def read(path: Path) -> Approval:
    """The approval in a file, whoever wrote it. Raises: WrittenError or OSError."""
    found: Approval = written.opened(Approval, written.read(path, most=_MOST_BYTES), version=_SCHEMA_VERSION)
    return found


def _missing(
    plan: Plan,
    folder: Path,
    listed: Sequence[Person] | Callable[[], Sequence[Person]],
    at: datetime | Callable[[], datetime],
    operation: Operation,
    decision: Decision,
) -> list[str]:
    now = at if isinstance(at, datetime) else at()
    people = listed() if callable(listed) else listed
    try:
        plans.check(plan, people, now, is_begun=True)  # whether it expired before it began is for whoever begins it
    except PlanError as error:
        return [error.message]
    if operation not in plan.operations:
        return [f"operation {operation.number} is not what plan {plan.plan_id} says"]
    asked = [step.persons for step in operation.steps if step.decision == decision]
    if not asked:
        return [f"operation {operation.number} asks for no decision {decision!r}"]
    least = plans.persons(decision, is_partner_owned=operation.is_partner_owned, is_privileged=operation.is_privileged)
    needed = max(*asked, least)
    found = given(plan, folder, people, at=now)
    who = sorted(
        {
            approval.person
            for _, approval in found.valid
            if approval.decision == decision and approval.operation in (None, operation.number)
        }
    )
    if len(who) >= needed:
        return []
    persons = "one person has" if needed == 1 else f"{needed} persons have"
    told = f"agreed so far: {', '.join(who)}" if who else "nobody has yet"
    first = (
        f"{persons} to agree to {decision!r} of operation {operation.number} ({plain(operation.target.name)}), "
        f"{plan.requested_by} not among them; {told}"
    )
    return [first, *found.refused]


def _why_not(
    approval: Approval, plan: Plan, told: str, people: Sequence[Person], listed: set[str], at: datetime
) -> str | None:
    who = plain(approval.person)
    given_at, expires_at = written.moment(approval.at), written.moment(approval.expires_at)
    signature = written.unbase64(approval.signature)
    if approval.person not in listed:
        return f"{who} is not listed under [[people]] in nhiscan.toml"
    if signature is None or not keys.is_signed(people, approval.person, "approval", _content(approval), signature):
        return f"it is not signed by the key of {who}"
    if approval.plan != told:
        return "it is for another plan, or for this one as it was before somebody edited it"
    if approval.person == plan.requested_by:
        return f"{who} asked for the plan and cannot agree to it"
    if given_at is None or expires_at is None:
        return "its times are none"
    if given_at - at > plans.CLOCKS_DIFFER:
        return f"{who} gave it at {approval.at}, which is still to come"
    if expires_at - given_at > LONGEST:
        return f"it gives itself more than {LONGEST.days} days"
    if at >= expires_at:
        return f"that of {who} expired at {approval.expires_at}"
    if not approval.reason.strip():
        return f"{who} gave no reason"
    return None


def _content(approval: Approval) -> bytes:
    """What is signed: all but the signature."""
    told = written.told(approval)
    del told["signature"]
    return written.canonical({"schema_version": _SCHEMA_VERSION, **told})


def _write(folder: Path, approval: Approval) -> None:
    """Named by what it says, so that no approval takes the place of another."""
    number = "all" if approval.operation is None else str(approval.operation)
    name = f"{approval.decision}-{number}-{hashlib.sha256(_content(approval)).hexdigest()[:16]}.json"
    atomic.make_folder(folder)
    atomic.write_text(folder / name, written.document(approval, version=_SCHEMA_VERSION))


def _files(folder: Path) -> list[Path]:
    """Every file there but drafts, by name."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(
            f"cannot read {folder}: {error.strerror}", hint="check what it is, and its permissions"
        ) from error


def _decisions(plan: Plan) -> str:
    asked = {step.decision for each in plan.operations for step in each.steps}
    return f"it asks for: {', '.join(each for each in DECISIONS if each in asked) or 'none; it is all guided'}"
