"""The command line. Its modules and terminal.py alone print, exit, and read the clock or the environment.

Heavy libraries are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import csv
import dataclasses
import gc
import inspect
import json
import logging
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from nhiscan import __version__
from nhiscan.cli_attest import accept, attest, review
from nhiscan.cli_evidence import evidence
from nhiscan.cli_partner import partner
from nhiscan.cli_remediate import remediate
from nhiscan.cli_secrets import secrets
from nhiscan.cli_work import work
from nhiscan.errors import ConfigError, NhiscanError, QueryError, StoreError
from nhiscan.printable import guarded, plain
from nhiscan.secret import Secret
from nhiscan.severities import SEVERITIES
from nhiscan.terminal import (
    LONG,
    SHORT_ID,
    YEARS,
    cell,
    config_option,
    counted,
    iso_moment,
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
    redacting,
    scan_option,
    unknown,
)

if TYPE_CHECKING:
    import duckdb

    from nhiscan.config import Config
    from nhiscan.report import ByHand
    from nhiscan.rule import Rule
    from nhiscan.show import Section

EXIT_GATE: Final = 1
EXIT_INCOMPLETE: Final = 3
EXIT_INTERNAL: Final = 5
EXIT_INTERRUPTED: Final = 130
_DIFF_ROWS: Final = 8  # of each list of a difference: an ordinary week fits a screen

log = logging.getLogger("nhiscan")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nhiscan")
@click.option("-v", "--verbose", is_flag=True, help="Say more on stderr, tracebacks included.")
def cli(verbose: bool) -> None:
    """Find the non-human identities that partners hold, and say which should not exist any more."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    handler.addFilter(redacting)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    log.setLevel(logging.DEBUG if verbose else logging.INFO)


cli.add_command(accept)
cli.add_command(attest)
cli.add_command(evidence)
cli.add_command(partner)
cli.add_command(remediate)
cli.add_command(review)
cli.add_command(secrets)
cli.add_command(work)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
def init(folder: Path) -> None:
    """Write a first nhiscan.toml and an empty register into FOLDER.

    Example: nhiscan init
    """
    from importlib import resources

    from nhiscan import atomic

    target = folder / "nhiscan.toml"
    if target.exists():
        raise ConfigError(f"{target} exists", hint="delete it first, or choose another folder")
    try:
        (folder / "register").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make {folder / 'register'}: {error.strerror}", hint="choose another folder"
        ) from error
    partners = folder / "register" / "partners.csv"
    if not partners.exists():
        atomic.write_text(partners, "partner_id,name,business_owner,risk_tier\n")
    atomic.write_text(target, resources.files("nhiscan").joinpath("first.toml").read_text(encoding="utf-8"))
    click.echo(f"wrote {target} and {partners}")
    click.echo("next: fill in [company] and the register, then run `nhiscan scan --report report.html`", err=True)


