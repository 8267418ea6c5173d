"""The commands that read a published scan: lists, single things, ways, differences, queries and the report."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from nhiscan.errors import QueryError
from nhiscan.printable import guarded, plain
from nhiscan.severities import SEVERITIES
from nhiscan.terminal import (
    LONG,
    SHORT_ID,
    by_hand,
    cell,
    config_option,
    counted,
    json_option,
    json_value,
    list_rows,
    now,
    print_json,
    print_rows,
    print_sections,
    print_table,
    published,
    reading,
    scan_option,
    unknown,
)

if TYPE_CHECKING:
    import duckdb

    from nhiscan.show import Section

_DIFF_ROWS: Final = 8  # of each list of a difference: an ordinary week fits a screen


@click.command()
@config_option
@scan_option
@click.option("--partner", help="Only what concerns this partner (id or name); nothing of others.")
@click.option("--owner", help="Only what this owner answers for (mail address); nothing of others.")
@click.option(
    "-f",
    "--format",
    "fmt",
    type=click.Choice(["html", "json"]),
    default="html",
    show_default=True,
    help="For people, or for programs.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File; stdout by default.")
def report(
    config_file: Path, scan_id: str | None, partner: str | None, owner: str | None, fmt: str, output: Path | None
) -> None:
    """Write the report of a published scan.

    Example: nhiscan report --partner P-1012 -o montblanc.html
    """
    if partner is not None and owner is not None:
        raise click.UsageError("--partner and --owner exclude each other")
    if fmt == "json" and (partner is not None or owner is not None):
        raise click.UsageError("-f json is the whole scan; take --partner and --owner with html")
    from nhiscan import report as painter

    with published(config_file, scan_id) as con:
        if fmt == "html":
            text = painter.render(con, partner=partner, owner=owner, generated_at=now(), by_hand=by_hand(con))
        else:
            text = json.dumps(painter.summary(con), indent=2, default=json_value) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        painter.write(output, text)
        click.echo(f"report: {output}", err=True)


@click.command()
@reading
@click.option("--severity", type=click.Choice(SEVERITIES), help="This severe or worse.")
@click.option("--partner", help="Partner id or name.")
@click.option("--owner", help="Owner's mail address.")
@click.option("--new", "only_new", is_flag=True, help="Not in the scan before.")
def cases(
    config_file: Path,
    scan_id: str | None,
    as_json: bool,
    severity: str | None,
    partner: str | None,
    owner: str | None,
    only_new: bool,
) -> None:
    """List cases, worst first. A case is all findings on one identity, partner or tenant.

    Example: nhiscan cases --severity high
    """
    with published(config_file, scan_id) as con:
        where = _Where(con)
        where.severity(severity)
        where.partner(partner)
        where.owner(owner)
        if only_new:
            where.add("is_new")
        shown = f"severity, score_low, status, {_short('case_id')}, partner_id, message"
        list_rows(
            con,
            f"select {'*' if as_json else shown} from cases {where} order by score_low desc, score desc, cases.case_id",
            where.values,
            as_json=as_json,
        )


@click.command()
@reading
@click.option("--rule", help="Rule id.")
@click.option("--outcome", type=click.Choice(["fail", "unknown"]), help="Fails only, or unknowns only.")
@click.option("--severity", type=click.Choice(SEVERITIES), help="This severe or worse.")
@click.option("--partner", help="Partner id or name.")
def findings(
    config_file: Path,
    scan_id: str | None,
    as_json: bool,
    rule: str | None,
    outcome: str | None,
    severity: str | None,
    partner: str | None,
) -> None:
    """List what rules say of single subjects, unknowns included.

    Example: nhiscan findings --outcome unknown
    """
    with published(config_file, scan_id) as con:
        where = _Where(con)
        where.known("rule", "rule_id", rule, "rules")
        if outcome is not None:
            where.add("outcome = ?", outcome)
        where.severity(severity)
        where.partner(partner)
        shown = f"outcome, severity, rule_id, {_short('finding_id')}, message"
        list_rows(
            con,
            f"select {'*' if as_json else shown} from findings {where} "
            "order by outcome, score_low desc, findings.finding_id",
            where.values,
            as_json=as_json,
        )


@click.command()
@reading
@click.option("--partner", help="Partner id or name.")
@click.option("--owner", help="Owner's mail address.")
@click.option("--tenant", help="Tenant id, such as aws:111111111111.")
@click.option("--partner-related", is_flag=True, help="Only what a partner holds, disputes or may enter.")
def identities(
    config_file: Path,
    scan_id: str | None,
    as_json: bool,
    partner: str | None,
    owner: str | None,
    tenant: str | None,
    partner_related: bool,
) -> None:
    """List identities with partner, owner, level and last use.

    Example: nhiscan identities --partner-related
    """
    with published(config_file, scan_id) as con:
        where = _Where(con)
        where.partner(partner)
        where.owner(owner)
        where.known("tenant", "tenant_id", tenant, "tenants")
        if partner_related:
            where.add("is_partner_related")
        shown = "identity_id, partner_id, owner_mail, level, last_used_at"
        list_rows(
            con,
            f"select {'*' if as_json else shown} from identity_facts {where} order by identity_id",
            where.values,
            as_json=as_json,
        )


@click.command()
@reading
def partners(config_file: Path, scan_id: str | None, as_json: bool) -> None:
    """List partners, what they hold and how their contracts stand.

    Example: nhiscan partners
    """
    shown = "partner_id, name, identities, live_credentials, level, is_ended, business_owner"
    with published(config_file, scan_id) as con:
        list_rows(
            con, f"select {'*' if as_json else shown} from partner_facts order by partner_id", [], as_json=as_json
        )


@click.command()
@reading
@click.argument("id_", metavar="ID")
def show(config_file: Path, scan_id: str | None, as_json: bool, id_: str) -> None:
    """Show one thing of a scan with its evidence.

    An identity, group, credential, resource, policy, integration, setting, acceptance, offboarding, finding or case.

    ID is its id or the provider's own; of a finding or case the beginning is enough. With what a person does by hand
    about it; words in capitals in a command are for that person to fill in.

    Example: nhiscan show aws:111111111111:role/montblanc-ci
    """
    from nhiscan import rule as rule_folders
    from nhiscan import show as teller
    from nhiscan.remediate import runbook

    with published(config_file, scan_id) as con:
        told = teller.anything(con, id_)
        actions = []
        if told[0].title in ("finding", "case"):
            actions = [runbook.section(con, rule_folders.load(), told)]
    print_sections([*told, *actions] if as_json else told, as_json=as_json)
    if actions and not as_json:
        _print_by_hand(actions[0])


def _print_by_hand(section: Section) -> None:
    """Never in a table: a command that a narrow terminal cuts off is another command."""
    click.echo("by hand:")
    for finding_id, rule_id, what, how in section.rows:
        if what == "do":
            click.echo(f"  {rule_id} ({finding_id[:12]}): {plain(how, LONG)}")
        else:
            click.echo(f"    {'$' if what == 'run' else 'page:'} {how}")
    click.echo()


@click.command()
@reading
@click.argument("id_", metavar="ID")
@click.option("--to", metavar="ID", help="Lead to this identity instead of an administrator.")
def path(config_file: Path, scan_id: str | None, as_json: bool, id_: str, to: str | None) -> None:
    """Show how an identity becomes an administrator, step by step.

    Each step with what allows it, how to break it and commands to check it by hand. The shortest way of which every
    step is definite; without one the shortest that depends on something, and on what.

    ID is an identity's id or the provider's own, or that of one of its credentials.

    Example: nhiscan path arn:aws:iam::111111111111:user/anna.lindqvist
    """
    from nhiscan import path as ways
    from nhiscan import remedy

    with published(config_file, scan_id) as con:
        told = remedy.shape(ways.ask(con, id_, to=to))
    if as_json:
        print_json(told)
    else:
        _print_path(told)


@click.command()
@config_option
@json_option
@click.argument("before", metavar="[A]", default="previous")
@click.argument("after", metavar="[B]", default="current")
def diff(config_file: Path, as_json: bool, before: str, after: str) -> None:
    """Say what changed between two published scans.

    From A to B, which are ids of scans, `previous` or `current`; by default from the one before to the current.
    "Not read" is said apart from "gone".

    Example: nhiscan diff
    """
    from nhiscan import config
    from nhiscan import diff as comparison

    settings = config.read(config_file)
    ids = [comparison.find(settings.state, word) for word in (before, after)]
    difference = comparison.compare(settings.state, *ids)
    if as_json:
        scans = {"from": difference.before, "to": difference.after}
        print_json({"schema_version": 1, **scans, **difference.lists, "register": difference.register})
        return
    for word, told in (("from", difference.before), ("to", difference.after)):
        state = "complete" if told["is_complete"] else "INCOMPLETE"
        click.echo(f"{word} scan {told['scan_id']} ({cell(told['as_of'])}, {state})")
    for name in comparison.LISTS:
        columns, rows = difference.told(name)
        if rows:
            counts = ", ".join(f"{n} {change}" for change, n in difference.counts(name).items())
            click.echo(f"\n{name}: {counts}")
            print_rows(columns, rows[:_DIFF_ROWS], indent="  ")
            if len(rows) > _DIFF_ROWS:
                click.echo(f"  and {len(rows) - _DIFF_ROWS} more, with --json")
    if difference.register:
        changes = ", ".join(f"{row['table']} +{row['added']} -{row['removed']}" for row in difference.register)
        click.echo(f"\nregister: {changes}")
    if not difference.register and not any(difference.lists.values()):
        click.echo("nothing changed")


@click.command()
@config_option
@scan_option
@click.argument("sql", required=False)
@click.option("-n", "--name", help="Run a named query.")
@click.option("-p", "--param", "params", multiple=True, metavar="KEY=VALUE", help="Value for $KEY.")
@click.option("--list", "list_names", is_flag=True, help="List the named queries.")
@click.option(
    "-f",
    "--format",
    "fmt",
    type=click.Choice(["table", "csv", "json", "jsonl"]),
    default="table",
    show_default=True,
    help="How to print the rows.",
)
@click.option(
    "--max-rows", type=click.IntRange(min=1), default=10_000, show_default=True, help="Stop after this many rows."
)
def query(
    config_file: Path,
    scan_id: str | None,
    sql: str | None,
    name: str | None,
    params: Sequence[str],
    list_names: bool,
    fmt: str,
    max_rows: int,
) -> None:
    """Query a published scan in SQL; `-` reads the query from stdin.

    Example: nhiscan query "select partner_name, count(*) from identity_facts group by all order by all"
    """
    import nhiscan.query as analyst
    from nhiscan import config, narrow, store

    if list_names:
        pack = [(q.name, q.title, ", ".join(map(q.takes, q.params))) for q in analyst.named()]
        print_table(("name", "title", "parameters"), pack)
        return
    if (sql is None) == (name is None):
        raise click.UsageError("give either SQL or --name")
    values: dict[str, str] = {}
    for param in params:
        key, sign, value = param.partition("=")
        if not sign:
            raise click.UsageError(f"-p {param}: write KEY=VALUE")
        values[key] = value
    if name is not None:
        if values.get("partner"):
            with published(config_file, scan_id) as con:
                values["partner"] = narrow.find_partner(con, values["partner"])[0]
        sql, values = analyst.find(name, values)
    elif sql == "-":
        sql = sys.stdin.read()
    settings = config.read(config_file)
    answer = analyst.run(store.database(settings.state, scan_id), sql or "", values, max_rows=max_rows)
    if fmt == "table":
        print_table(answer.columns, answer.rows)
    elif fmt == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(map(guarded, answer.columns))
        writer.writerows([guarded(value) for value in row] for row in answer.rows)
    else:
        if twice := [name for name in answer.columns if answer.columns.count(name) > 1]:
            raise QueryError(f"two columns are called {twice[0]!r}", hint="name one of them otherwise, with `as`")
        rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        if fmt == "json":
            print_json(rows)
        else:
            for row in rows:
                click.echo(json.dumps(row))
    if answer.is_cut:
        click.echo(f"cut at {max_rows} rows; raise --max-rows for more", err=True)


@click.command()
@click.argument("table", required=False)
def schema(table: str | None) -> None:
    """List the tables of a scan, or the columns of TABLE.

    Example: nhiscan schema identity_facts
    """
    from nhiscan import store

    lines = list(store.comments(store.schema_sql()))
    if table is None:
        print_table(("table", "holds"), [(name, text) for name, column, text in lines if column is None])
        return
    columns = [(column, text) for name, column, text in lines if name == table and column is not None]
    if not columns:
        raise unknown("table", table, store.tables())
    print_table(("column", "holds"), columns)


class _Where:
    """A where clause with bound values; a name that the scan does not know is an error and no empty list."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._terms: list[str] = []
        self.values: list[Any] = []

    def add(self, term: str, *values: Any) -> None:
        self._terms.append(term)
        self.values += values

    def known(self, what: str, column: str, value: str | None, table: str) -> None:
        if value is not None:
            words = {row[0] for row in self._con.execute(f"select {column} from {table}").fetchall()}
            if value not in words:
                raise unknown(what, value, words)
            self.add(f"{column} = ?", value)

    def partner(self, word: str | None) -> None:
        from nhiscan import narrow

        if word is not None:
            self.add("partner_id = ?", narrow.find_partner(self._con, word)[0])

    def owner(self, word: str | None) -> None:
        from nhiscan import narrow

        if word is not None:
            self.add("owner_mail = ?", narrow.find_owner(self._con, word))

    def severity(self, least: str | None) -> None:
        if least is not None:
            severe = SEVERITIES[: SEVERITIES.index(least) + 1]
            self.add(f"severity in ({', '.join('?' for _ in severe)})", *severe)

    def __str__(self) -> str:
        return f"where {' and '.join(self._terms)}" if self._terms else ""


