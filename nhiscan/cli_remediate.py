"""The commands that replace or take away what was flagged: plan, approve, apply, follow, resume, roll back."""

from __future__ import annotations

import dataclasses
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import click

from nhiscan import cli_remediate_lines as lines
from nhiscan import cli_remediate_next as onward
from nhiscan.errors import NhiscanError
from nhiscan.terminal import (
    LONG,
    ask_passphrase,
    cell,
    config_option,
    json_option,
    now,
    print_json,
    published,
    redacting,
    scan_option,
)

if TYPE_CHECKING:
    from nhiscan.config import Config
    from nhiscan.remediate.adapters import Adapters
    from nhiscan.remediate.engine import Difference, Result
    from nhiscan.remediate.folders import Kept
    from nhiscan.remediate.history import Progress
    from nhiscan.remediate.plan import Action, Decision, Mode, Operation, Plan

_SCHEMA_VERSION: Final = 1
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(r"(\d{1,5})([smhdw])")
_ENDED: Final = ("closed", "rolled_back")
_LOOKS_AGAIN_S: Final = 5.0  # `status --follow`
_EXIT_DIFFERS: Final = 2


def _span(value: str) -> timedelta:
    """A time span such as 24h or 30d."""
    found = _DURATION.fullmatch(value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no time span such as 30m, 24h or 30d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


plan_argument = click.argument("plan_name", metavar="PLAN")
key_option = click.option(
    "--key",
    "key_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Your OpenSSH private key, whose public half nhiscan.toml lists under [[people]].",
)
execute_option = click.option("--execute", "is_executing", is_flag=True, help="Do it; without this nothing is changed.")
most_option = click.option(
    "--max-items",
    "most",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many operations may be under way; the first one shows how it goes.",
)


@click.group()
def remediate() -> None:
    """Replace or take away what was flagged, step by step.

    Nothing is changed at a provider but by `apply`, `resume` and `rollback` with --execute. While a file
    remediation/STOP is in the state directory, nothing is changed by those either.
    """


@remediate.command("plan")
@config_option
@scan_option
@json_option
@click.option("--finding", "findings", multiple=True, metavar="ID", help="Finding to act on; may be repeated.")
@click.option("--offboarding", metavar="ID", help="Open offboarding whose steps are to be done.")
@click.option(
    "--mode",
    type=click.Choice(["routine", "contain"]),
    default="routine",
    show_default=True,
    help="contain, for what leaked: the old one goes first, by a decision that names the outage.",
)
@click.option("--action", type=click.Choice(["rotate", "revoke"]), help="What to do; as the rule says by default.")
@click.option(
    "--store",
    "stores",
    multiple=True,
    metavar="[ID=]ADDRESS",
    help="Where the new secret goes, such as vault:kv/data/billing; ID is its finding or target.",
)
@click.option(
    "--as",
    "names",
    multiple=True,
    metavar="PART=NAME",
    help="Name of a part of the new secret in the stored document; its own by default, where all stand there.",
)
@click.option("--grace", type=_span, metavar="SPAN", help="How long the old one has to be unused before it is off.")
@click.option("--observe", type=_span, metavar="SPAN", help="How long it stays off before it is deleted.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; whoever is to agree reads it.")
@key_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("plan.json"),
    show_default=True,
    help="Write the plan here.",
)
def remediate_plan(
    config_file: Path,
    scan_id: str | None,
    as_json: bool,
    findings: tuple[str, ...],
    offboarding: str | None,
    mode: Mode,
    action: Action | None,
    stores: tuple[str, ...],
    names: tuple[str, ...],
    grace: timedelta | None,
    observe: timedelta | None,
    reason: str,
    key_file: Path,
    output: Path,
) -> None:
    """Plan what would be done, and change nothing.

    Looks at each target at its provider. Says in which steps it would go, who uses it, who has to agree, and how each
    step is taken back. What no adapter can do stands there as a task for a person.

    Example: nhiscan remediate plan --finding 2d46f9ff08 --reason CHG-4711 --key kim.key -o rotate.json
    """
    from nhiscan import config, rule
    from nhiscan.remediate import adapters, people, planning
    from nhiscan.remediate import plan as plans

    if bool(findings) == (offboarding is not None):
        raise click.UsageError("give either --finding or --offboarding")
    destinations = _destinations(stores, _pairs("--as", names), findings)
    settings = config.read(config_file)
    at = now()
    asker = people.signer(key_file, settings.people, passphrase=ask_passphrase)
    found = _adapters(settings)
    with published(config_file, scan_id) as con:
        plan = planning.make(
            con,
            settings,
            rule.load(),
            planning.Given(mode, reason, action, grace, observe, destinations),
            planning.Systems(found.sessions, found.stores, adapters.permissions(found)),
            findings=findings,
            offboarding_id=offboarding,
            requester=asker,
            at=at,
        )
    plans.write(output, plan)
    if as_json:
        click.echo(plans.text(plan), nl=False)
    else:
        _print(lines.plan_lines(plan))
    click.echo(f"wrote {cell(output)}; nothing was changed", err=True)
    for decision in _decisions(plan)[:1]:
        onward.say(
            "remediate", "approve", str(output), "--step", decision, then="as another person, with --reason and --key"
        )