@cli.command()
@config_option
@click.option(
    "--as-of",
    type=iso_moment,
    metavar="TIME",
    help="Moment that every rule takes as now; the start of the scan by default.",
)
@click.option("--report", "report_file", type=click.Path(path_type=Path, dir_okay=False), help="Write an HTML report.")
@click.option("--strict", is_flag=True, help="Stop at any register row that is not accepted.")
@click.option(
    "--only", metavar="SYSTEM,…", help="Read only these collectors; carry over what the current scan holds of others."
)
@click.option(
    "--record",
    "record_to",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep what was answered, free of secrets, on a tape in this new folder.",
)
@click.option(
    "--replay",
    "replay_from",
    type=click.Path(path_type=Path, file_okay=False),
    help="Take the answers and the moment from a tape; no network, no credentials.",
)
@click.option("--fail-on", type=click.Choice(SEVERITIES), help="Exit 1 when an open case is this severe or worse.")
@click.option("--fail-on-new", is_flag=True, help="Let --fail-on look at new cases only.")
@json_option
def scan(
    config_file: Path,
    as_of: datetime | None,
    report_file: Path | None,
    strict: bool,
    only: str | None,
    record_to: Path | None,
    replay_from: Path | None,
    fail_on: str | None,
    fail_on_new: bool,
    as_json: bool,
) -> None:
    """Collect, evaluate and publish one scan.

    Exit codes: 0 done, 1 gate hit, 2 usage or configuration, 3 scan incomplete, 4 another scan is running,
    5 internal error, 130 interrupted.

    A tape is written when the scan is published, and not at all if a secret would be on it.

    Example: nhiscan scan --report report.html --fail-on critical
    """
    if fail_on_new and fail_on is None:
        raise click.UsageError("--fail-on-new needs --fail-on")
    if report_file is not None and not report_file.parent.is_dir():
        raise click.UsageError(f"--report: {report_file.parent} is no folder")
    if replay_from is not None and (record_to is not None or as_of is not None):
        raise click.UsageError("--replay goes with neither --record nor --as-of: the moment is that of the tape")
    from nhiscan import collect, config, report, store, tape
    from nhiscan import rule as rule_folders
    from nhiscan import scan as line

    settings = config.read(config_file)
    player = None if replay_from is None else tape.read(replay_from)
    if player is not None and player.as_of.year not in YEARS:
        raise ConfigError(f"{player.file} is damaged: its moment is {player.as_of}", hint="record it again")
    moment = player.as_of if player else as_of or now()
    clock: Callable[[], datetime] = (lambda: moment) if player else now
    recorder = None
    if record_to is not None:
        tape.claim(record_to)
        recorder = tape.Recorder(as_of=moment)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a runner's stop ends as ^C does, with nothing left over
    os.umask(0o077)  # whatever is written, spilled or logged from here on is for the owner only
    systems = None if only is None else frozenset(name.strip() for name in only.split(",") if name.strip())
    if systems is not None and not systems:
        raise click.UsageError("--only names no system")
    collectors = line.collectors(settings, environ=None if player else os.environ, strict=strict, only=systems)
    for collector in collectors:
        redacting.add_settings(collector)
    loaded = rule_folders.load()
    rule_folders.check_overrides(loaded, settings.rules)
    with _progress() as (on_stage, on_progress):
        ctx = collect.Context(
            as_of=moment, clock=None if as_of or player else now, on_progress=on_progress, tape=player or recorder
        )
        published = line.run(settings, collectors, loaded, ctx=ctx, clock=clock, on_stage=on_stage, only=systems)
    if recorder is not None and record_to is not None:
        try:
            click.echo(f"tape: {recorder.write(record_to)}", err=True)
        except StoreError as error:
            raise StoreError(f"scan {published.scan_id} is published: {error.message}", hint=error.hint) from error
    with store.open_published(settings.state, published.scan_id) as con:
        if report_file is not None:
            try:
                report.write(report_file, report.render(con, generated_at=clock(), by_hand=_by_hand(con)))
            except StoreError as error:
                raise StoreError(
                    f"scan {published.scan_id} is published, its report is not: {error.message}",
                    hint="write it elsewhere with `nhiscan report -o FILE`",
                ) from error
        summary = report.summary(con)
        gate = _gate(con, fail_on, only_new=fail_on_new)
    code = EXIT_INCOMPLETE if not published.is_complete else EXIT_GATE if gate else 0
    if as_json:
        print_json({**summary, "exit_code": code})
    else:
        _print_scan(summary, report_file)
    if gate:
        click.echo(f"gate: {gate} open {'new ' if fail_on_new else ''}cases are {fail_on} or worse", err=True)
    if not published.is_complete:
        click.echo("the scan is incomplete; the report says what is missing", err=True)
    sys.exit(code)


