"""The commands that a person goes on with after one of remediation: whole lines for a shell, of the same settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from nhiscan.printable import command as shell

if TYPE_CHECKING:
    from nhiscan.remediate.engine import Result
    from nhiscan.remediate.plan import Operation, Plan


def say(*words: str, then: str) -> None:
    """Says a command to go on with, of the same settings; nothing where a shell would not show it as it is."""
    line = shell("nhiscan", *words, *_given("config_file", "-c"))
    if line is not None:
        click.echo(f"  next: {line} ({then})", err=True)


def say_again(plan: Plan, again: str, then: str) -> None:
    """`again`: resume or rollback, of as many operations as this run."""
    say("remediate", again, plan.plan_id, "--execute", *_given("most", "--max-items"), then=then)


def say_after(plan: Plan, result: Result, again: str) -> None:
    """What a run that ended so leads to; `again`: the command that goes on from there."""
    states = {each.operation: each for each in result.operations}
    waiting = [each for each in result.operations if each.waits_for == "approval" and each.step is not None]
    for each in waiting[:1]:
        operation = next(one for one in plan.operations if one.number == each.operation)
        decision = next((step.decision for step in operation.steps if step.step == each.step), None)
        if decision is not None:
            say("remediate", "approve", plan.plan_id, "--step", decision, then="with --key and --reason")
    if result.state == "waiting" and not waiting:
        say_again(plan, again, "again when it may go on")
    if result.state == "unanswered":
        say_again(plan, again, "once the provider answers; it looks before it acts")
    if result.state == "human" and any(each.state == "human" for each in result.operations):
        click.echo("  next: see that it is as it should be, then one of these", err=True)
        say_again(plan, again, "goes on")
        if again != "rollback":
            say("remediate", "rollback", plan.plan_id, then="says what would be taken back")
    closed = [operation for operation in plan.operations if states[operation.number].state == "closed"]
    if closed:
        click.echo("  closed is what the provider answered; a fresh scan proves it:", err=True)
        say("scan", then="reads with the scanner's own credential")
        say("evidence", "export", plan.plan_id, "-o", f"{plan.plan_id}.zip", then="then holds both")
    if plan.partner_id is not None and closed:
        _say_offboarding(plan, plan.partner_id, closed)


def _say_offboarding(plan: Plan, partner: str, closed: Sequence[Operation]) -> None:
    """How a person marks the steps that are done; nothing is marked by itself."""
    for operation in closed:
        if operation.step is not None:
            words = ("--done", str(operation.step), "--by", "MAIL", "--evidence", f"{plan.plan_id}.zip")
            say("partner", "offboard", partner, *words, then="marks the step")
    say("partner", "verify", partner, then="after the scan: the only proof that nothing lives")


def _given(name: str, option: str) -> tuple[str, ...]:
    """An option as it was given to this command, or set around it: without it, the next one would do something else."""
    ctx = click.get_current_context()
    is_usual = ctx.get_parameter_source(name) in (None, ParameterSource.DEFAULT)
    return () if is_usual else (option, str(ctx.params[name]))
