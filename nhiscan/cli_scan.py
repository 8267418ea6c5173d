"""The commands that set a scan up, make one, and say what it could not read."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nhiscan.errors import ConfigError, StoreError
from nhiscan.printable import plain
from nhiscan.severities import SEVERITIES
from nhiscan.terminal import (
    EXIT_GATE,
    EXIT_INCOMPLETE,
    YEARS,
    by_hand,
    config_option,
    counted,
    iso_moment,
    json_option,
    now,
    print_json,
    redacting,
)

if TYPE_CHECKING:
    import duckdb


@click.command()
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


@click.command()
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
                report.write(report_file, report.render(con, generated_at=clock(), by_hand=by_hand(con)))
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
        print_scan(summary, report_file)
    if gate:
        click.echo(f"gate: {gate} open {'new ' if fail_on_new else ''}cases are {fail_on} or worse", err=True)
    if not published.is_complete:
        click.echo("the scan is incomplete; the report says what is missing", err=True)
    if {name for name, _ in settings.collectors} == {"register"}:
        click.echo(f"{config_file} names no system beside the register: nothing was looked for in any", err=True)
    sys.exit(code)


@click.command()
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


@click.command()
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
        for gaps in examination.alike(tenant.gaps):
            datasets = ", ".join(gap.dataset for gap in gaps)
            needs = f", needs {gaps[0].missing_permission}" if gaps[0].missing_permission else ""
            click.echo(f"  {datasets}: {gaps[0].status}{needs}: {plain(gaps[0].reason or 'no reason given')}")
            if hides := sorted({rule_id for gap in gaps for rule_id in gap.hides}):
                click.echo(f"    hides {counted(len(hides), 'rule')}: {', '.join(hides)}")
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


def print_scan(summary: Mapping[str, Any], report_file: Path | None) -> None:
    """Says in a line what a scan came to."""
    counts = {severity: n for severity, n in summary["cases_by_severity"].items() if n}
    click.echo(
        f"scan {summary['scan_id']}: {'complete' if summary['is_complete'] else 'INCOMPLETE'}, "
        + (", ".join(f"{counts[s]} {s}" for s in SEVERITIES if s in counts) or "no")
        + (" case" if sum(counts.values()) == 1 else " cases")
    )
    if report_file is not None:
        click.echo(f"report: {report_file}")