@cli.command()
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("demo-report.html"),
    show_default=True,
    help="Write the report here.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".nhiscan-demo"),
    show_default=True,
    help="Keep the register, the settings and the scans here.",
)
@click.pass_context
def demo(click_context: click.Context, report_file: Path, folder: Path) -> None:
    """Scan a made-up company from a tape and write its report.

    Needs no network and no credential.

    Example: nhiscan demo --report demo-report.html
    """
    from importlib import resources

    config_file = folder / "nhiscan.toml"
    with resources.as_file(resources.files("nhiscan.demo") / "estate") as estate:
        try:
            _lay_out_demo(estate, folder)
        except OSError as error:
            raise ConfigError(f"cannot use {folder}: {error.strerror}", hint="name another --folder") from error
    try:
        click_context.invoke(scan, config_file=config_file, report_file=report_file, replay_from=folder / "tape")
    except SystemExit as ended:
        if ended.code not in (0, EXIT_INCOMPLETE):
            raise
    click.echo(f"ask further: nhiscan cases --config {config_file}")


def _lay_out_demo(estate: Path, folder: Path) -> None:
    """Copies the made-up company into a new folder, or over the one of an earlier demo: never over somebody's own."""
    from nhiscan import config, tape

    if folder.exists() and any(folder.iterdir()):
        there = folder / "nhiscan.toml"
        if not there.exists() or config.read(there).company != config.read(estate / "nhiscan.toml").company:
            raise ConfigError(f"{folder} holds something else than a demo", hint="name another --folder")
    # A file's time stands for the day of its export where its rows name none.
    exported = tape.read(estate / "tape").as_of.timestamp()
    for file in sorted(file for file in estate.rglob("*") if file.is_file()):
        copy = folder / file.relative_to(estate)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
        os.utime(copy, (exported, exported))


@cli.command()
@config_option
@json_option
def doctor(config_file: Path, as_json: bool) -> None:
    """Say what the scanner may not read, and what that hides.

    Names each missing permission, the rules that cannot judge without it, and what the scanner may do beyond reading.
    Asks each provider for a few things of every kind and publishes nothing. The scanner's own rights are those that
    the last published scan found. Exit codes: 0 a scan would be complete, 3 something is refused or fails.

    Example: nhiscan doctor
    """
    from nhiscan import collect, config, store
    from nhiscan import doctor as examination
    from nhiscan import rule as rule_folders
    from nhiscan import scan as line

    settings = config.read(config_file)
    collectors = line.collectors(settings, environ=os.environ, strict=False)
    for collector in collectors:
        redacting.add_settings(collector)
    loaded = rule_folders.load()
    rule_folders.check_overrides(loaded, settings.rules)
    with _progress() as (on_stage, on_progress):
        on_stage("try each collector")
        ctx = collect.Context(as_of=now(), clock=now, on_progress=on_progress, is_sample=True)
        examined = list(examination.examine(collectors, ctx, loaded))
    excess, unplaced = None, []
    if store.current(settings.state) is not None:
        with store.open_published(settings.state) as con:
            excess, unplaced = examination.excess(con), examination.unplaced(con)
    code = EXIT_INCOMPLETE if any(gap.is_mendable for tenant in examined for gap in tenant.gaps) else 0
    if as_json:
        print_json(
            {
                "tenants": [dataclasses.asdict(tenant) for tenant in examined],
                "scanner_beyond_reading": None if excess is None else [dataclasses.asdict(right) for right in excess],
                "scanner_not_in_inventory": [identity_id for _, identity_id in unplaced],
                "exit_code": code,
            }
        )
        sys.exit(code)
    for tenant in examined:
        click.echo(f"{plain(tenant.tenant_id)}: {tenant.readable} of {tenant.readable + len(tenant.gaps)} datasets")
        for gap in tenant.gaps:
            needs = f", needs {gap.missing_permission}" if gap.missing_permission else ""
            click.echo(f"  {gap.dataset}: {gap.status}{needs}: {plain(gap.reason or 'no reason given')}")
            if gap.hides:
                click.echo(f"    hides {len(gap.hides)} rules: {', '.join(gap.hides)}")
    if excess is None:
        click.echo("scanner's own rights: not known before the first scan")
    else:
        for identity_id in dict.fromkeys(right.identity_id for right in excess):
            click.echo(f"{plain(identity_id)}, which is the scanner, may do more than read:")
            for right in excess:
                if right.identity_id == identity_id:
                    click.echo(f"  {right.certainty} {right.verb} on {right.scope}: {plain(right.statement or '')}")
        for tenant_id, identity_id in unplaced:
            click.echo(f"{plain(identity_id)}, which is the scanner in {plain(tenant_id)}, is not in the inventory")
        if not excess and not unplaced:
            click.echo("scanner's own rights: nothing beyond reading")
    sys.exit(code)


