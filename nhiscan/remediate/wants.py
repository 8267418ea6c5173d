"""What a plan is asked for: what findings, or the open steps of an offboarding, are about, and what to do to each."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import duckdb

from nhiscan import ledger
from nhiscan.config import Config, nearest
from nhiscan.lifecycle import offboard
from nhiscan.lifecycle.commands import Guide
from nhiscan.printable import plain
from nhiscan.remediate import runbook, scanned
from nhiscan.remediate.contract import Target
from nhiscan.remediate.plan import Action, PlanError
from nhiscan.remediate.scanned import Thing
from nhiscan.rule import Rule

_BEGINNING: Final = re.compile(r"[0-9a-f]{6,}")  # enough of a finding's id to mean one
# What is done first of what an offboarding asks for, whatever the system.
_PHASES: Final = {"revoke_access": 1, "remove_delegation": 2, "rotate_shared_secret": 3, "close_integration": 4}
_PHASE_OF_KIND: Final = {"trust": 2, "grant": 2, "secret": 3, "app": 4}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something to act on. `thing` None: the inventory holds nothing that an adapter acts on. `rank`: the order."""

    thing: Thing | None
    kind: str
    id: str
    provider: str
    tenant_id: str
    action: Action | None
    why: str
    guide: Guide
    rank: tuple[int, int]
    finding_ids: tuple[str, ...] = ()
    step: int | None = None
    because: str = ""  # why it is for a person, where there is no thing
    is_asked_for: bool = False  # a person named it, so that what cannot be done is an error and no task


def is_meant(word: str, finding_id: str) -> bool:
    """Whether a word is enough of a finding's id to mean it."""
    return _BEGINNING.fullmatch(word) is not None and finding_id.startswith(word)


def of_findings(
    con: duckdb.DuckDBPyConnection, rules: Sequence[Rule], words: Sequence[str], chosen: Action | None
) -> list[Wanted]:
    """What findings are about, by their ids or the beginnings of them; `chosen`: what to do, else as each rule says.

    Raises: PlanError for what is no finding, of no rule here, or nothing to act on.
    """
    for word in words:
        if not _BEGINNING.fullmatch(word):
            raise PlanError(
                f"'{plain(word)}' is no id of a finding",
                hint="give the id that `nhiscan findings` shows, or its first six",
            )
    rows = scanned.findings(con, words)
    _check_findings(con, words, rows, chosen)
    by_id = {rule.rule_id: rule for rule in rules}
    told = {each.finding_id: each for each in runbook.findings(con, {row["finding_id"] for row in rows})}
    things = scanned.things(con, {(row["thing_kind"], row["thing_id"]) for row in rows if row["thing_kind"]})
    wanted: dict[tuple[str, ...], Wanted] = {}
    for row in rows:
        rule = by_id.get(row["rule_id"])
        if rule is None:
            raise PlanError(
                f"finding {row['finding_id']} is of rule {row['rule_id']}, which is not here",
                hint="give the pack of rules that it comes from",
            )
        thing = things.get((row["thing_kind"], row["thing_id"])) if row["thing_kind"] else None
        finding = told[row["finding_id"]]
        target = finding.target if thing is None else thing.target
        kind, id_ = (target.thing_kind, target.thing_id) if thing else (row["subject_kind"], row["subject_id"])
        action = chosen or rule.action
        if action == "rotate" and thing is not None and thing.target.thing_kind not in ("credential", "secret"):
            action = "revoke" if chosen is None else _no_rotation(thing.target)
        each = Wanted(
            thing=thing,
            kind=kind,
            id=id_,
            provider=row["provider"] or "",
            tenant_id=row["tenant_id"] or "",
            action=action,
            why=row["message"],
            guide=runbook.guide(rule, finding, target),
            rank=(_PHASE_OF_KIND.get(kind, 3 if action == "rotate" else 1), len(wanted)),
            finding_ids=(row["finding_id"],),
            is_asked_for=True,
        )
        same = _same(thing.target) if thing else (kind, id_)
        before = wanted.get(same)
        wanted[same] = each if before is None else _both(before, each)
    return list(wanted.values())


def _no_rotation(target: Target) -> Action:
    raise PlanError(
        f"{plain(target.thing_id)} is of a kind that is not rotated: {target.thing_kind}",
        hint="plan it with --action revoke",
    )


def _both(one: Wanted, other: Wanted) -> Wanted:
    """One thing that two findings are about: to end it answers the one that asked for a new one too."""
    action: Action | None = one.action or other.action
    if "revoke" in (one.action, other.action):
        action = "revoke"
    return dataclasses.replace(
        one,
        action=action,
        why=one.why if other.why == one.why else f"{one.why}; {other.why}",
        finding_ids=tuple(sorted({*one.finding_ids, *other.finding_ids})),
    )