@remediate.command("approve")
@config_option
@plan_argument
@click.option(
    "--step",
    "decision",
    required=True,
    type=click.Choice(["start", "off", "delete"]),
    help="What you agree to: that anything is changed, that access stops, that it cannot come back.",
)
@click.option("--operation", type=click.IntRange(min=1), metavar="N", help="Of this operation only.")
@click.option("--reason", required=True, metavar="TEXT", help="Why you agree.")
@click.option("--for", "lasts", type=_span, metavar="SPAN", help="How long it counts; 24h by default, 7d at most.")
@key_option
def remediate_approve(
    config_file: Path,
    plan_name: str,
    decision: Decision,
    operation: int | None,
    reason: str,
    lasts: timedelta | None,
    key_file: Path,
) -> None:
    """Agree to a decision of a plan, signed with your key.

    PLAN is a file or the id of a plan. Shows what you agree to: for off and delete with the outage to expect and the
    last use as the provider tells it now, where this machine may ask. Who asked for the plan cannot agree to it.

    Example: nhiscan remediate approve plan.json --step start --reason CHG-4711 --key lee.key
    """
    from nhiscan import config
    from nhiscan.remediate import approvals, folders

    settings = config.read(config_file)
    kept = folders.find(settings.state, plan_name)
    _check(settings, kept, needs_scan=False)
    _print(lines.head_lines(kept.plan), err=True)
    asked = [
        each
        for each in kept.plan.operations
        if operation in (None, each.number) and any(step.decision == decision for step in each.steps)
    ]
    for each in asked:
        _print(lines.agreed_lines(each, decision, *_as_it_is(settings, each, decision)), err=True)
    given = approvals.add(
        kept.plan,
        kept.folder,
        settings.people,
        key_file,
        decision,
        operation,
        reason,
        now(),
        lasts=approvals.LASTS if lasts is None else lasts,
        passphrase=ask_passphrase,
    )
    kept.keep()
    of = "every operation" if given.operation is None else f"operation {given.operation}"
    click.echo(
        f"{cell(given.person)} agrees to {given.decision!r} of {of} of plan {cell(kept.plan.plan_id)} "
        f"until {cell(given.expires_at)}"
    )
    judge = approvals.judge(kept.plan, kept.folder, settings.people, at=now())
    for each in asked:
        for why in judge(each, decision):
            click.echo(f"not enough yet: {cell(why, LONG)}", err=True)


@remediate.command("apply")
@config_option
@json_option
@plan_argument
@execute_option
@most_option
def remediate_apply(config_file: Path, as_json: bool, plan_name: str, is_executing: bool, most: int) -> None:
    """Carry a plan out, up to the next wait.

    PLAN is a file or the id of a plan. Without --execute it says what differs from the plan and what would be done
    next, and ends with 2 where something differs, because then nothing would be done.

    Exit codes: 0 all is done, 10 waits for people, time or use, 11 needs a human, 12 rolled back, 2 refused,
    3 the provider or its credential fails, 4 somebody else executes, 130 interrupted.

    Example: nhiscan remediate apply plan.json
    """
    _carry_on(config_file, plan_name, as_json=as_json, is_executing=is_executing, most=most)