def _gate(con: duckdb.DuckDBPyConnection, fail_on: str | None, *, only_new: bool) -> int:
    """How many open cases are at least as severe as `fail_on`."""
    if fail_on is None:
        return 0
    severe = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    marks = ", ".join("?" for _ in severe)
    rows = con.execute(
        f"select count(*) from cases where status in ('open', 'reopened') and severity in ({marks})"
        + (" and is_new" if only_new else ""),
        list(severe),
    ).fetchall()
    return int(rows[0][0])


@contextmanager
def _progress() -> Iterator[tuple[Callable[[str], None], Callable[[str, int], None]]]:
    """Two callbacks that draw progress on stderr when it is a terminal, and nothing otherwise."""
    from tqdm import tqdm

    bars: dict[str, Any] = {}

    def close() -> None:
        for bar in bars.values():
            bar.close()
        bars.clear()

    def on_stage(name: str) -> None:
        close()
        bars[""] = tqdm(desc=name, bar_format="{desc}: {elapsed}", disable=None, leave=False)

    def on_progress(label: str, n: int) -> None:
        shown = plain(label)
        if shown not in bars:
            bars[shown] = tqdm(desc=f"  {shown}", unit="", disable=None, leave=False)
        bars[shown].update(n)

    try:
        yield on_stage, on_progress
    finally:
        close()


def _print_scan(summary: Mapping[str, Any], report_file: Path | None) -> None:
    counts = summary["cases_by_severity"]
    click.echo(
        f"scan {summary['scan_id']}: {'complete' if summary['is_complete'] else 'INCOMPLETE'}, "
        + (", ".join(f"{counts[s]} {s}" for s in SEVERITIES if counts.get(s)) or "no")
        + " cases"
    )
    if report_file is not None:
        click.echo(f"report: {report_file}")


@cli.command()
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
            text = painter.render(con, partner=partner, owner=owner, generated_at=now(), by_hand=_by_hand(con))
        else:
            text = json.dumps(painter.summary(con), indent=2, default=json_value) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        painter.write(output, text)
        click.echo(f"report: {output}", err=True)


@cli.command()
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


@cli.command()
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


@cli.command()
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


@cli.command()
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


@cli.command()
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
        by_hand = []
        if told[0].title in ("finding", "case"):
            by_hand = [runbook.section(con, rule_folders.load(), told)]
    print_sections([*told, *by_hand] if as_json else told, as_json=as_json)
    if by_hand and not as_json:
        _print_by_hand(by_hand[0])


def _by_hand(con: duckdb.DuckDBPyConnection) -> ByHand:
    from nhiscan import rule as rule_folders
    from nhiscan.remediate import runbook

    return lambda finding_ids: runbook.lines(con, rule_folders.load(), finding_ids)


def _print_by_hand(section: Section) -> None:
    """Never in a table: a command that a narrow terminal cuts off is another command."""
    click.echo("by hand:")
    for finding_id, rule_id, what, how in section.rows:
        if what == "do":
            click.echo(f"  {rule_id} ({finding_id[:12]}): {plain(how, LONG)}")
        else:
            click.echo(f"    {'$' if what == 'run' else 'page:'} {how}")
    click.echo()


@cli.command()
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


@cli.command()
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


@cli.command()
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
    from nhiscan import config, store

    if list_names:
        print_table(("name", "title", "parameters"), [(q.name, q.title, ", ".join(q.params)) for q in analyst.named()])
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


@cli.command()
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


@cli.group()
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
    from nhiscan import check

    tested = _find_rules(rule_ids)
    results = [result for rule in tested for result in check.test_cases(rule)]
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


@cli.group("collectors")
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


