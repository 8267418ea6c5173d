"""The commands about one partner: what it holds, how it is cut off, and whether anything of it still lives."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from nhiscan.printable import guarded
from nhiscan.terminal import (
    LONG,
    cell,
    config_option,
    counted,
    iso_moment,
    json_option,
    json_value,
    now,
    print_sections,
    printing_into,
    published,
    reading,
    scan_option,
)

if TYPE_CHECKING:
    from nhiscan.lifecycle.incident import Held, Incident
    from nhiscan.lifecycle.offboard import Plan, Task
    from nhiscan.lifecycle.verify import Verdict

_WORDS: Final = {
    "revoke_access": "revoke access",
    "remove_delegation": "remove delegation",
    "rotate_shared_secret": "rotate shared secret",
    "close_integration": "close integration",
    "return_data": "return data",
    "notify": "notify",
}


@click.group()
def partner() -> None:
    """Look at one partner, and cut it off."""


@partner.command("show")
@reading
@click.argument("name")
def partner_show(config_file: Path, scan_id: str | None, as_json: bool, name: str) -> None:
    """Show everything one partner holds; NAME is its id or name.

    Example: nhiscan partner show P-1012
    """
    from nhiscan import show as teller

    with published(config_file, scan_id) as con:
        print_sections(teller.partner(con, name), as_json=as_json)


@partner.command("offboard")
@config_option
@scan_option
@json_option
@click.argument("name")
@click.option("--contract", metavar="ID", help="Contract whose end is meant; what ended last by default.")
@click.option("--due", type=iso_moment, metavar="TIME", help="When all of it has to be done.")
@click.option("--open", "is_opening", is_flag=True, help="Write the offboarding and its steps into the ledger.")
@click.option("--done", "step", type=click.IntRange(min=1), metavar="STEP", help="Write down that a step was done.")
@click.option("--close", "is_closing", is_flag=True, help="Write down that the offboarding has ended.")
@click.option("--by", metavar="MAIL", help="Who opens, did or closes it.")
@click.option("--evidence", metavar="REF", help="With --done: ticket or the like that shows it.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the steps as CSV.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the plan here.")
def partner_offboard(
    config_file: Path,
    scan_id: str | None,
    as_json: bool,
    name: str,
    contract: str | None,
    due: datetime | None,
    is_opening: bool,
    step: int | None,
    is_closing: bool,
    by: str | None,
    evidence: str | None,
    as_csv: bool,
    output: Path | None,
) -> None:
    """Plan step by step how a partner is cut off.

    NAME is its id or name; each step has commands, an owner and a deadline. Takes the partner's open offboarding, else
    shows the one that its contract's end would open. Nothing is changed at any provider: --open, --done and --close
    write into the ledger only.

    Example: nhiscan partner offboard P-1012 --open --by erika.brandt@acme.example
    """
    from nhiscan import config, ledger, narrow, store
    from nhiscan.lifecycle import decisions, offboard

    if sum((is_opening, step is not None, is_closing)) > 1:
        raise click.UsageError("--open, --done and --close exclude each other")
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    is_writing = is_opening or step is not None or is_closing
    if is_writing and not by:
        raise click.UsageError("--open, --done and --close need --by: who says so")
    if step is not None and not evidence:
        raise click.UsageError("--done needs --evidence: a ticket or whatever else shows it")
    if evidence and step is None:
        raise click.UsageError("--evidence belongs to --done")
    settings = config.read(config_file)
    at = now()
    with store.open_published(settings.state, scan_id) as con:
        who = narrow.find_partner(con, name)
        if is_writing:
            by = decisions.one_of_ours(con, str(by), "--by", at=at)
            with ledger.opened(settings.state) as book:
                plan = offboard.plan(con, book.records(), who, contract=contract, due=due, at=at)
                if is_closing:
                    end = offboard.closed(plan, at=at)
                    book.append([end], at=at, by=by)
                    plan = dataclasses.replace(plan, offboarding=end)
                else:
                    said = (
                        offboard.opening(plan)
                        if step is None
                        else [offboard.done(plan, step, at=at, by=by, evidence=str(evidence))]
                    )
                    book.append(said, at=at, by=by)
                    plan = offboard.plan(con, book.records(), who, contract=contract, due=due, at=at)
        else:
            plan = offboard.plan(con, ledger.records(settings.state), who, contract=contract, due=due, at=at)
    if as_json:
        text = json.dumps({"schema_version": 1, **dataclasses.asdict(plan)}, indent=2, default=json_value) + "\n"
    elif as_csv:
        text = _plan_csv(plan)
    else:
        text = "\n".join(_plan_lines(plan, at)) + "\n"
    with printing_into(output):
        click.echo(text, nl=False)


@partner.command("verify")
@config_option
@scan_option
@json_option
@click.argument("name")
@click.option(
    "--max-age",
    type=click.FloatRange(min=0, min_open=True),
    default=24,
    show_default=True,
    metavar="HOURS",
    help="How old the scan may be.",
)
@click.option("--record", "is_recording", is_flag=True, help="Stamp the offboarding as verified, if nothing is left.")
@click.option("--by", metavar="MAIL", help="With --record: who verifies.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the lists here.")
def partner_verify(
    config_file: Path,
    scan_id: str | None,
    as_json: bool,
    name: str,
    max_age: float,
    is_recording: bool,
    by: str | None,
    output: Path | None,
) -> None:
    """Say what of a partner still lives; NAME is its id or name.

    Told from a fresh scan, with what could not be checked and what is gone. Earlier scans and the steps of its
    offboardings are compared. Exit codes: 0 nothing lives and everything could be checked, 1 something lives, 3
    something could not be checked, or the scan is too old.

    Example: nhiscan partner verify P-1012
    """
    from nhiscan import config, ledger, narrow, store
    from nhiscan.lifecycle import decisions, verify

    if is_recording and not by:
        raise click.UsageError("--record needs --by: who verifies")
    settings = config.read(config_file)
    at = now()
    with store.open_published(settings.state, scan_id) as con, contextlib.ExitStack() as held:
        who = narrow.find_partner(con, name)
        book = None
        if is_recording:
            by = decisions.one_of_ours(con, str(by), "--by", at=at)
            book = held.enter_context(ledger.opened(settings.state))  # what is judged is what is stamped
        said = list(ledger.records(settings.state) if book is None else book.records())
        verdict = verify.verify(con, settings.state, said, who, at=at, max_age=timedelta(hours=max_age))
        if as_json:
            shape = {"schema_version": 1, **dataclasses.asdict(verdict), "exit_code": verdict.exit_code}
            text = json.dumps(shape, indent=2, default=json_value)
        else:
            text = "\n".join(_verdict_lines(verdict))
        with printing_into(output):
            click.echo(text)
        if book is not None and verdict.exit_code == 0:
            book.append([verify.recorded(con, said, verdict, at=at, by=str(by))], at=at, by=str(by))
            click.echo("written down as verified", err=True)
        elif book is not None:
            click.echo("nothing was written down: only exit code 0 is recorded as verified", err=True)
    sys.exit(verdict.exit_code)


def _verdict_lines(verdict: Verdict) -> Iterator[str]:
    who = cell(f"{verdict.partner_name or verdict.partner_id} ({verdict.partner_id})")
    ended = f", ended {cell(verdict.since)}" if verdict.since else ""
    yield f"{who}: scan {verdict.scan_id} of {cell(verdict.as_of)} UTC{ended}"
    yield f"\nstill lives: {len(verdict.lives) or 'nothing that was found'}"
    for living in verdict.lives:
        yield f"  {cell(living.thing_kind)} {cell(living.name)} ({cell(living.relation)})"
        yield f"    {cell(living.thing_id)}: {cell(living.evidence, LONG)}"
    by_hand = f", {verdict.by_hand} of it by no scan as it is set up: look there by hand" if verdict.by_hand else ""
    yield f"\ncould not be checked: {len(verdict.unchecked) or 'nothing that is known of'}{by_hand}"
    for gap in verdict.unchecked:
        yield f"  {gap.topic}: {cell(gap.says, LONG)}"
        yield f"    next: {cell(gap.next_step, LONG)}"
    yield f"\nchecked and gone: {len(verdict.gone)}"
    for gone in verdict.gone:
        before = f", held on {cell(gone.seen_at)}" if gone.seen_at else ""
        yield f"  {cell(gone.thing_kind)} {cell(gone.name)}: {cell(gone.seen, LONG)}{before}"
    yield (
        "\n"
        + {
            0: "nothing lives, and everything could be checked",
            1: "something of the partner still lives",
            3: "nothing that lives was found, but not everything could be checked: this is no proof",
        }[verdict.exit_code]
    )


def _plan_lines(plan: Plan, at: datetime) -> Iterator[str]:
    """The plan as text: what is to be done first stands first."""
    offboarding = plan.offboarding
    who = cell(f"{plan.partner_name or offboarding.partner_id} ({offboarding.partner_id})")
    is_closed = offboarding.closed_at is not None and offboarding.closed_at <= at
    state = "would be opened" if plan.origin == "new" else "is closed" if is_closed else "is open"
    yield f"offboarding {cell(offboarding.offboarding_id)} of {who} {state}: {cell(plan.because, LONG)}"
    yield f"opened {cell(offboarding.opened_at)}, due {cell(offboarding.due_at)}, {counted(len(plan.tasks), 'step')}"
    for gap in plan.gaps:
        yield f"! {cell(gap, LONG)}"
    heading = None
    for task in plan.tasks:
        if task.action != heading:
            heading = task.action
            yield f"\n{_WORDS.get(heading, cell(heading))}"
        yield from _task_lines(task, at)
    if plan.origin == "new":
        yield "\nnothing is written down yet: open it with --open --by MAIL"


def _task_lines(task: Task, at: datetime) -> Iterator[str]:
    if task.done_at is not None and task.done_at <= at:
        state = f"done {cell(task.done_at)} by {cell(task.done_by)}"
        state += "; it still lives" if task.is_live else ""
    elif task.due_at is None:
        state = "no deadline"
    else:
        state = f"{'overdue since' if task.due_at < at else 'until'} {cell(task.due_at)}"
    yield f"{task.step:>4}. {cell(task.name)}: {cell(task.says, LONG)}"
    yield f"      {state}; {cell(task.owner) if task.owner else 'nobody answers for it'}" + (
        f", {task.owner_is}" if task.owner_is else ""
    )
    if task.target_id is not None:
        yield f"      {cell(task.target_id)}" + (f" ({cell(task.evidence)})" if task.evidence else "")
    if task.others:
        yield f"      also hit: {cell(task.others, LONG)}"
    if task.page:
        yield f"      at {cell(task.page)}"
    for line in task.commands:
        yield f"      $ {cell(line, LONG)}"


def _plan_csv(plan: Plan) -> str:
    columns = (
        "offboarding_id", "step", "action", "target_kind", "target_id", "name", "provider", "tenant_id", "relation",
        "owner", "due_at", "done_at", "done_by", "says", "commands", "page", "others",
    )  # fmt: skip
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for task in plan.tasks:
        told = {
            **dataclasses.asdict(task),
            "offboarding_id": plan.offboarding.offboarding_id,
            "commands": "\n".join(task.commands),
        }
        writer.writerow(
            guarded(json_value(value) if isinstance(value := told[name], datetime) else value) for name in columns
        )
    return out.getvalue()


@partner.command("incident")
@reading
@click.argument("name")
@click.option(
    "--since", type=iso_moment, metavar="TIME", help="When it was disclosed; as the register says by default."
)
def partner_incident(config_file: Path, scan_id: str | None, as_json: bool, name: str, since: datetime | None) -> None:
    """List what to replace after an incident at a partner.

    NAME is a partner's id, name or alias, or that of a vendor's app or outside account. Listed is everything that it
    holds of ours: first what can make other credentials, then what reaches furthest. Nothing is changed at a provider.

    Example: nhiscan partner incident P-1020
    """
    from nhiscan.lifecycle import incident

    at = now()
    with published(config_file, scan_id) as con:
        told = incident.incident(con, name, since=since, at=at)
    if as_json:
        click.echo(json.dumps(_incident_shape(told, at), indent=2, default=json_value))
        return
    for line in _incident_lines(told, at):
        click.echo(line)


def _incident_shape(told: Incident, at: datetime) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "parties": [dataclasses.asdict(party) for party in told.parties],
        "since": told.since,
        "since_source": told.since_source,
        "held": [
            {
                **dataclasses.asdict(one),
                "age_days": one.age_days(at),
                "state": one.state(told.since),
                "used_since": one.used_since(told.since),
                "other_users": told.other_users(one),
                **dataclasses.asdict(told.guides[one.thing_kind, one.thing_id]),
            }
            for one in told.held
        ],
        "dead": told.dead,
        "unread": [dict(zip(("tenant_id", "datasets", "status", "reason"), row, strict=True)) for row in told.unread],
    }


def _incident_lines(told: Incident, at: datetime) -> Iterator[str]:
    for party in told.parties:
        yield f"{cell(party.name)} {cell(party.why)}"
    since = "not known; give --since" if told.since is None else f"{cell(told.since)} ({cell(told.since_source)})"
    yield f"disclosed: {since}"
    dead = f"; {told.dead} more open nothing any longer" if told.dead else ""
    yield f"{counted(len(told.held), 'thing')} to replace or take back, in this order{dead}"
    for number, one in enumerate(told.held, 1):
        yield ""
        yield from _held_lines(told, one, number, at)
    if told.unread:
        yield "\nnot wholly read, so that more may be held there:"
    for tenant_id, datasets, status, reason in told.unread:
        yield f"  {cell(tenant_id)}: {cell(datasets)} {cell(status)}" + (f" ({cell(reason)})" if reason else "")


def _held_lines(told: Incident, one: Held, number: int, at: datetime) -> Iterator[str]:
    guide = told.guides[one.thing_kind, one.thing_id]
    yield f"{number:>4}. {one.thing_kind} {cell(one.name)}: {one.state(told.since)}"
    yield f"      {cell(one.thing_id)} ({cell(one.relation)}: {cell(one.evidence)})"
    yield f"      reach: {', '.join(one.reach())}"
    yield f"      {_used(told, one, at)}"
    yield f"      owner: {cell(one.owner_mail) if one.owner_mail else 'nobody'}" + (
        ", who has left" if one.owner_status == "left" else ""
    )
    for label, text in (("the same value stands in", one.locations), ("also used by", told.other_users(one))):
        if text:
            yield f"      {label}: {cell(text, LONG)}"
    yield f"      {cell(guide.says, LONG)}" + (f" (at {cell(guide.page)})" if guide.page else "")
    for line in guide.commands:
        yield f"      $ {cell(line, LONG)}"


def _used(told: Incident, one: Held, at: datetime) -> str:
    if one.last_used_at is not None:
        used = f"last used {cell(one.last_used_at)}"
        used += f" ({cell(one.last_used_source)})" if one.last_used_source else ""
    else:
        used = "never used" if one.last_used_known else "last use cannot be known"
    age = one.age_days(at)
    since = {True: "used since disclosed", False: "not used since disclosed", None: "use since cannot be said"}
    parts = [used, "age not known" if age is None else f"{counted(age, 'day')} old"]
    if told.since is not None:
        parts.append(since[one.used_since(told.since)])
    if one.events_since:
        parts.append(f"{counted(one.events_since, 'event')} since")
    if one.sources:
        parts.append(f"from {cell(one.sources)}")
    return ", ".join(parts)