@remediate.command("resume")
@config_option
@json_option
@click.argument("plan_name", metavar="OP")
@execute_option
@most_option
def remediate_resume(config_file: Path, as_json: bool, plan_name: str, is_executing: bool, most: int) -> None:
    """Go on with a plan that was begun, whatever broke it off.

    OP is its id. Looks at the world first: what was done without a record is found, what somebody else changed is
    said. Without --execute nothing is changed. Exit codes as of `apply`.

    Example: nhiscan remediate resume 20260131T020000Z-4f2a
    """
    _carry_on(config_file, plan_name, as_json=as_json, is_executing=is_executing, most=most)


@remediate.command("rollback")
@config_option
@json_option
@click.argument("plan_name", metavar="OP")
@execute_option
def remediate_rollback(config_file: Path, as_json: bool, plan_name: str, is_executing: bool) -> None:
    """Take back what a plan has begun, the last operation first.

    OP is its id. What was not begun is not begun any more. What was deleted cannot come back: such an
    operation can only be carried on. Nobody has to agree.
    Without --execute it says what would be taken back. Exit codes as of `apply`; 12 once all is taken back.

    Example: nhiscan remediate rollback 20260131T020000Z-4f2a
    """
    from nhiscan import config
    from nhiscan.remediate import engine, folders

    settings = config.read(config_file)
    kept = folders.find(settings.state, plan_name)
    _check(settings, kept)
    if is_executing:
        _executed(engine.rollback, settings, kept, as_json=as_json, most=None, again="rollback")
    returns = engine.preview_rollback(kept.plan, kept.folder)
    if as_json:
        print_json(
            {
                "schema_version": _SCHEMA_VERSION,
                "plan_id": kept.plan.plan_id,
                "is_executed": False,
                "operations": [
                    {
                        "operation": each.operation,
                        "takes_back": [step.step for step in each.steps],
                        "says": each.says,
                    }
                    for each in returns
                ],
            }
        )
        return
    for each in returns:
        click.echo(f"operation {each.operation}: {cell(each.says, LONG)}")
        for step in each.steps:
            click.echo(f"  {step.step}: {cell(step.rollback or 'what it did is undone', LONG)}")
    click.echo("nothing was changed: take it back with --execute", err=True)


@remediate.command("status")
@config_option
@json_option
@click.argument("plan_name", metavar="[OP]", required=False)
@click.option("--follow", "is_following", is_flag=True, help="Say each change until all has ended.")
def remediate_status(config_file: Path, as_json: bool, plan_name: str | None, is_following: bool) -> None:
    """Say how far plans are, by their journals.

    OP is the id or the file of a plan; without it all are told. No provider is asked.

    Example: nhiscan remediate status
    """
    from nhiscan import config
    from nhiscan.remediate import engine, folders

    settings = config.read(config_file)
    if is_following and (as_json or plan_name is None):
        raise click.UsageError("--follow needs one OP, and goes without --json")
    told: list[tuple[Kept, list[Progress]]] = []
    code = 0
    for name in folders.ids(settings.state) if plan_name is None else [plan_name]:
        try:
            kept = folders.find(settings.state, name)
            told.append((kept, engine.status(kept.plan, kept.folder)))
        except NhiscanError as error:  # one that cannot be read does not hide the others
            if plan_name is not None:
                raise
            click.echo(f"error: {cell(redacting.redact(error.message), LONG)}", err=True)
            code = error.exit_code
    if as_json:
        print_json(
            {
                "schema_version": _SCHEMA_VERSION,
                "plans": [
                    {
                        "plan_id": kept.plan.plan_id,
                        "mode": kept.plan.mode,
                        "requested_by": kept.plan.requested_by,
                        "expires_at": kept.plan.expires_at,
                        "operations": [_progress(each) for each in seen],
                        "guided": len(kept.plan.guided),
                    }
                    for kept, seen in told
                ],
            }
        )
        sys.exit(code)
    if not told and not code:
        click.echo(f"no plan was approved or begun in {settings.state}", err=True)
    for kept, seen in told:
        _print(lines.status_lines(kept.plan, seen))
        while is_following and any(each.state not in (*_ENDED, "human") for each in seen):
            time.sleep(_LOOKS_AGAIN_S)
            before, seen = seen, engine.status(kept.plan, kept.folder)
            for each in seen:
                if each not in before:
                    click.echo(f"{now():%Y-%m-%d %H:%M:%S} {lines.progress_line(kept.plan, each)}")
    sys.exit(code)