@cli.command()
@config_option
@scan_option
@json_option
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many to list.")
@click.option("--pattern", help="Decide: identities whose id, native id or name match (* and ?).")
@click.option("--partner", help="Decide: partner id.")
@click.option("--role", type=click.Choice(["operator", "beneficiary", "vendor"]), help="Decide: its role.")
@click.option("--owner", help="Decide: owner's mail address.")
@click.option("--by", help="Decide: who decides (mail address).")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Decide: last day of the decision.")
@click.option("--replace", is_flag=True, help="Decide: replace an earlier decision on the same pattern.")
def attribute(
    config_file: Path,
    scan_id: str | None,
    as_json: bool,
    limit: int,
    pattern: str | None,
    partner: str | None,
    role: str | None,
    owner: str | None,
    by: str | None,
    until: datetime | None,
    replace: bool,
) -> None:
    """List weak attributions, or write down a decision (--pattern).

    Decisions go to identity_map.toml in the register's folder and hold from the next scan on.

    Example: nhiscan attribute --pattern '*:role/montblanc-*' --partner P-1012 --by erika.brandt@acme.example
    """
    from nhiscan import attribute as attribution
    from nhiscan import config
    from nhiscan.model import IdentityMapping

    if pattern is None:
        with published(config_file, scan_id) as con:
            weak = attribution.weakest(con, limit)
        if as_json:
            print_json([dataclasses.asdict(item) for item in weak])
        else:
            for item in weak:
                click.echo(attribution.describe(item))
        return
    if by is None or (partner is None and owner is None):
        raise click.UsageError("a decision needs --by and at least one of --partner and --owner")
    settings = config.read(config_file)
    decision = IdentityMapping(
        pattern=pattern,
        partner_id=partner,
        role=role,
        owner=owner,
        decided_by=by,
        until=until.date() if until else None,
    )
    file = _identity_map(settings)
    attribution.decide(file, [decision], replace=replace)
    click.echo(f"wrote {file}; it holds from the next scan on", err=True)


def _identity_map(settings: Config) -> Path:
    """The file that decisions are written to: beside the register's own tables."""
    for name, entry in settings.collectors:
        if name == "register" and isinstance(entry.get("path"), str):
            folder: Path = settings.file.parent / entry["path"]
            if folder.is_dir():
                return folder / "identity_map.toml"
    raise ConfigError(
        f"{settings.file}: collectors.register.path names no folder",
        hint="decisions are kept in the register's folder; set path to one",
    )


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


def main() -> None:
    """Runs the command line and turns every end into an exit code."""
    # A scan makes many objects that live to its end; looking through all of them again and again took a seventh of it.
    gc.set_threshold(100_000, 20, 20)
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Exit as ended:
        code = ended.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; the last published scan is untouched", err=True)
        code = EXIT_INTERRUPTED
    except NhiscanError as error:
        # A line of its own begins with a bar, so that no name in a message can pose as the next step.
        first, *more = redacting.redact(error.message).strip().splitlines() or [""]
        click.echo(
            "\n  | ".join([f"error: {plain(first, 2000)}", *(plain(line, 200) for line in more[:20] if line)]), err=True
        )
        if error.hint:
            click.echo(f"  next: {redacting.redact(plain(error.hint, 2000))}", err=True)
        code = error.exit_code
    except SystemExit as ended:
        # click turns a pipe whose reader left into exit code 1, which here means that a gate was hit.
        code = 0 if type(sys.stdout).__name__.endswith("PacifyFlushWrapper") else ended.code
    except Exception as error:  # noqa: BLE001 - the outermost edge: a defect of ours must end as exit code 5
        if log.isEnabledFor(logging.DEBUG):
            click.echo(redacting.redact(traceback.format_exc()), err=True)
        click.echo(f"internal error: {redacting.redact(f'{type(error).__name__}: {error}')}", err=True)
        click.echo("  next: run again with `nhiscan -v` and report what it prints", err=True)
        code = EXIT_INTERNAL
    sys.exit(code)


if __name__ == "__main__":
    main()
