"""The commands that look at what is installed: rules, which can be tried, and collectors."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from nhiscan.printable import plain
from nhiscan.secret import Secret
from nhiscan.terminal import EXIT_GATE, json_option, print_json, print_table, unknown

if TYPE_CHECKING:
    from nhiscan.rule import Rule


@click.group()
def rules() -> None:
    """Look at the rules and try them."""


@rules.command("list")
@json_option
def rules_list(as_json: bool) -> None:
    """List the rules.

    Example: nhiscan rules list
    """
    from nhiscan import rule as rule_folders

    columns = ("rule", "severity", "subject", "title")
    rows = [(r.rule_id, r.severity, r.subject, r.title) for r in rule_folders.load()]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)


@rules.command("show")
@click.argument("rule_id")
def rules_show(rule_id: str) -> None:
    """Show what a rule finds and why, its parameters and its query.

    Example: nhiscan rules show life-key-age-exceeded
    """
    from nhiscan import rule as rule_folders

    rule = _find_rules([rule_id])[0]
    click.echo(f"{rule.rule_id}: {rule.title} ({rule.severity}, {rule.subject})\n")
    click.echo(f"why: {rule.why}\nfix: {rule.fix}\nrefuted by: {rule.refuted_by}")
    click.echo(f"a pass relies on: {', '.join(rule.needs) or 'nothing collected'}")
    if rule.if_offered:
        click.echo(f"and, where a system has them, on: {', '.join(rule.if_offered)}")
    click.echo(f"a fail relies on: {', '.join(rule.absence) or 'nothing that could be missing'}")
    for param in rule.params:
        source = f" ({param.source})" if param.source else ""
        click.echo(f"parameter {param.name}: {param.type}, default {rule_folders.value_text(param.default)}{source}")
    for framework, control in rule.controls:
        click.echo(f"control: {framework} {control}")
    click.echo(f"\n{rule.query}", nl=False)


@rules.command("test")
@click.argument("rule_ids", nargs=-1)
def rules_test(rule_ids: Sequence[str]) -> None:
    """Run the cases that stand beside each rule.

    Example: nhiscan rules test life-key-age-exceeded
    """
    from nhiscan.check import trial

    tested = _find_rules(rule_ids)
    results = [result for rule in tested for result in trial.run(rule)]
    problems = [(r.rule_id, r.case, problem) for r in results for problem in r.problems]
    for rule_id, case, problem in problems:
        click.echo(f"{rule_id}: {plain(case)}: {plain(problem, 500)}")
    click.echo(f"{len(tested)} rules, {len(results)} cases, {len(problems)} problems", err=True)
    sys.exit(EXIT_GATE if problems else 0)


def _find_rules(rule_ids: Sequence[str]) -> list[Rule]:
    """The rules of these ids; all without any."""
    from nhiscan import rule as rule_folders

    found = {rule.rule_id: rule for rule in rule_folders.load()}
    for rule_id in rule_ids:
        if rule_id not in found:
            raise unknown("rule", rule_id, found)
    return [found[rule_id] for rule_id in rule_ids or sorted(found)]


@click.group("collectors")
def collectors_group() -> None:
    """Look at the installed collectors."""


@collectors_group.command("list")
def collectors_list() -> None:
    """List the collectors, third parties' included.

    Example: nhiscan collectors list
    """
    from nhiscan import collect

    for name in collect.names():
        click.echo(name)


@collectors_group.command("show")
@click.argument("name")
def collectors_show(name: str) -> None:
    """Show a collector's settings and the permissions it needs.

    Example: nhiscan collectors show aws
    """
    from nhiscan import collect

    found = collect.load(name)
    for text in (sys.modules[found.__module__].__doc__, found.__doc__):
        if text:
            click.echo(f"{inspect.cleandoc(text)}\n")
    click.echo("settings:")
    for field in dataclasses.fields(found):
        if field.init:
            default = "required" if field.default is dataclasses.MISSING else f"default {field.default!r}"
            if field.default_factory is not dataclasses.MISSING or field.default in (None, ()):
                default = "optional"
            kind = str(field.type).removesuffix(" | None").replace("tuple[", "list[").replace(", ...]", "]")
            kind = kind.replace(Secret.__name__, "reference to a secret")
            click.echo(f"  {field.name}: {kind} ({default})")
    datasets: dict[str, list[str]] = {}
    for dataset in sorted(found.datasets):
        datasets.setdefault(", ".join(found.permissions.get(dataset, ())) or "nothing", []).append(dataset)
    click.echo("\npermissions, and the datasets that need them:")
    for permissions, named in datasets.items():
        click.echo(click.wrap_text(permissions, 100, "  ", "  "))
        click.echo(click.wrap_text(", ".join(named), 100, "    ", "    "))