def _check(settings: Config, kept: Kept, *, needs_scan: bool = True) -> None:
    """`needs_scan`: what was not begun has to say of its targets what the scan does; else only where it is kept here.

    Raises: PlanError where the plan is not what its requester signed, is not meant any more or tells another inventory.
    """
    from nhiscan import store
    from nhiscan.remediate import approvals, planning
    from nhiscan.remediate import plan as plans

    plan, is_begun = kept.plan, approvals.is_begun(kept.folder)
    plans.check(plan, settings.people, now(), is_begun=is_begun)
    if is_begun:  # it was checked when it was, and its scan may not be kept any more
        return
    if plan.scan_id in store.published(settings.state):
        with store.open_published(settings.state, plan.scan_id) as con:
            planning.check(con, plan)
    elif needs_scan:
        raise plans.PlanError(
            f"{settings.state} does not hold scan {plan.scan_id!r}, by which the plan would be checked",
            hint="carry it out where it was planned, or make another with `nhiscan remediate plan`",
        )
    else:
        click.echo(f"not checked: {cell(settings.state)} does not hold scan {cell(plan.scan_id)} of the plan", err=True)


def _adapters(settings: Config) -> Adapters:
    from nhiscan import collect
    from nhiscan.remediate import adapters

    # Of a process that holds secrets nothing is spilled when it dies.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    ctx = collect.Context(as_of=now(), clock=now)
    return adapters.build(settings, ctx, redacting, environ=os.environ)