def _short(column: str) -> str:
    """The beginning of an id, which `nhiscan show` takes for the whole."""
    return f"left({column}, {SHORT_ID}) as {column}"


def _print_path(told: Mapping[str, Any]) -> None:
    start = cell(told["from_id"])
    goal = "an administrator" if told["to_id"] is None else cell(told["to_id"])
    steps = told["steps"]
    if told["certainty"] is None:
        click.echo(f"no way is known from {start} to {goal}")
    elif not steps and not told["is_cut"]:
        doubt = "" if told["certainty"] == "definite" else ", if what this depends on is met"
        click.echo(f"{start} is {goal} itself{doubt}")
    elif told["certainty"] == "definite":
        click.echo(f"{start} comes to {goal}: {counted(len(steps), 'step')}, all definite")
    else:
        click.echo(f"{start} may come to {goal}: {counted(len(steps), 'step')}; no way is definite")
        for number, step in enumerate(steps, 1):
            if step["certainty"] != "definite":
                click.echo(
                    f"  step {number} is {step['certainty']}: it depends on what its statement or evidence names"
                )
    for number, step in enumerate(steps, 1):
        click.echo(f"\n{number}. {cell(step['from_id'])}\n   to {cell(step['to_id'])}: {cell(step['says'])}")
        _print_facts(step, ("certainty", "path_id", "path_title", "through", "resource_id"))
        for side in step["allowed_by"]:
            _print_facts(side, ("policy", "statement"))
        _print_facts(step, ("evidence", "to_break", "check_by_hand"))
    if told["is_cut"]:
        click.echo("\nthe scan does not hold the rest of this way")
    for right in told["because"]:
        last = cell(steps[-1]["to_id"]) if steps else start
        doubt = "" if right["certainty"] == "definite" else f", if what this depends on is met ({right['certainty']})"
        click.echo(f"\n{last} is an administrator{doubt}")
        _print_facts(
            right, ("policy", "through_group", "by_token_of", "statement", "considered", "to_break", "check_by_hand")
        )
    if told["not_read"]:
        places = ", ".join(f"{cell(gap['tenant_id'])} {gap['dataset']}" for gap in told["not_read"])
        hides = "what they forbid is not taken off" if told["certainty"] == "definite" else "a way may be hidden there"
        click.echo(f"\nnot wholly read: {places}; {hides}")


def _print_facts(facts: Mapping[str, Any], names: Iterable[str]) -> None:
    for name in names:
        value = facts[name]
        for text in value if isinstance(value, list) else [value] if value is not None else []:
            shown = "a name holds characters that a terminal does not show" if text is None else cell(text, LONG)
            click.echo(f"   {name.replace('_', ' ')}: {shown}")