def _check_findings(
    con: duckdb.DuckDBPyConnection, words: Sequence[str], rows: Sequence[Mapping[str, Any]], chosen: Action | None
) -> None:
    found: dict[str, set[str]] = {word: set() for word in words}
    for row in rows:
        found[row["word"]].add(row["finding_id"])
    for word, ids in found.items():
        if not ids:
            cases = con.execute("select case_id from cases where starts_with(case_id, ?)", [word]).fetchall()
            what = "is a case, not a finding" if cases else "is not in the current scan: it was mended, or never there"
            raise PlanError(
                f"finding {word} {what}",
                hint="look at `nhiscan show " + word + "`" if cases else "scan again, and look",
            )
        if len(ids) > 1:
            raise PlanError(f"{len(ids)} findings begin with {word}", hint=f"give more of it: {', '.join(sorted(ids))}")
    for row in rows:
        if row["status"] in ("fixed", "accepted"):
            hint = "scan again if it is back" if row["status"] == "fixed" else "end the acceptance first"
            raise PlanError(
                f"finding {row['finding_id']} is {row['status']}: nothing is to be done about it", hint=hint
            )
        if row["outcome"] != "fail" and chosen is None:
            raise PlanError(
                f"finding {row['finding_id']} is not known to hold: {row['message']}",
                hint="let the scan read what is missing, or say what is to be done with --action",
            )


def of_offboarding(
    con: duckdb.DuckDBPyConnection, settings: Config, offboarding_id: str, at: datetime
) -> tuple[str, list[Wanted]]:
    """The partner of an open offboarding, and what its steps that are left to do are about.

    Raises: PlanError where there is none.
    """
    said = list(ledger.records(settings.state))
    partner, contract_id = _partner_of(con, said, offboarding_id, at)
    name: Any = con.execute("select name from partners where partner_id = ?", [partner]).fetchone()
    told = offboard.plan(con, said, (partner, name[0] if name else None), contract=contract_id, due=None, at=at)
    if told.offboarding.offboarding_id != offboarding_id:
        raise PlanError(
            f"offboarding {plain(offboarding_id)} is not the open one of {plain(partner)}, which is "
            f"{plain(told.offboarding.offboarding_id)}",
            hint="look at `nhiscan partner offboard`",
        )
    left = [task for task in told.tasks if not (task.done_at and task.done_at <= at) and task.is_live is not False]
    if not left:
        raise PlanError(
            f"nothing of offboarding {plain(offboarding_id)} is left to do",
            hint="verify it with `nhiscan partner verify`",
        )
    meant = {task.step: pair for task in left if (pair := _meant(con, offboarding_id, task)) is not None}
    things = scanned.things(con, set(meant.values()))
    taken: dict[tuple[str, ...], int] = {}
    wanted = []
    for position, task in enumerate(left):
        thing = things.get(meant[task.step]) if task.step in meant else None
        target = None if thing is None else thing.target
        because = ""
        if target is not None:
            first = taken.setdefault(_same(target), task.step)
            if first != task.step:
                # Named twice, once in the register's own words; or a copy of a credential that has its step.
                thing, because = None, f"step {first} ends it; what is left of it here is taken out"
        action: Action = "rotate" if task.action == "rotate_shared_secret" else "revoke"
        said_of = f"step {task.step} of offboarding {offboarding_id}: {task.action}"
        wanted.append(
            Wanted(
                thing=thing,
                kind=target.thing_kind if target else task.target_kind or "",
                id=target.thing_id if target else task.target_id or "",
                provider=task.provider or "",
                tenant_id=task.tenant_id or "",
                action=action if task.action in _PHASES else None,
                why=said_of + (f" ({task.evidence})" if task.evidence else ""),
                guide=Guide(task.says, task.commands, task.page),
                rank=(_PHASES.get(task.action, len(_PHASES) + 1), position),
                step=task.step,
                because=because,
            )
        )
    return partner, wanted


def _same(target: Target) -> tuple[str, ...]:
    """Equal for two things of the inventory that are one at the provider, as two statements that let one in are."""
    if target.thing_kind == "trust":
        return "trust", target.tenant_id, target.holder_native_id, target.principal
    return target.thing_kind, target.thing_id


def _meant(con: duckdb.DuckDBPyConnection, offboarding_id: str, task: offboard.Task) -> tuple[str, str] | None:
    """(thing_kind, thing_id) of a step, which a register may name in its own words."""
    if task.action not in _PHASES or not task.target_id:
        return None
    if task.provider is not None and task.target_kind:
        return task.target_kind, task.target_id
    row: Any = con.execute(
        "select h.thing_kind, h.thing_id from step_facts s join partner_holdings h on h.thing_id = s.thing_id "
        "where s.offboarding_id = ? and s.step = ? order by all limit 1",
        [offboarding_id, task.step],
    ).fetchone()
    return None if row is None else (row[0], row[1])


def _partner_of(
    con: duckdb.DuckDBPyConnection, said: Sequence[Any], offboarding_id: str, at: datetime
) -> tuple[str, str | None]:
    """Partner and contract of an open offboarding, of the register or the ledger."""
    ids = {row[0] for row in con.execute("select partner_id from offboardings").fetchall()}
    ids |= {each.partner_id for each in said if hasattr(each, "partner_id") and hasattr(each, "opened_at")}
    known: dict[str, str] = {}
    for partner_id in sorted(each for each in ids if each is not None):
        for each in offboard.standing(con, said, partner_id)[0]:
            if each.offboarding_id != offboarding_id:
                known[each.offboarding_id] = partner_id
                continue
            if each.closed_at is not None and each.closed_at <= at:
                raise PlanError(
                    f"offboarding {plain(offboarding_id)} was closed on {each.closed_at:%Y-%m-%d}",
                    hint="verify it with `nhiscan partner verify`",
                )
            return partner_id, each.contract_id
    raise PlanError(
        f"no offboarding {plain(offboarding_id)}",
        hint=nearest(offboarding_id, known) if known else "open one with `nhiscan partner offboard PARTNER --open`",
    )