def _pairs(option: str, values: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE`, each name once."""
    found: dict[str, str] = {}
    for value in values:
        name, _, rest = value.partition("=")
        if not name or not rest:
            raise click.UsageError(f"{option}: {value!r} is not of the form NAME=VALUE")
        if name in found:
            raise click.UsageError(f"{option} names {name} twice")
        found[name] = rest
    return found


def _destinations(
    stores: Sequence[str], names: Mapping[str, str], findings: Sequence[str]
) -> dict[str, tuple[str, Mapping[str, str]]]:
    """Address and names of the parts, by finding or target."""
    alone = [store for store in stores if "=" not in store]
    if alone and (len(stores) > 1 or len(findings) != 1):
        raise click.UsageError("--store ADDRESS goes with one --finding; of several write ID=ADDRESS")
    if names and not stores:
        raise click.UsageError("--as says how a new secret is stored, and needs --store")
    told = {findings[0]: alone[0]} if alone else _pairs("--store", stores)
    return {name: (address, names) for name, address in told.items()}


def _carry_on(config_file: Path, plan_name: str, *, as_json: bool, is_executing: bool, most: int) -> None:
    from nhiscan import config
    from nhiscan.remediate import engine, folders

    settings = config.read(config_file)
    kept = folders.find(settings.state, plan_name)
    _check(settings, kept)
    if is_executing:
        _executed(engine.apply, settings, kept, as_json=as_json, most=most)
    found = _adapters(settings)
    differences = engine.preview(kept.plan, kept.folder, found.sessions, found.stores)
    lacking = _lacking(settings, kept, differences)
    code = _EXIT_DIFFERS if any(each.differs for each in differences) else 0
    if as_json:
        print_json(
            {
                "schema_version": _SCHEMA_VERSION,
                "plan_id": kept.plan.plan_id,
                "is_executed": False,
                "operations": [
                    {
                        **_progress(each.progress),
                        "steps": [step.step for step in each.steps],
                        "differs": each.differs,
                        "not_agreed": lacking.get(each.operation, []),
                    }
                    for each in differences
                ],
                "exit_code": code,
            }
        )
    else:
        _print(lines.difference_lines(kept.plan, differences, lacking))
    is_idle = all(each.progress.state in _ENDED for each in differences)
    click.echo("nothing was changed" + ("" if is_idle else ": carry it out with --execute"), err=True)
    sys.exit(code)


def _lacking(settings: Config, kept: Kept, differences: Sequence[Difference]) -> dict[int, list[str]]:
    """By operation, why the next decision that it needs is not agreed."""
    from nhiscan.remediate import approvals

    judge = approvals.judge(kept.plan, kept.folder, settings.people, at=now())
    operations = {operation.number: operation for operation in kept.plan.operations}
    found = {}
    for each in differences:
        decision = next((step.decision for step in each.steps if step.decision), None)
        if decision is not None:
            found[each.operation] = judge(operations[each.operation], decision)
    return found


def _executed(
    run: Callable[..., Result], settings: Config, kept: Kept, *, as_json: bool, most: int | None, again: str = "resume"
) -> None:
    """Runs the engine to its next wait and ends with its exit code; `again`: the command that goes on from there."""
    from nhiscan import config
    from nhiscan.remediate import approvals

    found = _adapters(settings)
    os.umask(0o077)  # whatever is written or spilled from here on is for the owner only
    kept.keep()
    try:
        with _stoppable() as (tell, wait):
            result = run(
                kept.plan,
                kept.folder,
                found.sessions,
                found.stores,
                approvals.judge(kept.plan, kept.folder, lambda: config.read(settings.file).people, at=now),
                clock=now,
                wait=wait,
                most_operations=most,
                tell=tell,
            )
    except KeyboardInterrupt:
        click.echo("what was begun stands in the journal", err=True)
        onward.say_again(kept.plan, again, "looks at the world again and goes on")
        raise
    if as_json:
        print_json(
            {
                "schema_version": _SCHEMA_VERSION,
                "plan_id": kept.plan.plan_id,
                "is_executed": True,
                "state": result.state,
                "says": redacting.redact(result.says),
                "waits_for": result.waits_for,
                "since": result.since,
                "until": result.until,
                "operations": [_progress(each) for each in result.operations],
                "exit_code": result.exit_code,
            }
        )
    else:
        _print(lines.result_lines(kept.plan, result))
    onward.say_after(kept.plan, result, again)
    sys.exit(result.exit_code)


@contextmanager
def _stoppable() -> Iterator[tuple[Callable[[str], None], Callable[[float], None]]]:
    """`tell` and `wait` of the engine, at which a run ends that somebody asked to stop.

    What is under way, an effect and its record, is finished first; asked again, it ends at once.
    """
    asked: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        del frame
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        os.write(2, b"\nstops after what is under way; again to stop at once\n")

    def stop() -> None:
        if asked:
            raise KeyboardInterrupt

    def tell(text: str) -> None:
        stop()
        click.echo(cell(redacting.redact(text), LONG), err=True)

    def wait(seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            stop()
            time.sleep(min(left, 0.2))
        stop()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield tell, wait
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _decisions(plan: Plan) -> list[Decision]:
    """The decisions that a plan asks for, in their order."""
    asked = (step.decision for operation in plan.operations for step in operation.steps)
    return list(dict.fromkeys(decision for decision in asked if decision is not None))


def _as_it_is(settings: Config, operation: Operation, decision: Decision) -> tuple[str | None, str]:
    """The outage to expect and the last use as the provider tells them now, where this machine may ask.

    A requester could have written another outage into the plan.
    """
    planned = operation.capabilities.effects.get(decision)
    try:
        session = _adapters(settings).sessions[operation.adapter]
        can, seen = session.capabilities(operation.target), session.observe(operation.target)
    except NhiscanError as error:
        return planned, f"not known: {redacting.redact(error.message)}"
    return can.effects.get(decision), lines.use(seen)


def _progress(progress: Progress) -> dict[str, Any]:
    return {**dataclasses.asdict(progress), "says": redacting.redact(progress.says)}


def _print(shown: Iterator[str], *, err: bool = False) -> None:
    for line in shown:
        click.echo(line, err=err)
